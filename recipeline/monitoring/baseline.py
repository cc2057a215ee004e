"""What is normal for a model: how the rows that it learned from are spread, what it predicts of them unseen, how it errs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.metrics.regression import in_slice, score_predictions

BINS = 10

PREDICTION = "prediction"

#: Of more rows so many are drawn to be kept as they are, for tests that need rows and not only shares.
MOST_ROWS = 5_000


def describe_baseline(train: pd.DataFrame, predicted: np.ndarray, recipe: Recipe) -> dict[str, Any]:
    """Return what later rows are compared with, as plain values.

    Parameters
    ----------
    train : the rows that the model was fitted on, with the recipe's columns; nullable features may hold NaN.
    predicted : out-of-fold predictions of these rows, of shape (rows,), in the target's unit: what a model says of rows that
        it has not seen, as later ones are. Where one is NaN there is none, and predictions and errors are those of the others.
    """
    target, scored = train[recipe.target].to_numpy(dtype=float), ~np.isnan(predicted)
    return {
        "features": {name: describe_values(train[name].to_numpy(dtype=float)) for name in recipe.features},
        PREDICTION: describe_values(predicted[scored]),
        "target": describe_values(target),
        "errors": describe_errors(target[scored], predicted[scored], recipe),
    }


def describe_values(values: np.ndarray) -> dict[str, Any]:
    """Return how values are spread: moments, quantiles, and how many are in each of at most BINS bins; NaN is counted apart.

    `edges` are between the bins; a bin holds what is at least its lower edge and less than its upper one. They are the deciles,
    and what takes several deciles by itself has a bin of its own.
    """
    known = values[~np.isnan(values)]
    if not known.size:
        return {"rows": len(values), "missing": len(values), "edges": [], "counts": [0]}
    deciles = np.quantile(known, np.arange(1, BINS) / BINS, method="inverted_cdf")
    repeated = deciles[1:][np.diff(deciles) == 0]
    if known.min() == known.max():
        repeated = deciles[:1]
    edges = np.unique(np.concatenate([deciles, np.nextafter(repeated, np.inf)]))
    return {
        "rows": len(values),
        "missing": int(len(values) - known.size),
        "edges": edges.tolist(),
        "counts": count_bins(known, edges).tolist(),
        "quantiles": np.quantile(known, np.arange(101) / 100, method="inverted_cdf").tolist(),
        "mean": float(known.mean()),
        "std": float(known.std()) if known.min() < known.max() else 0.0,
    }


def is_constant(described: Mapping[str, Any]) -> bool:
    """Whether values, as `describe_values` describes them, are all the same: they have no spread to measure in."""
    return bool(described["quantiles"][0] == described["quantiles"][-1])


def count_bins(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return how many of the values, without NaN, are in each of the bins between `edges`; of shape (edges + 1,)."""
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)


def population_stability(live: np.ndarray, reference: np.ndarray) -> float:
    """Return the population stability index of counts in the same bins (Siddiqi 2006): 0 for equal shares.

    Half a row is added to each bin, so that an empty one does not make it infinite.
    """
    p, q = ((counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (live, reference))
    return float(((p - q) * np.log(p / q)).sum())


def describe_errors(target: np.ndarray, predicted: np.ndarray, recipe: Recipe) -> dict[str, Any]:
    """Return R2, RMSE and MAE, the standard deviation of the absolute errors, and MAE and bias by the recipe's slices."""
    error = predicted - target
    slices = {}
    for name, limits in recipe.promotion.guard_rails.slices.items():
        inside = in_slice(target, limits.min, limits.max)
        if inside.any():
            mae, bias = float(np.abs(error[inside]).mean()), float(error[inside].mean())
            slices[name] = {"rows": int(inside.sum()), "mae": mae, "bias": bias}
    scores: dict[str, float | None] = {**score_predictions(target, predicted)}
    if target.min() == target.max():
        scores["r2"] = None  # it is not defined
    return {"rows": len(target), **scores, "absolute_error_std": float(np.abs(error).std()), "slices": slices}


def draw_reference(train: pd.DataFrame, predicted: np.ndarray, recipe: Recipe) -> pd.DataFrame:
    """Return the rows themselves, at most MOST_ROWS of them, in their order: features, and last what is predicted of them."""
    rows = train[list(recipe.features)].astype(float).assign(**{PREDICTION: predicted})
    if len(rows) > MOST_ROWS:
        rows = rows.sample(MOST_ROWS, random_state=recipe.random_state).sort_index()
    return rows.reset_index(drop=True)
