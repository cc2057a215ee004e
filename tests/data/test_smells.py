from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recipeline.config.recipe import Recipe
from recipeline.data.smells import find_smells, find_unnamed
from recipeline.data.tasks.every import TASKS
from tests.conftest import as_recipe, small_recipe
from tests.panels import draw_panel, draw_series, panel_content, panel_recipe, series_content


def without_keys(content: dict[str, object]) -> Recipe:
    """Return a recipe that names no keys, in its columns or its split."""
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


def of_two(values: tuple[float, ...], **target: object) -> tuple[pd.DataFrame, Recipe]:
    """Return a table whose target has these values, and its recipe, a regression."""
    random = np.random.default_rng(0)
    table = pd.DataFrame({"x": random.normal(size=400), "y": random.choice(values, 400, p=(0.97, 0.03))})
    content = small_recipe() | {"target": "y", "columns": {"x": {}, "y": target}, "promotion": {}, "gates": {}}
    return table, as_recipe(content)


@pytest.mark.parametrize(
    ("values", "target", "named"),
    [
        ((0, 1), {"type": "integer"}, "set task: binary."),
        ((0, 1), {}, "set task: binary and columns.y.type: integer."),
        ((1, 2), {"type": "integer"}, "set task: binary."),
        ((0.5, 1), {}, ""),
    ],
)
def test_a_target_of_two_whole_numbers_is_named_with_the_task_to_set(
    values: tuple[float, ...], target: dict[str, object], named: str
) -> None:
    table, recipe = of_two(values, **target)
    found = find_smells(table, recipe)
    assert [text.endswith(named) for text in found] == [True] * bool(named)
    if named:
        share = (table["y"] == values[1]).mean()
        assert f"is {values[0]} or {values[1]} in every row, {values[1]} in {share:.1%}" in found[0]


@pytest.mark.parametrize(("low", "high", "is_named"), [(0, 1, True), (0, 10, False), (None, 1, False)])
def test_a_target_that_can_be_two_whole_numbers_only_is_named_before_there_are_rows(
    low: int | None, high: int, is_named: bool
) -> None:
    _, recipe = of_two((0, 1), type="integer", min=low, max=high)
    assert bool(TASKS[recipe.task].doubt_recipe(recipe)) == is_named


def test_a_target_of_more_than_two_numbers_is_a_number(wines: pd.DataFrame, recipe: Recipe) -> None:
    assert TASKS["regression"].doubt(wines["quality"], recipe) == ""
    assert TASKS["binary"].doubt(pd.Series([0, 1]), recipe) == ""
