from __future__ import annotations

from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipeline.config.recipe import Recipe
from recipeline.data.relating.grouping import row_groups
from recipeline.data.results import FittedRows
from recipeline.data.splits import cv_folds, split_rows
from recipeline.data.target_codes import TargetCodes
from recipeline.errors import DataError
from recipeline.training.fitted_rows import choose_rows, limit_rows, require_fittable
from tests.classes import TARGETS, class_recipe, draw_classes
from tests.conftest import as_recipe, small_recipe

#: Numbers of rows by group, and a limit.
GROUPS = st.lists(st.integers(1, 9), min_size=1, max_size=40)


def keyed(split: dict[str, object], **columns: dict[str, object]) -> Recipe:
    """Return a recipe of a feature, a target and the columns that its split names."""
    content = small_recipe()
    content["columns"] = {"x": {}, "quality": {}} | columns
    content["split"] = split
    content["cv"] = {"folds": 2}
    content["promotion"] = {}
    content["metrics"] = {}
    return as_recipe(content)


BY_GROUP = keyed({"group": "who"}, who={"role": "group", "type": "category"})
BY_TIME = keyed({"time": "when"}, when={"role": "time"})
BY_COPIES = keyed({"method": "grouped"})


def grouped(sizes: list[int]) -> pd.DataFrame:
    """Return a table with so many rows of each group."""
    who = np.repeat(np.arange(len(sizes)), sizes)
    return pd.DataFrame({"x": np.arange(len(who)) * 1.0, "quality": np.arange(len(who)) % 3 * 1.0, "who": who.astype(str)})


def choose(table: pd.DataFrame, recipe: Recipe, limit: int, method: str = "grouped") -> np.ndarray:
    return choose_rows(table, recipe, method, limit)


@settings(max_examples=25)
@given(GROUPS, st.integers(9, 400), st.randoms(use_true_random=False))
def test_whole_groups_are_chosen_within_the_limit_whatever_the_order_of_the_rows(
    sizes: list[int], limit: int, random: Random
) -> None:
    table = grouped(sizes)
    chosen = choose(table, BY_GROUP, limit)
    assert 0 < chosen.sum() <= limit
    by_group = pd.Series(chosen).groupby(table["who"]).agg(["min", "max"])
    assert (by_group["min"] == by_group["max"]).all()
    # No group that is left out would have had room.
    left = table["who"][~chosen].value_counts()
    assert (left > limit - chosen.sum()).all()
    order = list(range(len(table)))
    random.shuffle(order)
    np.testing.assert_array_equal(choose(table.iloc[order], BY_GROUP, limit), chosen[order])


@settings(max_examples=25)
@given(st.integers(1, 80), st.integers(1, 40), st.integers(0, 60))
def test_a_row_that_is_chosen_remains_so_when_the_limit_grows_or_rows_go(rows: int, limit: int, fewer: int) -> None:
    table = grouped([1] * (rows + limit))
    chosen = choose(table, BY_COPIES, limit)
    assert chosen.sum() == limit
    assert not (chosen & ~choose(table, BY_COPIES, limit + 3)).any()
    kept = np.arange(len(table)) >= fewer
    if kept.sum() > limit:
        assert not (chosen[kept] & ~choose(table[kept], BY_COPIES, limit)).any()


def test_copies_of_a_row_are_chosen_together_and_another_seed_chooses_others() -> None:
    table = pd.concat([grouped([1] * 300)] * 3)
    chosen = choose(table, BY_COPIES, 90)
    assert chosen.sum() == 90
    assert chosen.reshape(3, -1).all(axis=0).sum() == 30
    other = choose(table, BY_COPIES.model_copy(update={"random_state": 1}), 90)
    assert (chosen & other).sum() < 30


def test_the_choice_is_independent_of_the_sides_of_the_split(wines: pd.DataFrame) -> None:
    recipe = as_recipe(small_recipe())
    chosen = wines[choose(wines, recipe, len(wines) // 2)]
    _, test = split_rows(wines, recipe, "grouped")
    groups, of_test = row_groups(chosen[list(recipe.features)]), row_groups(test[list(recipe.features)])
    assert np.isin(groups, of_test).mean() == pytest.approx(0.2, abs=0.06)


@settings(max_examples=25)
@given(st.lists(st.integers(0, 12), min_size=2, max_size=60), st.integers(1, 60))
def test_over_time_the_newest_whole_instants_are_chosen(instants: list[int], limit: int) -> None:
    table = grouped([1] * len(instants)).assign(when=np.array(instants) * 1.0).drop(columns="who")
    counts = pd.Series(instants).value_counts()
    if len(instants) > limit and counts[max(instants)] > limit:
        with pytest.raises(DataError, match=r"max_train_rows must have room for the rows of one value of 'when'\. Got"):
            choose(table, BY_TIME, limit)
        return
    chosen = choose(table, BY_TIME, limit)
    assert chosen.sum() <= limit
    oldest = table["when"][chosen].min()
    np.testing.assert_array_equal(chosen, table["when"] >= oldest)
    older = table["when"][~chosen]
    assert older.empty or chosen.sum() + (older == older.max()).sum() > limit


def test_after_a_random_split_time_does_not_choose() -> None:
    table = grouped([1] * 50).assign(when=np.arange(50.0)).drop(columns="who")
    assert not choose(table, BY_TIME, 20, "random")[-20:].all()


def test_a_group_that_is_larger_than_the_limit_is_passed_over_and_alone_refused() -> None:
    assert choose(grouped([50, 2, 2]), BY_GROUP, 5).sum() == 4
    with pytest.raises(DataError, match=r"engine\.max_train_rows must have room for the rows of one group by 'who'\. Got 5"):
        choose(grouped([50]), BY_GROUP, 5)


@pytest.mark.parametrize("limit", [None, 10_000])
def test_without_a_limit_or_within_it_the_table_is_what_it_was(wines: pd.DataFrame, limit: int | None) -> None:
    rows, fitted = limit_rows(wines, as_recipe(small_recipe()), "grouped", limit)
    assert rows is wines
    assert fitted is None


def test_how_many_rows_are_fitted_to_is_told(wines: pd.DataFrame) -> None:
    recipe = as_recipe(small_recipe())
    rows, fitted = limit_rows(wines, recipe, "grouped", 200)
    assert fitted == FittedRows(len(rows), len(wines), 200)
    assert len(rows) <= 200
    assert str(FittedRows(100_000, 12_800_000, 100_000)) == "100,000 of 12,800,000"
    assert rows.index.is_monotonic_increasing
    assert len(list(cv_folds(rows, recipe, "grouped"))) == recipe.cv.folds


def test_a_label_that_keeps_too_few_rows_is_refused() -> None:
    column, labels, positive = TARGETS["binary"][0]
    recipe = class_recipe("binary", column, positive)
    table = draw_classes(labels, 400)
    codes = TargetCodes.learn(recipe, table)
    rare = table[recipe.target] == table[recipe.target].iloc[0]
    require_fittable(table, codes, recipe, "grouped")
    few = pd.concat([table[rare].head(2), table[~rare]])
    with pytest.raises(DataError, match=r"engine\.max_train_rows must leave each label of .* Got 2 of the label .* Raise"):
        require_fittable(few, codes, recipe, "grouped")


def test_folds_without_different_targets_are_refused(wines: pd.DataFrame) -> None:
    recipe = as_recipe(small_recipe())
    same = wines[wines["quality"] == wines["quality"].iloc[0]]
    with pytest.raises(DataError, match=r"fold 0 of"):
        require_fittable(same, TargetCodes(), recipe, "grouped")
    with pytest.raises(DataError, match=r"engine\.max_train_rows leaves too few groups for the folds: .*\. Raise"):
        require_fittable(wines.head(2), TargetCodes(), recipe, "grouped")
