"""Facts that follow from a recipe's keys: target, features, roles, patterns."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from recipeline.config.recipe_keys import RecipeKeys
from tests.conftest import as_recipe, small_recipe

COLUMNS = {
    "place": {"type": "category", "role": "group"},
    "day": {"type": "datetime"},
    "rows": {"type": "number", "role": "weight"},
    "x": {"type": "number"},
    "note": {"type": "category", "role": "ignore"},
    "y": {"type": "number"},
}


def keys(**changed: object) -> RecipeKeys:
    return RecipeKeys.model_validate_json(json.dumps({**small_recipe(), "target": "y", "columns": COLUMNS, **changed}))


def test_features_are_the_columns_with_no_other_use() -> None:
    found = keys(split={"group": "place", "time": "day"})
    assert (found.target, found.features, found.weight) == ("y", ("x",), "rows")
    assert found.not_features == ("place", "day", "rows", "note")
    assert [found.role(name) for name in found.not_features] == ["group", "time", "weight", "ignore"]


def test_a_table_is_known_by_names_that_are_no_patterns() -> None:
    patterns = keys(columns={"gene *": {"type": "number"}, "y": {"type": "number"}})
    assert (patterns.patterns, patterns.header) == (("gene *",), [])
    assert keys().header == [*COLUMNS]


def test_keys_alone_are_not_checked_against_each_other() -> None:
    unknown = {**small_recipe(), "target": "qualty"}
    assert RecipeKeys.model_validate_json(json.dumps(unknown)).target == "qualty"
    with pytest.raises(ValidationError, match="Did you mean 'quality'"):
        as_recipe(unknown)
