"""Two classes in inference: a model gives the positive label's probability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from recipeline.data.tasks.base import Label
from recipeline.inference.tasks.multiclass import Multiclass
from recipeline.metrics.two_labels import both_columns, decide


class Binary(Multiclass):
    """The probability of the positive label, which is said from a threshold on."""

    def recognise(self, model: Any) -> tuple[tuple[Label, ...], float | None] | None:
        """Return the labels of a FixedThresholdClassifier of two, and its threshold."""
        found = super().recognise(model)
        threshold, positive = getattr(model, "threshold", None), getattr(model, "pos_label", None)
        if found is None or not isinstance(threshold, int | float) or positive not in found[0] or len(found[0]) != 2:
            return None
        (negative,) = (label for label in found[0] if label != positive)
        return (negative, positive), float(threshold)

    def ask(self, model: Any, frame: pd.DataFrame, labels: Sequence[Label]) -> np.ndarray:
        """Return the probabilities, (rows,)."""
        return np.ascontiguousarray(super().ask(model, frame, labels)[:, 1])

    def probabilities(self, predicted: np.ndarray) -> np.ndarray:
        """Return the probabilities of the negative and of the positive label."""
        return both_columns(predicted)

    def said(self, predicted: np.ndarray, labels: Sequence[Label], threshold: float) -> np.ndarray:
        """Return the positive label where its probability reaches the threshold."""
        said: np.ndarray = np.array(labels)[decide(predicted, threshold)]
        return said
