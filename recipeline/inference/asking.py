"""Questions to a fitted model, and what its predictions say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recipeline.data.target_codes import TargetCodes
from recipeline.inference.tasks.every import TASKS
from recipeline.metrics.two_labels import HALF


def ask_model(model: Any, rows: pd.DataFrame, codes: TargetCodes) -> np.ndarray:
    """Return the predictions of a fitted model, shaped as the target's codes.

    They are float64, of shape (rows,), or (rows, labels) for more than two labels.
    """
    return TASKS[codes.task].ask(model, rows, codes.labels)


def probabilities(predicted: np.ndarray, codes: TargetCodes) -> np.ndarray:
    """Return predictions with a column for each label, (rows, labels).

    For numbers it is (rows, 0).
    """
    return TASKS[codes.task].probabilities(predicted)


def recognise(model: Any) -> tuple[TargetCodes, float | None]:
    """Return the target of a fitted model without a description, and its threshold."""
    for name, task in TASKS.items():
        found = task.recognise(model)
        if found is not None:
            return TargetCodes(name, found[0]), found[1]
    raise TypeError(f"No task knows a {type(model).__name__}.")


def say(predicted: np.ndarray, codes: TargetCodes, threshold: float = HALF) -> np.ndarray:
    """Return what predictions say, (rows,): numbers, or labels.

    For two labels the positive one is said where its probability is at least `threshold`.
    """
    return TASKS[codes.task].said(predicted, codes.labels, threshold)
