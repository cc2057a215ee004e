"""The prediction set of classes at a stated level, fitted out of fold."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from recipeline.inference.interval import LEVEL, group_quantiles
from recipeline.records import LEFT_OUT


@dataclass(frozen=True)
class PredictionSet:
    """The labels that a row may have: all whose probability is at least `least`.

    `level` is the intended share of new rows whose label is among them. `test_coverage` is that of the `test_rows`; None: not
    known.
    """

    level: float
    least: float
    test_coverage: float | None = field(default=None, metadata=LEFT_OUT)
    test_rows: int | None = field(default=None, metadata=LEFT_OUT)

    def members(self, probabilities: np.ndarray) -> np.ndarray:
        """Return which labels are in the set of each row, a mask of shape (rows, labels).

        The likeliest label always is, which makes the set larger, never smaller.
        """
        inside: np.ndarray = probabilities >= self.least
        inside[np.arange(len(inside)), probabilities.argmax(axis=1)] = True
        return inside


def fit_set(
    target: np.ndarray, probabilities: np.ndarray, *, groups: np.ndarray | None = None, level: float = LEVEL
) -> PredictionSet:
    """Return the prediction set from out-of-fold probabilities.

    Split conformal prediction with the least ambiguous sets (Sadinle, Lei and Wasserman 2019): the score of a row is 1 - the
    probability of its label, and a label is in the set if its score is at most the quantile of these. The guarantee is that of
    `recipeline.inference.interval.fit_constant`, for the average row and not for each label.

    Parameters
    ----------
    target, probabilities : (rows, labels), a 1 in the column of a row's label; without NaN.
    groups : (rows,). Then a new row is one of a new group, and all groups have the same weight.
    """
    score = 1 - (target * probabilities).sum(axis=1)
    if groups is not None:
        return PredictionSet(level, 1 - group_quantiles(score, groups, 2 * level - 1)[1] - _ROUNDING)
    rank = math.ceil((len(score) + 1) * level - 1e-9)
    return PredictionSet(level, 0.0 if rank > len(score) else float(1 - np.sort(score)[rank - 1]) - _ROUNDING)


#: Rows on the limit stay inside, whatever the rounding of a difference.
_ROUNDING = 4 * float(np.finfo(float).eps)
