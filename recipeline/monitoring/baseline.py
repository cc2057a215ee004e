"""The baseline of a model: distributions of rows, predictions and errors.

Predictions and errors are out of fold.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from recipeline.config.measuring.scoring import build_scorer
from recipeline.config.recipe import Recipe
from recipeline.data.target_codes import NUMBERS, TargetCodes, fit_target, is_predicted
from recipeline.inference.columns import Columns
from recipeline.metrics.catalogue import skill_of
from recipeline.metrics.tasks.every import TASKS as METRIC_TASKS
from recipeline.metrics.two_labels import HALF
from recipeline.monitoring.kinds.every import KINDS
from recipeline.monitoring.results import Baseline, Errors, ErrorsOfSlice
from recipeline.monitoring.spread import describe_values
from recipeline.monitoring.tasks.every import TASKS

#: The subjects of findings on predictions, and on the shares of decided labels.
PREDICTION, SAID = "prediction", "predicted labels"

#: At most so many rows are kept as they are, drawn from all, for tests that need rows and not only shares.
MOST_ROWS = 5_000


def describe_baseline(
    train: pd.DataFrame,
    predicted: np.ndarray,
    recipe: Recipe,
    columns: Columns,
    codes: TargetCodes = NUMBERS,
    threshold: float = HALF,
) -> Baseline:
    """Return what later rows are compared with.

    Parameters
    ----------
    train : the rows that the model was fitted on, with the recipe's columns; nullable features may hold NaN.
    predicted : out-of-fold predictions of these rows, shaped as the target's codes: what a model says of rows that it has not
        seen, as later ones are. Where one is NaN there is none, and predictions and errors are those of the others.
    threshold : the probability from which on the positive one of two labels is said.
    """
    task, target, scored = TASKS[codes.task], codes.of(train, recipe), is_predicted(predicted)
    return Baseline(
        features={
            it.name: KINDS[it.type].describe(codes, it)
            for it, codes in zip(columns.features, columns.matrix(train).T, strict=True)
        },
        prediction=describe_values(task.watch(predicted[scored])),
        target=describe_values(codes.place(fit_target(train, recipe))),
        errors=describe_errors(target[scored], predicted[scored], recipe, codes, threshold),
        said=task.describe_said(predicted[scored], codes, threshold),
    )


def describe_errors(
    target: np.ndarray, predicted: np.ndarray, recipe: Recipe, codes: TargetCodes = NUMBERS, threshold: float = HALF
) -> Errors:
    """Return scores, mean and standard deviation of the rows' errors, and slices.

    Scores are those of the task and the recipe's further ones, None where one is not defined or fails. Slices are the
    recipe's. Targets and predictions are codes, without NaN.
    """
    task = METRIC_TASKS[codes.task]
    error, slices = task.row_errors(target, predicted), {}
    for name, limits in recipe.promotion.guard_rails.slices.items():
        inside = codes.mask(target, limits)
        if inside.any():
            bias = float((predicted - target)[inside].mean()) if target.ndim == 1 else None
            slices[name] = ErrorsOfSlice(int(inside.sum()), float(error[inside].mean()), bias)
    skill, is_constant = skill_of(codes.task).name, not np.ptp(target, axis=0).any()
    scores = build_scorer(recipe, codes.labels).attempt(target, predicted, threshold=threshold)
    return Errors(
        rows=len(target),
        scores={
            name: None if not math.isfinite(value) or (name == skill and is_constant) else value
            for name, value in scores.items()
        },
        error=float(error.mean()),
        error_std=float(error.std()),
        slices=slices,
        calibration=TASKS[codes.task].calibrate(target, predicted, codes),
    )


def draw_reference(
    train: pd.DataFrame, predicted: np.ndarray, recipe: Recipe, columns: Columns, codes: TargetCodes = NUMBERS
) -> pd.DataFrame:
    """Return at most MOST_ROWS training rows in order, with their predictions.

    Columns are the features, and the predictions last: one, or one for each of more than two labels.
    """
    rows = pd.DataFrame(columns.matrix(train), columns=list(columns.names), index=train.index)
    rows = rows.assign(**codes.as_columns(PREDICTION, predicted))
    if len(rows) > MOST_ROWS:
        rows = rows.sample(MOST_ROWS, random_state=recipe.random_state).sort_index()
    return rows.reset_index(drop=True)
