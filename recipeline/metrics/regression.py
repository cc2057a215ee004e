"""Regression metrics and their bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import cohen_kappa_score, mean_absolute_error, r2_score, root_mean_squared_error

from recipeline.metrics.bootstrap import percentiles, resample_scores, tail_share


def score_predictions(target: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None = None) -> dict[str, float]:
    """Return r2, rmse and mae of equally long 1-d arrays without NaN.

    r2 is 1 for perfect predictions and 0 for the mean; rmse and mae are in the target's unit. `weights` are how much each row
    counts; None: all count the same.
    """
    return {
        "r2": float(r2_score(target, predicted, sample_weight=weights)),
        "rmse": float(root_mean_squared_error(target, predicted, sample_weight=weights)),
        "mae": float(mean_absolute_error(target, predicted, sample_weight=weights)),
    }


def accuracy_within(target: np.ndarray, predicted: np.ndarray, tolerances: Sequence[float]) -> dict[str, float]:
    """Return the share of predictions within each tolerance of the target.

    Cortez et al. (2009) report it at 0.5 and 1. An error equal to the tolerance, up to the rounding of the two values, is
    within it in any unit of the target.
    """
    error = np.abs(target - predicted) - 4 * np.finfo(float).eps * np.maximum(np.abs(target), np.abs(predicted))
    return {f"{tolerance:g}": float(np.mean(error <= tolerance)) for tolerance in tolerances}


def score_grades(target: np.ndarray, predicted: np.ndarray) -> tuple[float, list[tuple[int, int, float, float]]]:
    """Return quadratic weighted kappa and the errors of each grade.

    Kappa (Cohen 1968) is that of the rounded predictions. `target` holds whole numbers. Per grade: the grade, its rows, mean
    absolute error and bias, which is predicted minus true, both of the unrounded predictions.
    """
    rounded = np.rint(predicted).astype(int)
    grades, counts = np.unique(target.astype(int), return_counts=True)
    error = predicted - target
    kappa = float(cohen_kappa_score(target.astype(int), rounded, weights="quadratic"))
    return kappa, [
        (int(grade), int(count), float(np.abs(error[target == grade]).mean()), float(error[target == grade].mean()))
        for grade, count in zip(grades, counts, strict=True)
    ]


def bootstrap_intervals(
    target: np.ndarray,
    predicted: np.ndarray,
    groups: np.ndarray,
    *,
    draws: int,
    seed: int,
    level: float = 0.95,
    is_clustered: bool = False,
    weights: np.ndarray | None = None,
) -> dict[str, tuple[float, float]]:
    """Return percentile bootstrap intervals of r2, rmse and mae.

    They are lower and upper limit. Source: Efron and Tibshirani 1993, ch. 13. Whole groups are drawn, because copies of one row
    are one observation. Draws in which the target does not vary are left out of R2, which is not defined there: the limits of a
    constant target are NaN. `target + c` has the intervals of `target`, and `c * target` its R2 and `c` times the others,
    predictions alike.

    With `is_clustered` the limits are those of few groups (`bootstrap.tail_share`), NaN of a single one.
    """
    outside = tail_share(level, len(np.unique(groups)) if is_clustered else len(groups), is_clustered=is_clustered)
    errors = np.column_stack([(target - predicted) ** 2, np.abs(target - predicted)])
    n, spread, sums = resample_scores(target, groups, errors, draws=draws, seed=seed, weights=weights)
    squared, absolute = sums.T
    drawn = {"r2": 1 - squared / spread, "rmse": np.sqrt(squared / n), "mae": absolute / n}
    return {name: percentiles(values, outside) for name, values in drawn.items()}
