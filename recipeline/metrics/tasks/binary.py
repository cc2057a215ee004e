"""Two classes in metrics: the probability of the positive label, and a threshold."""

from __future__ import annotations

import numpy as np

from recipeline.metrics.tasks.multiclass import Multiclass
from recipeline.metrics.two_labels import both_columns, decide


class Binary(Multiclass):
    """Scores of probabilities of the positive label, (rows,); a target is 1 or 0."""

    def both(self, values: np.ndarray) -> np.ndarray:
        """Return the columns of the negative and of the positive label."""
        return both_columns(values)

    def decide(self, predicted: np.ndarray, threshold: float) -> np.ndarray:
        """Return 1 where the probability reaches the threshold, else 0."""
        return decide(predicted, threshold)
