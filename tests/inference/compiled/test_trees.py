from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.datasets import make_regression
from sklearn.ensemble import (
    RandomForestRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from recipeline.inference.columns import Columns
from recipeline.inference.compiled.check import differences
from recipeline.inference.compiled.form import Compiled
from recipeline.inference.compiled.small_trees import FEW_SPLITS, MANY_ROWS
from recipeline.inference.compiled.trees import FEW_ROWS, FEW_TREES
from tests.inference.compiled.models import TREES, boosting, compile_known, extra, fit, forest, histogram, label


@pytest.mark.parametrize("model", TREES, ids=label)
def test_trees_are_answered_bit_for_bit(model: BaseEstimator, rows: pd.DataFrame, asked: pd.DataFrame) -> None:
    compiled = compile_known(fit(model, rows), list(asked))
    assert compiled.exact
    assert differences(compiled, model, asked, Columns.of_numbers(list(asked))) == ""


def test_many_trees_for_many_columns_take_little_memory() -> None:
    X, y = make_regression(20, 400, random_state=0)
    model = forest(n_estimators=600, max_depth=1).fit(X, y)
    compiled = compile_known(model, [str(name) for name in range(400)])
    tracemalloc.start()
    try:
        for number in (1, FEW_ROWS):
            assert np.array_equal(compiled.predict(X[:number]), model.predict(X[:number]))
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


def test_rows_of_too_few_columns_are_refused_by_trees(fitted_forest: tuple[RandomForestRegressor, Compiled]) -> None:
    for number in (1, 100):
        with pytest.raises(ValueError, match=r"There must be 11 columns\. Got 1 instead\."):
            fitted_forest[1].predict(np.zeros((number, 1)))


def on_the_splits(thresholds: np.ndarray, features: np.ndarray, width: int) -> np.ndarray:
    """Return rows of zeros but for one value: a threshold or its neighbour.

    Neighbours as float64 and as float32.
    """
    single = thresholds.astype(np.float32)
    beside = [np.nextafter(thresholds, sign) for sign in (-np.inf, np.inf)]
    beside += [np.nextafter(single, np.float32(sign)).astype(float) for sign in (-np.inf, np.inf)]
    # Halfway between two numbers of float32, where the cast has to choose.
    halfway = (beside[2] + single) / 2
    values = np.stack([thresholds, single.astype(float), *beside, halfway, np.nextafter(halfway, np.inf)])
    rows = np.zeros((values.shape[0], values.shape[1], width))
    rows[:, np.arange(len(features)), features] = values
    return rows.reshape(-1, width)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    decimals=st.integers(0, 9),
    trees=st.sampled_from([1, 2, FEW_TREES, FEW_TREES + 1, 37]),
    kind=st.sampled_from([forest, extra, boosting]),
    scaled=st.booleans(),
)
def test_a_row_on_a_split_falls_to_the_same_side(seed: int, decimals: int, trees: int, kind: Any, scaled: bool) -> None:
    X, y = make_regression(40, 4, noise=5, random_state=seed)
    X = np.round(X, decimals)
    tree = kind(n_estimators=trees, random_state=seed, max_depth=6)
    model = (make_pipeline(StandardScaler(), tree) if scaled else tree).fit(X, y)
    nodes = [np.ravel(member)[0].tree_ for member in tree.estimators_]
    threshold, feature = (np.concatenate([getattr(part, name) for part in nodes]) for name in ("threshold", "feature"))
    rows = on_the_splits(threshold[feature >= 0][:60], feature[feature >= 0][:60], 4)
    if scaled:
        rows = model[0].inverse_transform(rows)
    rows = np.concatenate([rows, X, np.random.default_rng(seed).normal(size=(20, 4))])
    expected, compiled = model.predict(rows), compile_known(model, list("abcd"))
    assert np.array_equal(compiled.predict(rows), expected)
    assert np.array_equal(
        np.concatenate([compiled.predict(rows[start : start + 3]) for start in range(0, len(rows), 3)]), expected
    )


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), decimals=st.integers(0, 9), trees=st.integers(1, 20), leaves=st.integers(2, 11))
def test_a_row_on_a_split_of_a_histogram_falls_to_the_same_side(seed: int, decimals: int, trees: int, leaves: int) -> None:
    X, y = make_regression(80, 4, noise=5, random_state=seed)
    X = np.round(X, decimals)
    model = histogram(max_iter=trees, max_leaf_nodes=leaves, min_samples_leaf=3, random_state=seed).fit(X, y)
    nodes = np.concatenate([tree.nodes for (tree,) in model._predictors])
    inner = nodes[nodes["is_leaf"] == 0][:60]
    rows = np.concatenate([on_the_splits(inner["num_threshold"], inner["feature_idx"], 4), X])
    expected, compiled = model.predict(rows), compile_known(model, list("abcd"))
    assert np.array_equal(compiled.predict(rows), expected)
    assert np.array_equal(
        np.concatenate([compiled.predict(rows[start : start + 9]) for start in range(0, len(rows), 9)]), expected
    )
    many = -(-MANY_ROWS // len(rows))
    assert np.array_equal(compiled.predict(np.tile(rows, (many, 1))), np.tile(expected, many))
    assert compiled.is_light == (leaves <= FEW_SPLITS + 1)
