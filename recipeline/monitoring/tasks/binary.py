"""Two classes in monitoring: the positive label's probability, and a threshold."""

from __future__ import annotations

import numpy as np

from recipeline.data.target_codes import TargetCodes
from recipeline.metrics.tasks.binary import Binary as Scores
from recipeline.monitoring.tasks.multiclass import Multiclass


class Binary(Multiclass):
    """The probability of the positive label."""

    scores = Scores()

    def certainty(self, predicted: np.ndarray) -> np.ndarray:
        """Return the probability of the positive label, (rows,)."""
        return predicted

    def coded(self, codes: TargetCodes) -> tuple[str, ...]:
        """Return the positive label."""
        return codes.texts[1:]

    def one_each(self, values: np.ndarray) -> np.ndarray:
        """Return the codes of the positive label, (1, rows)."""
        return values[None, :]
