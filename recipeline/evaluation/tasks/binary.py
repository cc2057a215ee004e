"""Two classes in evaluation: probabilities of the positive label, a threshold."""

from __future__ import annotations

from typing import Any

import numpy as np

from recipeline.evaluation.tasks.multiclass import Multiclass


class Binary(Multiclass):
    """Probabilities of the positive label."""

    def both(self, values: np.ndarray) -> np.ndarray:
        """Return the columns of the negative and of the positive label."""
        return np.column_stack([1 - values, values])

    def decide(self, predicted: np.ndarray, threshold: float) -> np.ndarray:
        """Return 1 where the probability reaches the threshold."""
        decided: np.ndarray = (predicted >= threshold).astype(np.intp)
        return decided

    def stored(self, threshold: float) -> float | None:
        """Return the threshold."""
        return threshold

    def confidence(self, target: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return whether the positive label is true, and its probability."""
        return target, predicted

    def threshold(self, model: Any) -> float | None:
        """Return the threshold of the decision that is part of the model."""
        return float(getattr(model, "threshold", 0.5))
