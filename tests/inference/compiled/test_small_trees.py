from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression

from recipeline.inference import _compat
from recipeline.inference.compiled.small_trees import BLOCK_ROWS, FEW_SPLITS, SmallTrees
from recipeline.inference.compiled.trees import small_sums


@pytest.mark.parametrize("leaves", [2, 5, FEW_SPLITS + 1])
def test_small_trees_add_up_to_what_the_model_says(leaves: int) -> None:
    rng = np.random.default_rng(leaves)
    rows = rng.normal(size=(300, 3)).round(2)
    model = HistGradientBoostingRegressor(max_iter=7, max_leaf_nodes=leaves, min_samples_leaf=5, max_bins=20)
    model.fit(rows, rows @ [1.0, -2.0, 0.5])
    found = small_sums([model], 3)
    assert found
    np.testing.assert_array_equal(found(rows)[:, 0], model.predict(rows))


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_models_that_are_looked_up_together_say_what_each_says(data: st.DataObject) -> None:
    """They have any splits and numbers of trees, some no split; rows lie on splits."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    learned = rng.normal(size=(200, 3)).round(1)
    models = [
        HistGradientBoostingRegressor(
            loss="quantile",
            quantile=quantile,
            max_iter=data.draw(st.integers(1, 6)),
            max_leaf_nodes=data.draw(st.integers(2, 4)),
            min_samples_leaf=data.draw(st.sampled_from([5, 150])),
            max_bins=data.draw(st.integers(2, 20)),
        ).fit(learned, learned @ rng.normal(size=3))
        for quantile in (0.1, 0.9)
    ]
    rows = rng.normal(size=(data.draw(st.sampled_from([1, 7, 1500])), 3)).round(1)
    together = small_sums(models, 3)
    assert together
    np.testing.assert_array_equal(together(rows), np.column_stack([model.predict(rows) for model in models]))
    np.testing.assert_array_equal(together(np.asfortranarray(rows)), together(rows))


def test_models_are_looked_up_together_block_by_block() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2 * BLOCK_ROWS + 3, 2)).round(2)
    models = [HistGradientBoostingRegressor(max_iter=3, max_leaf_nodes=4).fit(rows, rows[:, place]) for place in (0, 1)]
    together = small_sums(models, 2)
    assert together
    np.testing.assert_array_equal(together(rows), np.column_stack([model.predict(rows) for model in models]))


@pytest.mark.parametrize(
    "second",
    [
        LinearRegression(),
        HistGradientBoostingRegressor(max_iter=2, max_leaf_nodes=FEW_SPLITS, min_samples_leaf=5),
        HistGradientBoostingRegressor(max_iter=2, categorical_features=[0]),
    ],
)
def test_models_of_another_kind_or_of_too_many_splits_together_are_not(second: BaseEstimator) -> None:
    rng = np.random.default_rng(0)
    rows = np.abs(rng.normal(size=(300, 3)))
    rows[:, 0] = rows[:, 0].round()  # a category
    first = HistGradientBoostingRegressor(max_iter=2, max_leaf_nodes=4, min_samples_leaf=5).fit(rows, rows[:, 1])
    assert small_sums([first], 3)
    assert small_sums([first, second.fit(rows, rows[:, 0] % 2 + np.exp(rows[:, 2]))], 3) is None


def test_trees_share_their_splits() -> None:
    rows = np.repeat([[0.0], [1.0]], 20, axis=0)
    model = HistGradientBoostingRegressor(max_iter=5, max_leaf_nodes=2, min_samples_leaf=5).fit(rows, rows[:, 0])
    found = SmallTrees.of(_compat.histogram_nodes(model))
    assert found
    assert len(found.splits) == 1
    assert len(found.trees) == 5
