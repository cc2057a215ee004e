"""The baseline of a model: distributions of rows, predictions and errors.

Predictions and errors are out of fold.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.inference.columns import Columns
from recipeline.metrics.regression import in_slice, score_predictions
from recipeline.monitoring.kinds.every import KINDS
from recipeline.monitoring.results import Baseline, Errors, ErrorsOfSlice
from recipeline.monitoring.spread import describe_values

PREDICTION = "prediction"

#: At most so many rows are kept as they are, drawn from all, for tests that need rows and not only shares.
MOST_ROWS = 5_000


def describe_baseline(train: pd.DataFrame, predicted: np.ndarray, recipe: Recipe, columns: Columns) -> Baseline:
    """Return what later rows are compared with.

    Parameters
    ----------
    train : the rows that the model was fitted on, with the recipe's columns; nullable features may hold NaN.
    predicted : out-of-fold predictions of these rows, of shape (rows,), in the target's unit: what a model says of rows that
        it has not seen, as later ones are. Where one is NaN there is none, and predictions and errors are those of the others.
    """
    target, scored = train[recipe.target].to_numpy(dtype=float), ~np.isnan(predicted)
    return Baseline(
        features={
            it.name: KINDS[it.type].describe(codes, it)
            for it, codes in zip(columns.features, columns.matrix(train).T, strict=True)
        },
        prediction=describe_values(predicted[scored]),
        target=describe_values(target),
        errors=describe_errors(target[scored], predicted[scored], recipe),
    )


def describe_errors(target: np.ndarray, predicted: np.ndarray, recipe: Recipe) -> Errors:
    """Return R2, RMSE, MAE, the errors' standard deviation, and slices' MAE and bias.

    The standard deviation is that of absolute errors; slices are the recipe's.
    """
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


def draw_reference(train: pd.DataFrame, predicted: np.ndarray, recipe: Recipe, columns: Columns) -> pd.DataFrame:
    """Return at most MOST_ROWS training rows in order, with their predictions.

    Columns are the features, and the prediction last.
    """
    rows = pd.DataFrame(columns.matrix(train), columns=list(columns.names), index=train.index).assign(**{PREDICTION: predicted})
    if len(rows) > MOST_ROWS:
        rows = rows.sample(MOST_ROWS, random_state=recipe.random_state).sort_index()
    return rows.reset_index(drop=True)
