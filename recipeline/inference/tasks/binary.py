"""Two classes in inference: a model gives the positive label's probability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from recipeline.data.tasks.base import Label
from recipeline.inference.tasks.multiclass import Multiclass


class Binary(Multiclass):
    """The probability of the positive label, which is said from a threshold on."""

    def ask(self, model: Any, frame: pd.DataFrame, labels: Sequence[Label]) -> np.ndarray:
        """Return the probabilities, (rows,)."""
        return np.ascontiguousarray(super().ask(model, frame, labels)[:, 1])

    def said(self, predicted: np.ndarray, labels: Sequence[Label], threshold: float) -> np.ndarray:
        """Return the positive label where its probability reaches the threshold."""
        return np.array(labels)[(predicted >= threshold).astype(np.intp)]
