"""Golden rows: what a model answered when it was evaluated, and what any copy of it must answer ever after."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from pipeline.recipe import Recipe

GOLDEN_ROWS = 20


def choose_golden(test: pd.DataFrame, predicted: np.ndarray, recipe: Recipe) -> pd.DataFrame:
    """Return test rows, spread over the range of predictions, with the `prediction` that any copy of the model must give."""
    order = np.argsort(predicted, kind="stable")
    chosen = order[np.unique(np.linspace(0, len(order) - 1, GOLDEN_ROWS).astype(int))]
    golden: pd.DataFrame = test[list(recipe.features)].iloc[chosen].assign(prediction=predicted[chosen])
    return golden.reset_index(drop=True)


def answers_golden(model: BaseEstimator, golden: pd.DataFrame) -> bool:
    """Whether the model predicts the golden rows as it did when they were chosen, to a relative 1e-9."""
    answers = model.predict(golden.drop(columns="prediction"))
    return bool(np.allclose(answers, golden["prediction"], rtol=1e-9, atol=0))
