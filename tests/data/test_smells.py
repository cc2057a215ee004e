from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recipeline.config.recipe import Recipe
from recipeline.data.smells import find_unnamed
from tests.conftest import as_recipe
from tests.panels import draw_panel, draw_series, panel_content, panel_recipe, series_content


def without_keys(content: dict[str, object]) -> Recipe:
    """Return a recipe that says of no column what it is for, and names none in its split."""
    columns = content["columns"]
    assert isinstance(columns, dict)
    for column in columns.values():
        column.pop("role", None)
    return as_recipe(content | {"split": {}})


def test_nothing_is_said_of_the_wines(wines: pd.DataFrame, recipe: Recipe) -> None:
    assert find_unnamed(wines, recipe) == []
    assert find_unnamed(wines.sort_values("quality"), recipe) == []


def test_people_in_blocks_and_years_are_named_with_the_key_to_set() -> None:
    person, year, *others = find_unnamed(draw_panel(), without_keys(panel_content()))
    assert "'person' numbers blocks" in person
    assert "split.group: person" in person
    assert "'year' is a time by its name" in year
    assert "split.time: year" in year
    assert others == []


def test_a_column_that_only_rises_is_named_and_one_that_falls_too() -> None:
    recipe, series = without_keys(series_content()), draw_series()
    for rows in (series, series.iloc[::-1]):
        (found,) = find_unnamed(rows, recipe)
        assert "'moment' only rises or falls" in found
        assert "split.time: moment" in found


@pytest.mark.parametrize("recipe", [panel_recipe(), panel_recipe(group="person")], ids=["default", "named"])
def test_a_recipe_with_a_key_is_left_alone(recipe: Recipe) -> None:
    assert find_unnamed(draw_panel(), recipe) == []


def test_a_column_with_a_role_is_left_alone() -> None:
    content = series_content()
    content["columns"]["moment"]["role"] = "feature"
    assert find_unnamed(draw_series(), as_recipe(content | {"split": {}})) == []


@pytest.mark.parametrize(
    ("name", "is_time"),
    [("saleDate", True), ("pickup_time", True), ("Year", True), ("hours", False), ("lifetime", False), ("sentiment", False)],
)
def test_a_time_is_known_by_a_word_of_its_name(name: str, is_time: bool) -> None:
    content = series_content()
    content["columns"] = {name: {}, "load": {}}
    rows = pd.DataFrame({name: np.random.default_rng(0).normal(size=50), "load": np.arange(50.0)})
    assert bool(find_unnamed(rows, as_recipe(content | {"split": {}}))) == is_time


def test_a_flag_or_a_few_grades_in_blocks_are_no_groups() -> None:
    content = series_content()
    content["columns"] = {"flag": {}, "load": {}}
    rows = pd.DataFrame({"flag": np.repeat([0, 1, 2], 20), "load": np.arange(60.0)})
    assert find_unnamed(rows, as_recipe(content | {"split": {}})) == []
