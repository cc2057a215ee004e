"""Regression in inference: a model predicts numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from recipeline.data.tasks.base import Label
from recipeline.inference.tasks.base import Task


class Regression(Task):
    """A number per row."""

    def recognise(self, model: Any) -> tuple[tuple[Label, ...], float | None] | None:
        """Return no labels, unless the model has classes."""
        return None if hasattr(model, "classes_") else ((), None)

    def ask(self, model: Any, frame: pd.DataFrame, labels: Sequence[Label]) -> np.ndarray:
        """Return the numbers, (rows,)."""
        return np.asarray(model.predict(frame), dtype=np.float64)

    def probabilities(self, predicted: np.ndarray) -> np.ndarray:
        """Return no columns, (rows, 0)."""
        return np.empty((len(predicted), 0))

    def said(self, predicted: np.ndarray, labels: Sequence[Label], threshold: float) -> np.ndarray:
        """Return the numbers."""
        return predicted
