from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.config.helpers import Change, assert_refused, load

PERSON = {"type": "integer"}


@pytest.mark.parametrize(
    ("columns", "split", "words"),
    [
        ({}, {"group": "persn"}, ["'split.group'", "'persn'", "Did you mean 'person'?"]),
        ({}, {"group": "quality"}, ["'split.group'", "not the target"]),
        ({}, {"group": "person", "method": "random"}, ["'split'", "A random split", "split.group: person"]),
        ({}, {"embargo": 3}, ["'split'", "embargo must come with time"]),
        ({}, {"time": "person", "embargo": "7d"}, ["'split.embargo' must be a number", "of the type integer", "duration 7d"]),
        ({}, {"time": "person", "embargo": "7 days"}, ["'split.embargo'", "a duration in s, min, h, d, w", "'7 days'"]),
        ({}, {"time": "person", "embargo": -1}, ["'split.embargo", "greater than or equal to 0"]),
        ({}, {"time": "person", "group": "person"}, ["'split'", "different columns", "'person' twice"]),
        ({}, {"time": "person", "tolerance": 0.1}, ["'split'", "tolerance must not come with time"]),
        ({}, {"time": "person", "custom": "a.b"}, ["'split'", "custom must not come with time"]),
        ({}, {"custom": "a.b", "method": "random"}, ["'split'", "A random split", "split.custom: a.b"]),
        ({}, {"custom": "rule"}, ["'split.custom.path'", "pattern"]),
        ({"role": "weight"}, {"group": "person"}, ["'columns.person.role' must be group, or feature", "weight"]),
        ({"nullable": True}, {"group": "person"}, ["'columns.person.nullable' must be false"]),
        ({"role": "group"}, {}, ["'columns.person.role' is group", "Set split.group: person, or role: ignore"]),
        ({"type": "category"}, {"time": "person"}, ["'columns.person.type' must be a number for a time", "category"]),
        ({"role": "weight", "type": "boolean"}, {}, ["'columns.person.type' must be a number for a weight", "boolean"]),
        ({"role": "weight", "type": "datetime"}, {}, ["'columns.person.type' must be a number for a weight", "datetime"]),
        ({"role": "friend"}, {}, ["columns.person.role", "'ignore'", "friend"]),
    ],
)
def test_a_role_that_does_not_fit_is_refused(
    tmp_path: Path, columns: dict[str, Any], split: dict[str, Any], words: list[str]
) -> None:
    def change(content: dict[str, Any]) -> None:
        content["columns"]["person"] = PERSON | columns
        content["split"] = split

    assert_refused(tmp_path, change, words)


def test_a_target_has_no_role_and_a_recipe_has_features(tmp_path: Path) -> None:
    assert_refused(tmp_path, lambda c: c["columns"]["quality"].update(role="ignore"), ["'columns.quality.role'", "target"])

    def ignore_all(content: dict[str, Any]) -> None:
        for name, column in content["columns"].items():
            column.update({} if name == "quality" else {"role": "ignore"})

    assert_refused(tmp_path, ignore_all, ["must have a feature"])


@pytest.mark.parametrize(
    ("role", "split", "is_feature"),
    [(None, {"group": "person"}, False), ("feature", {"group": "person"}, True), ("id", {}, False), ("ignore", {}, False)],
)
def test_what_is_no_feature_stays_a_column(tmp_path: Path, role: str | None, split: dict[str, Any], is_feature: bool) -> None:
    def change(content: dict[str, Any]) -> None:
        content["columns"]["person"] = PERSON | ({"role": role} if role else {})
        content["split"] = split

    recipe = load(tmp_path, change)
    assert ("person" in recipe.features) == is_feature
    assert recipe.not_features == (() if is_feature else ("person",))
    assert "person" in recipe.columns


def test_one_column_at_most_is_the_weight_and_it_is_never_missing(tmp_path: Path) -> None:
    def weigh(*names: str, **column: Any) -> Change:
        return lambda content: [content["columns"][name].update(role="weight", **column) for name in names]

    assert load(tmp_path, weigh("pH")).weight == "pH"
    assert load(tmp_path, lambda _: None).weight is None
    assert_refused(tmp_path, weigh("pH", "alcohol"), ["'columns' must have one weight at most", "pH and alcohol"])
    assert_refused(tmp_path, weigh("pH", nullable=True), ["'columns.pH.nullable' must be false"])


@pytest.mark.parametrize(
    ("rename", "words"),
    [
        ({"p H": "ph"}, ["'data.rename.p H' must be one of the columns", "'ph'", "Did you mean 'pH'?"]),
        ({"alcohol": "pH"}, ["'data.rename.alcohol' must not rename a column of the recipe"]),
        ({" p H": "pH"}, ["data.rename. p H"]),
    ],
)
def test_a_name_that_stands_for_no_column_or_for_another_is_refused(
    tmp_path: Path, rename: dict[str, str], words: list[str]
) -> None:
    assert_refused(tmp_path, lambda content: content.setdefault("data", {}).update(rename=rename), words)
