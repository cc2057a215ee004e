"""The prediction set of classes at a stated level, fitted out of fold."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from recipeline.inference.by_value import ByColumn
from recipeline.inference.interval import LEVEL, group_quantiles
from recipeline.records import LEFT_OUT


@dataclass(frozen=True)
class PredictionSet:
    """The labels that a row may have: all whose probability is at least `least`.

    `level` is the intended share of new rows whose label is among them. `test_coverage` is that of the `test_rows`; None: not
    known. Labels may have a least probability each, `by_label`, in their order, and rows with some value of a column one of
    their own, `by`, as its lower limits.
    """

    level: float
    least: float
    test_coverage: float | None = field(default=None, metadata=LEFT_OUT)
    test_rows: int | None = field(default=None, metadata=LEFT_OUT)
    by_label: tuple[float, ...] = field(default=(), metadata=LEFT_OUT)
    by: ByColumn | None = field(default=None, metadata=LEFT_OUT)

    def members(self, probabilities: np.ndarray, features: np.ndarray | None = None) -> np.ndarray:
        """Return which labels are in the set of each row, a mask of shape (rows, labels).

        The likeliest label always is, which makes the set larger, never smaller.

        Parameters
        ----------
        features : codes of the rows, (rows, features), for a set that depends on a column. Without them each row has the
            least probability of all values.
        """
        inside: np.ndarray = probabilities >= self._least(features)
        inside[np.arange(len(inside)), probabilities.argmax(axis=1)] = True
        return inside

    def _least(self, features: np.ndarray | None) -> np.ndarray | float:
        if self.by_label:
            return np.array(self.by_label)
        if self.by is None:
            return self.least
        if features is None:
            return min(self.least, *(it.lower for it in self.by.values))
        return self.by.pick(features, self.least, 1.0)[0][:, None]


def fit_set(
    target: np.ndarray,
    probabilities: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    level: float = LEVEL,
    for_each_label: bool = False,
) -> PredictionSet:
    """Return the prediction set from out-of-fold probabilities.

    Split conformal prediction with the least ambiguous sets (Sadinle, Lei and Wasserman 2019): the score of a row is 1 - the
    probability of its label, and a label is in the set if its score is at most the quantile of these. The guarantee is that of
    `recipeline.inference.interval.fit_constant`, for the average row.

    Parameters
    ----------
    target, probabilities : (rows, labels), a 1 in the column of a row's label; without NaN.
    groups : (rows,). Then a new row is one of a new group, and all groups have the same weight.
    for_each_label : the guarantee is for the average row of each label, each with a quantile of its own rows. A label of
        too few rows, or groups, for the level is in every set.
    """
    score = 1 - (target * probabilities).sum(axis=1)
    least = least_probability(score, level=level, groups=groups)
    if not for_each_label:
        return PredictionSet(level, least)
    of_label = [target[:, label] == 1 for label in range(target.shape[1])]
    by_label = tuple(
        least_probability(score[rows], level=level, groups=None if groups is None else groups[rows]) if rows.any() else 0.0
        for rows in of_label
    )
    return PredictionSet(level, least, by_label=by_label)


def least_probability(score: np.ndarray, *, level: float, groups: np.ndarray | None = None) -> float:
    """Return the least probability of a label in a set, by the scores of rows.

    A score is 1 - the probability of the row's label, (rows,). With too few rows, or groups, for the level it is 0: only the
    set of all labels reaches that.
    """
    if groups is not None:
        if 1 / (len(np.unique(groups)) + 1) > 1 - level + 1e-9:
            return 0.0
        return 1 - group_quantiles(score, groups, 2 * level - 1)[1] - _ROUNDING
    rank = math.ceil((len(score) + 1) * level - 1e-9)
    return 0.0 if rank > len(score) else float(1 - np.sort(score)[rank - 1]) - _ROUNDING


#: Rows on the limit stay inside, whatever the rounding of a difference.
_ROUNDING = 4 * float(np.finfo(float).eps)
