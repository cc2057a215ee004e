"""Two labels: columns of a probability, and the label from a threshold on.

A fitted model's answers and their scores use the same functions; no library of metrics is imported.
"""

from __future__ import annotations

import numpy as np

#: The threshold where nothing else was decided: the likelier label is said, of equally likely ones the positive one.
HALF = 0.5


def both_columns(positive: np.ndarray) -> np.ndarray:
    """Return the columns of the negative and of the positive label, (rows, 2).

    `positive` are probabilities of the positive label, (rows,), or 1 and 0 of true ones; NaN stays NaN in both.
    """
    return np.column_stack([1 - positive, positive])


def decide(positive: np.ndarray, threshold: float) -> np.ndarray:
    """Return 1 where the positive label's probability reaches the threshold, else 0.

    It is 0 for NaN.
    """
    decided: np.ndarray = (positive >= threshold).astype(np.intp)
    return decided


def or_half(threshold: float | None) -> float:
    """Return a threshold; HALF where none was decided, or where it has no meaning."""
    return HALF if threshold is None else threshold
