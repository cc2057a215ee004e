"""The skill of predictions: 1 - their squared loss / that of the mean.

It is R2 for numbers and the Brier skill score for classes: with a target of 0 and 1 both are the same formula (Murphy 1988).
A target has shape (rows,), or (rows, labels) with a 1 in the column of each row's label; predictions are alike.
"""

from __future__ import annotations

import numpy as np
from sklearn.metrics import r2_score


def row_losses(target: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the squared error of each row, summed over labels, of shape (rows,).

    For classes it is the Brier score of the row (Brier 1950); of a binary target that of one label, half of the sum.
    """
    squared: np.ndarray = (target - predicted) ** 2
    return squared if squared.ndim == 1 else squared.sum(axis=1)


def skill_score(target: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return 1 - loss / loss of the target's mean, in the target's own rows.

    1 is perfect, 0 is the mean. For a constant target it is 1 if all is right, else 0, as `r2_score` has it. NaN is refused.

    Parameters
    ----------
    weights : (rows,), how much each row counts; None: all count the same.
    """
    if len(target) > 1 and not np.ptp(target, axis=0).any():  # whose mean has the rounding of its weights
        return float(np.array_equal(target, predicted))
    if target.ndim == 1:
        return float(r2_score(target, predicted, sample_weight=weights))
    counted = np.ones(len(target)) if weights is None else weights
    loss = counted @ row_losses(target, predicted)
    reference = counted @ row_losses(target, np.average(target, axis=0, weights=counted)[None, :])
    return float(1 - loss / reference)
