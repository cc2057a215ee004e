"""Golden rows: answers at evaluation that every copy of a model must reproduce."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.data.target_codes import TargetCodes
from recipeline.inference.asking import ask_model
from recipeline.inference.columns import Columns
from recipeline.inference.interval import Interval
from recipeline.inference.model_info import Target

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

GOLDEN_ROWS = 20

PREDICTION, LIMITS = "prediction", ("prediction_lower", "prediction_upper")

_RELATIVE, _ROUNDING = 1e-9, 1e-14


def golden_places(predicted: np.ndarray) -> np.ndarray:
    """Return the places of GOLDEN_ROWS rows over the range of predictions, in order.

    Fewer rows are all chosen.
    """
    order = np.argsort(predicted if predicted.ndim == 1 else predicted.max(axis=1), kind="stable")
    chosen: np.ndarray = order[np.unique(np.linspace(0, len(order) - 1, GOLDEN_ROWS).astype(int))]
    return chosen


def choose_golden(
    test: pd.DataFrame, predicted: np.ndarray, limits: Mapping[str, np.ndarray], recipe: Recipe, codes: TargetCodes
) -> pd.DataFrame:
    """Return test rows over the range of predictions with the model's answers.

    The answers are `prediction`, one column for each label if there are more than two, and `limits`: its interval,
    `prediction_lower` and `prediction_upper`, if it has one.
    """
    chosen = golden_places(predicted)
    golden: pd.DataFrame = test[list(recipe.features)].iloc[chosen].reset_index(drop=True)
    answers = codes.as_columns(PREDICTION, predicted) | dict(limits)
    return golden.assign(**{name: values[chosen] for name, values in answers.items()})


def answers_golden(model: BaseEstimator, golden: pd.DataFrame, codes: TargetCodes) -> bool:
    """Whether the model predicts the golden rows as it did when they were chosen."""
    return _alike(ask_model(model, golden_features(golden), codes), codes.from_columns(PREDICTION, golden))


def says_golden(model: BaseEstimator, golden: pd.DataFrame, target: Target) -> bool:
    """Whether the model says the labels that probabilities and threshold give."""
    if not target.labels:
        return True
    features = golden_features(golden)
    return bool((target.say(ask_model(model, features, target.codes)) == np.asarray(model.predict(features))).all())


def has_limits(golden: pd.DataFrame) -> bool:
    """Whether the golden rows include the interval's limits."""
    return set(LIMITS) <= set(golden)


def limits_golden(interval: Interval, golden: pd.DataFrame, columns: Columns) -> bool:
    """Whether the interval around the golden predictions is reproduced."""
    rows = columns.matrix(golden)
    limits = interval.around(golden[PREDICTION].to_numpy(), rows)
    return _alike(np.array(limits), golden[list(LIMITS)].to_numpy().T)


def _alike(answers: np.ndarray, expected: np.ndarray) -> bool:
    """Whether answers are equal to 1e-9 of their standard deviation and rounding.

    The target's origin has no influence.
    """
    allowed = _RELATIVE * float(np.std(expected)) + _ROUNDING * float(np.abs(expected).max())
    return bool(np.allclose(answers, expected, rtol=0, atol=allowed))


def golden_features(golden: pd.DataFrame) -> pd.DataFrame:
    """Return the features of the golden rows."""
    answers = [name for name in golden if name in (PREDICTION, *LIMITS) or str(name).startswith(f"{PREDICTION}: ")]
    return golden.drop(columns=answers)
