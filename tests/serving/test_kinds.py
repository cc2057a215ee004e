"""Schemas of every kind: rows that are taken fit, refused ones do not."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from recipeline.inference.model_info import Feature
from recipeline.serving.kinds.every import KINDS

CATEGORY = Feature("c", type="category", categories=("a", "b"), train_min=0, train_max=1)
CASES: dict[str, tuple[Feature, list[Any], list[Any]]] = {
    "number": (Feature("n", min=0, max=9), [1, 2.5], ["x", -1, True, None]),
    "integer": (Feature("n", type="integer"), [1, 2.0], [2.5, "x"]),
    "boolean": (Feature("n", type="boolean"), [True, False], ["x", None]),
    "category": (CATEGORY, ["a", "new"], [1, None, ""]),
    "datetime": (Feature("n", type="datetime"), ["2024-01-01", "2024-01-01T10:00:00Z"], [1, None]),
}


def fits(feature: Feature, value: Any, *, reject: bool = False) -> bool:
    schema = KINDS[feature.type].schema(feature, reject=reject)
    return bool(jsonschema_rs.Draft202012Validator(schema).is_valid(value))


@pytest.mark.parametrize("name", KINDS)
def test_what_a_column_takes_fits_its_schema_and_other_values_do_not(name: str) -> None:
    feature, good, bad = CASES[name]
    assert (
        [fits(feature, value) for value in good]
        == [feature.kind.read(value, feature)[1] == "" for value in good]
        == [True] * len(good)
    )
    assert [fits(feature, value) for value in bad] == [False] * len(bad)


def test_a_service_that_rejects_what_is_new_lists_the_categories() -> None:
    assert fits(CATEGORY, "a", reject=True)
    assert not fits(CATEGORY, "new", reject=True)


@pytest.mark.parametrize("name", KINDS)
def test_a_nullable_column_takes_null(name: str) -> None:
    assert fits(Feature("x", type=name, nullable=True), None)
