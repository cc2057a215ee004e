"""Golden rows: answers at evaluation that every copy of a model must reproduce."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from recipeline.config.recipe import Recipe
from recipeline.inference.columns import Columns
from recipeline.inference.interval import Interval

GOLDEN_ROWS = 20

PREDICTION, LIMITS = "prediction", ("prediction_lower", "prediction_upper")

_RELATIVE, _ROUNDING = 1e-9, 1e-14


def choose_golden(
    test: pd.DataFrame, predicted: np.ndarray, limits: tuple[np.ndarray, np.ndarray], recipe: Recipe
) -> pd.DataFrame:
    """Return test rows over the range of predictions with the model's answers.

    The answers are `prediction`, and its interval, `prediction_lower` and `prediction_upper`.
    """
    order = np.argsort(predicted, kind="stable")
    chosen = order[np.unique(np.linspace(0, len(order) - 1, GOLDEN_ROWS).astype(int))]
    golden: pd.DataFrame = test[list(recipe.features)].iloc[chosen].reset_index(drop=True)
    answers = zip((PREDICTION, *LIMITS), (predicted, *limits), strict=True)
    return golden.assign(**{name: values[chosen] for name, values in answers})


def answers_golden(model: BaseEstimator, golden: pd.DataFrame) -> bool:
    """Whether the model predicts the golden rows as it did when they were chosen."""
    return _alike(model.predict(golden_features(golden)), golden[PREDICTION].to_numpy())


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
    return golden.drop(columns=[PREDICTION, *LIMITS], errors="ignore")
