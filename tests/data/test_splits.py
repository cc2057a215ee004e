from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from custom.red_wine import draw
from recipeline.config.recipe import Recipe
from recipeline.data.grouping import row_groups
from recipeline.data.leakage import audit_leaks
from recipeline.data.splits import cv_folds, split_rows
from recipeline.errors import DataError
from tests.conftest import as_recipe, small_recipe

RECIPE = as_recipe(small_recipe())
WINES = draw()

many = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_grouped_keeps_copies_of_a_row_together(recipe: Recipe) -> None:
    train, test = split_rows(WINES, recipe, "grouped")
    assert audit_leaks(train, test, recipe)["leaked_rows"] == 0


def test_grouped_sets_about_a_fifth_of_the_distinct_rows_apart(recipe: Recipe) -> None:
    _, test = split_rows(WINES, recipe, "grouped")
    share = len(test.drop_duplicates()) / len(WINES.drop_duplicates())
    assert share == pytest.approx(0.2, abs=0.03)


@many
@given(st.integers(0, 2**32 - 1), st.integers(300, 1400))
def test_a_row_stays_put_when_rows_are_reordered_or_appended(seed: int, rows: int) -> None:
    some = WINES.sample(rows, random_state=seed)
    _, before = split_rows(some, RECIPE, "grouped")
    _, after = split_rows(WINES, RECIPE, "grouped")
    assert set(before.index) == set(after.index) & set(some.index)


def test_another_seed_sets_other_rows_apart(recipe: Recipe) -> None:
    _, first = split_rows(WINES, recipe, "grouped")
    _, second = split_rows(WINES, recipe.model_copy(update={"random_state": 7}), "grouped")
    assert set(first.index) != set(second.index)


def test_random_is_exactly_train_test_split(recipe: Recipe) -> None:
    train, test = split_rows(WINES, recipe, "random")
    expected_train, expected_test = train_test_split(WINES, test_size=0.2, random_state=42)
    pd.testing.assert_frame_equal(train, expected_train)
    pd.testing.assert_frame_equal(test, expected_test)


@pytest.mark.parametrize("method", ["grouped", "random"])
def test_every_training_row_is_scored_in_exactly_one_fold(recipe: Recipe, method: str) -> None:
    train, _ = split_rows(WINES, recipe, method)
    scored = np.concatenate([unseen for _, unseen in cv_folds(train, recipe, method)])
    assert sorted(scored) == list(range(len(train)))


def test_grouped_folds_keep_copies_together(recipe: Recipe) -> None:
    train, _ = split_rows(WINES, recipe, "grouped")
    groups = row_groups(train[list(recipe.features)])
    for seen, unseen in cv_folds(train, recipe, "grouped"):
        assert not set(groups[seen]) & set(groups[unseen])


def test_too_few_distinct_rows_for_the_folds_are_refused(recipe: Recipe, wines: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="distinct training rows"):
        split_rows(pd.concat([wines.head(2)] * 60), recipe, "grouped")
