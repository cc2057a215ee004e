"""What is normal for a model: how the rows that it learned from are spread, what it predicts of them unseen, how it errs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.metrics.regression import in_slice, score_predictions
from recipeline.monitoring.results import Baseline, Described, Errors, ErrorsOfSlice

BINS = 10

PREDICTION = "prediction"

#: Of more rows so many are drawn to be kept as they are, for tests that need rows and not only shares.
MOST_ROWS = 5_000


def describe_baseline(train: pd.DataFrame, predicted: np.ndarray, recipe: Recipe) -> Baseline:
    """Return what later rows are compared with.

    Parameters
    ----------
    train : the rows that the model was fitted on, with the recipe's columns; nullable features may hold NaN.
    predicted : out-of-fold predictions of these rows, of shape (rows,), in the target's unit: what a model says of rows that
        it has not seen, as later ones are.
    """
    target = train[recipe.target].to_numpy(dtype=float)
    return Baseline(
        features={name: describe_values(train[name].to_numpy(dtype=float)) for name in recipe.features},
        prediction=describe_values(predicted),
        target=describe_values(target),
        errors=describe_errors(target, predicted, recipe),
    )


def describe_values(values: np.ndarray) -> Described:
    """Return how values are spread: moments, quantiles, and how many are in each of at most BINS bins; NaN is counted apart.

    `edges` are between the bins; a bin holds what is at least its lower edge and less than its upper one. They are the deciles,
    and what takes several deciles by itself has a bin of its own.
    """
    known = values[~np.isnan(values)]
    if not known.size:
        return Described(rows=len(values), missing=len(values), edges=(), counts=(0,))
    deciles = np.quantile(known, np.arange(1, BINS) / BINS, method="inverted_cdf")
    repeated = deciles[1:][np.diff(deciles) == 0]
    if known.min() == known.max():
        repeated = deciles[:1]
    edges = np.unique(np.concatenate([deciles, np.nextafter(repeated, np.inf)]))
    return Described(
        rows=len(values),
        missing=int(len(values) - known.size),
        edges=tuple(edges.tolist()),
        counts=tuple(count_bins(known, edges).tolist()),
        quantiles=tuple(np.quantile(known, np.arange(101) / 100, method="inverted_cdf").tolist()),
        mean=float(known.mean()),
        std=float(known.std()) if known.min() < known.max() else 0.0,
    )


def is_constant(described: Described) -> bool:
    """Whether values are all the same, or none is known: they have no spread to measure in."""
    return not described.quantiles or described.quantiles[0] == described.quantiles[-1]


def count_bins(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return how many of the values, without NaN, are in each of the bins between `edges`; of shape (edges + 1,)."""
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)


def population_stability(live: np.ndarray, reference: np.ndarray) -> float:
    """Return the population stability index of counts in the same bins (Siddiqi 2006): 0 for equal shares.

    Half a row is added to each bin, so that an empty one does not make it infinite.
    """
    p, q = ((counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (live, reference))
    return float(((p - q) * np.log(p / q)).sum())


def describe_errors(target: np.ndarray, predicted: np.ndarray, recipe: Recipe) -> Errors:
    """Return R2, RMSE and MAE, the standard deviation of the absolute errors, and MAE and bias by the recipe's slices."""
    error = predicted - target
    slices = {}
    for name, limits in recipe.promotion.guard_rails.slices.items():
        inside = in_slice(target, limits.min, limits.max)
        if inside.any():
            mae, bias = float(np.abs(error[inside]).mean()), float(error[inside].mean())
            slices[name] = ErrorsOfSlice(int(inside.sum()), mae, bias)
    scores = score_predictions(target, predicted)
    return Errors(
        rows=len(target),
        r2=None if target.min() == target.max() else scores["r2"],  # it is not defined
        rmse=scores["rmse"],
        mae=scores["mae"],
        absolute_error_std=float(np.abs(error).std()),
        slices=slices,
    )


def draw_reference(train: pd.DataFrame, predicted: np.ndarray, recipe: Recipe) -> pd.DataFrame:
    """Return the rows themselves, at most MOST_ROWS of them, in their order: features, and last what is predicted of them."""
    rows = train[list(recipe.features)].astype(float).assign(**{PREDICTION: predicted})
    if len(rows) > MOST_ROWS:
        rows = rows.sample(MOST_ROWS, random_state=recipe.random_state).sort_index()
    return rows.reset_index(drop=True)
