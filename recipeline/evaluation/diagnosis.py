"""The diagnosis of a model: errors by prediction and slice, feature importance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.metrics import r2_score

from recipeline.config.recipe import Recipe
from recipeline.evaluation.results import Diagnosis, FeatureCoverage, Importance, RangeErrors, SliceErrors, WorstRow
from recipeline.inference.columns import Columns
from recipeline.inference.compiled.compile import fastest
from recipeline.metrics.regression import in_slice

REPEATS, WORST, BINS, MOST_ROWS = 5, 10, 5, 5_000


def diagnose(
    model: BaseEstimator,
    test: pd.DataFrame,
    predicted: np.ndarray,
    limits: tuple[np.ndarray, np.ndarray],
    recipe: Recipe,
    columns: Columns,
) -> Diagnosis:
    """Return what is known of the errors of `model` on the test rows.

    Parameters
    ----------
    test : the rows, with the recipe's columns. predicted, limits : of shape (rows,), in the target's unit, without NaN.
    """
    features, target = test[list(recipe.features)], test[recipe.target].to_numpy(dtype=float)
    rows = columns.matrix(features)
    importance = measure_importance(model, features, target, columns, seed=recipe.random_state)
    return Diagnosis(
        by_predicted=errors_by_range(target, predicted, limits),
        slices=errors_by_slice(rows, target, predicted, recipe, columns, [entry.feature for entry in importance[:3]]),
        coverage=coverage_by_feature(rows, target, limits, columns),
        worst_rows=worst_rows(test[[name for name in test if name not in recipe.not_features]], predicted, recipe.target),
        importance=importance,
    )


def measure_importance(
    model: BaseEstimator, features: pd.DataFrame, target: np.ndarray, columns: Columns, *, seed: int
) -> tuple[Importance, ...]:
    """Return the permutation importance of features, the greatest first.

    It is the drop of R2 when a feature is shuffled, with mean and standard deviation. Correlated features share their
    importance (Breiman 2001). Shuffles and results are those of scikit-learn's `permutation_importance`; all shuffles of a
    feature are predicted at once, which is faster. If there are more than MOST_ROWS rows, that many are drawn.
    """
    rows, truth = columns.matrix(features), target
    if len(rows) > MOST_ROWS:
        drawn = np.random.RandomState(seed).choice(len(rows), MOST_ROWS, replace=False)
        features, rows, truth = features.iloc[drawn], rows[drawn], truth[drawn]
    ask = fastest(model, features, columns)
    shuffler = np.random.RandomState(np.random.RandomState(seed).randint(np.iinfo(np.int32).max + 1))
    order, shuffles = np.arange(len(rows)), [np.arange(len(rows))]
    for _ in range(REPEATS):
        shuffler.shuffle(order)
        shuffles.append(shuffles[-1][order])  # what was shuffled before is shuffled again
    whole = r2_score(truth, ask(rows))
    entries = []
    for column, name in enumerate(features.columns):
        shuffled = np.tile(rows, (REPEATS, 1))
        shuffled[:, column] = np.concatenate([rows[shuffle, column] for shuffle in shuffles[1:]])
        drops = [whole - r2_score(truth, said) for said in np.split(ask(shuffled), REPEATS)]
        entries.append(Importance(str(name), float(np.mean(drops)), float(np.std(drops))))
    return tuple(sorted(entries, key=lambda entry: -entry.mean))


def errors_by_range(
    target: np.ndarray, predicted: np.ndarray, limits: tuple[np.ndarray, np.ndarray]
) -> tuple[RangeErrors, ...]:
    """Return means, mean absolute error and coverage by range of the prediction.

    Ranges have about equally many rows.
    """
    order = np.argsort(predicted, kind="stable")
    low, high = limits
    return tuple(
        RangeErrors(
            from_=float(predicted[rows].min()),
            to=float(predicted[rows].max()),
            rows=len(rows),
            mean_predicted=float(predicted[rows].mean()),
            mean_true=float(target[rows].mean()),
            mae=float(np.abs(target - predicted)[rows].mean()),
            interval_coverage=float(((low <= target) & (target <= high))[rows].mean()),
        )
        for rows in np.array_split(order, min(BINS, len(order)))
    )


def coverage_by_feature(
    rows: np.ndarray, target: np.ndarray, limits: tuple[np.ndarray, np.ndarray], columns: Columns
) -> tuple[FeatureCoverage, ...]:
    """Return the coverage of the interval by parts of each feature's values.

    Parts are fifths of numbers, and the most frequent of other values. `rows` are codes. Missing values are left out, and so is
    a feature without others.
    """
    low, high = limits
    inside = (low <= target) & (target <= high)
    return tuple(
        FeatureCoverage(it.name, first, last, int(part.sum()), float(inside[part].mean()))
        for place, it in enumerate(columns.features)
        for first, last, part in it.kind.parts(rows[:, place], it, BINS)
    )


def errors_by_slice(
    rows: np.ndarray, target: np.ndarray, predicted: np.ndarray, recipe: Recipe, columns: Columns, by: Sequence[str]
) -> tuple[SliceErrors, ...]:
    """Return the mean absolute error and the bias of slices of the rows.

    Slices are the recipe's, and the ends of the features `by`: the lowest and the highest quarter of numbers, the most frequent
    of other values. `rows` are codes.
    """
    slices = [("all rows", np.ones(len(target), dtype=bool))]
    for name, limits in recipe.promotion.guard_rails.slices.items():
        slices.append((name, in_slice(target, limits.min, limits.max)))
    for name in by:
        place = columns.names.index(name)
        feature = columns.features[place]
        slices += [(f"{name} {words}", part) for words, part in feature.kind.ends(rows[:, place], feature)]
    return tuple(
        SliceErrors(
            slice=name,
            rows=int(inside.sum()),
            mae=float(np.abs(target - predicted)[inside].mean()),
            bias=float((predicted - target)[inside].mean()),
        )
        for name, inside in slices
        if inside.any()
    )


def worst_rows(test: pd.DataFrame, predicted: np.ndarray, target: str) -> tuple[WorstRow, ...]:
    """Return the rows with the largest errors, worst first; NaN is None.

    Rows are numbered as in the data set, from 0.
    """
    error = np.abs(test[target].to_numpy(dtype=float) - predicted)
    rows = []
    for place in np.argsort(-error, kind="stable")[:WORST]:
        values = test.iloc[place]
        known = {str(name): _plain(value) for name, value in values.items()}
        rows.append(WorstRow(int(test.index[place]), float(predicted[place]), known))
    return tuple(rows)


def _plain(value: Any) -> Any:
    """Return a value of a data frame as JSON takes it, None where it is missing."""
    if pd.isna(value):
        return None
    return value.isoformat() if isinstance(value, pd.Timestamp) else value if isinstance(value, str) else float(value)
