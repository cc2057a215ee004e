from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from recipeline.inference.model_info import Feature
from recipeline.serving.rows.faults import COUNTED_FAULTS, LISTED_FAULTS, BadRows, Fault, Faults, describe, kind_of, no_rows
from recipeline.serving.rows.mlflow_formats import parse_csv, parse_json
from recipeline.serving.rows.schema import Schema
from tests.serving.rows.helpers import SCHEMA, faults, parse


def test_faults_are_counted_and_so_many_are_listed() -> None:
    with pytest.raises(BadRows) as caught:
        parse([{}] * LISTED_FAULTS, max_rows=10**6)
    assert caught.value.count == 2 * LISTED_FAULTS
    assert len(caught.value.faults) == LISTED_FAULTS


def test_a_long_text_is_shortened_and_its_control_characters_are_shown_as_such() -> None:
    got = faults({"alcohol": "x\n\x1b[31m" + "y" * 1000, "pH": 3})[0][3]
    assert len(got) < 50
    assert got.isprintable()


def test_further_faults_are_counted_when_there_is_no_room_for_them() -> None:
    faults = Faults(Fault(row, "a", "must be a number", "null") for row in range(LISTED_FAULTS + 3))
    assert (faults.count, len(faults.listed), faults.full) == (LISTED_FAULTS + 3, LISTED_FAULTS, True)
    assert not Faults().full
    assert BadRows(faults).count == LISTED_FAULTS + 3
    assert BadRows(no_rows()).faults == (no_rows(),)


MANY = 99_000
BAD: dict[str, tuple[Callable[[], object], int]] = {
    "empty objects": (lambda: parse([{}] * MANY, max_rows=10**6), 2),
    "numbers": (lambda: parse([1] * MANY, max_rows=10**6), 1),
    "texts": (lambda: parse([{"alcohol": "a", "pH": 3}] * MANY, max_rows=10**6), 1),
    "short rows": (lambda: invoke({"dataframe_split": {"columns": ["alcohol", "pH"], "data": [[]] * MANY}}), 1),
    "no rows": (lambda: invoke({"dataframe_records": [1] * MANY}), 1),
    "no lists": (lambda: invoke({"instances": [1] * MANY}), 1),
    "rows of a CSV": (lambda: parse_csv(b"alcohol,pH\n" + b"x,1\n" * MANY, SCHEMA, max_rows=10**6), 1),
    "short lines of a CSV": (lambda: parse_csv(b"alcohol,pH\n" + b"x\n" * MANY, SCHEMA, max_rows=10**6), 1),
}


def invoke(body: object) -> object:
    return parse_json(json.dumps(body).encode(), SCHEMA, max_rows=10**6)


@pytest.mark.parametrize("kind", BAD)
def test_after_many_faults_no_further_row_is_looked_at(kind: str) -> None:
    ask, of_a_row = BAD[kind]
    with pytest.raises(BadRows) as caught:
        ask()
    assert caught.value.is_more
    assert COUNTED_FAULTS <= caught.value.count < COUNTED_FAULTS + of_a_row
    assert len(caught.value.faults) == LISTED_FAULTS


@pytest.mark.parametrize("feature", [Feature("alcohol"), Feature("alcohol", type="category", categories=("a",))])
def test_a_very_long_text_is_told_alike_in_json_and_in_a_csv(feature: Feature) -> None:
    schema, text = Schema((feature,)), "x" * 200_000
    found = []
    asks: list[Callable[[], np.ndarray]] = [
        lambda: schema.parse(json.dumps({"alcohol": text}).encode(), max_rows=9),
        lambda: parse_csv(f"alcohol\n{text}\n".encode(), schema, max_rows=9),
    ]
    for ask in asks:
        try:
            found.append(ask().tolist())
        except BadRows as error:
            found.append([fault.as_dict() for fault in error.faults])
    assert found[0] == found[1] != []


@pytest.mark.parametrize("kind", ["number", "integer", "boolean", "category", "datetime"])
@pytest.mark.parametrize("nullable", [True, False])
def test_an_empty_text_is_a_missing_value_alike_in_json_and_in_a_csv(kind: str, nullable: bool) -> None:
    schema = Schema((Feature("a", type=kind, nullable=nullable, categories=("x",) if kind == "category" else ()), Feature("b")))
    found = []
    asks: list[Callable[[], np.ndarray]] = [
        lambda: schema.parse(b'{"a": " ", "b": 1}', max_rows=9),
        lambda: schema.parse(b'{"a": "", "b": 1}', max_rows=9),
        lambda: parse_csv(b"a,b\n,1\n", schema, max_rows=9),
        lambda: parse_json(b'{"inputs": {"a": [""], "b": [1]}}', schema, max_rows=9),
    ]
    for ask in asks:
        try:
            found.append(str(ask().tolist()))
        except BadRows as error:
            found.append(error.faults[0].rule)
    assert set(found) == {"[[nan, 1.0]]" if nullable else "must not be null"}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "null"),
        (True, "true"),
        (3, "3"),
        (9.5, "9.5"),
        (10**50, "a number of more than 38 digits"),
        ("a", "'a'"),
        ([1], "a list"),
        ({}, "an object"),
    ],
)
def test_a_value_is_described_in_few_words(value: object, words: str) -> None:
    assert describe(value) == words


@pytest.mark.parametrize(("value", "kind"), [(None, "null"), ("a", "text"), (True, "a boolean"), (1, "a number")])
def test_the_kinds_of_json_are_told_apart(value: object, kind: str) -> None:
    assert kind_of(value) == kind


def test_a_fault_is_plain_values() -> None:
    assert Fault(0, "a", "is required", "nothing").as_dict() == {
        "row": 0,
        "field": "a",
        "rule": "is required",
        "got": "nothing",
    }
