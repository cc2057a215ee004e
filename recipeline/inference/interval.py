"""Around a prediction, the limits between which the true value lies at a stated level, fitted on out-of-fold predictions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from recipeline.records import LEFT_OUT

LEVEL = 0.9

CONSTANT, QUANTILE = "constant", "quantile"

#: From float64 rows, (rows, features), to a limit before it is moved, (rows,).
Tail = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class FittedInterval:
    """An interval as model_info.json has it, without its tails; the share of so many test rows inside it, None: not known."""

    level: float
    method: str
    lower: float
    upper: float
    test_coverage: float | None = field(default=None, metadata=LEFT_OUT)
    test_rows: int | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class Interval:
    """Limits of the target around a prediction.

    `level` is the share of new rows that is meant to lie inside. `method` says what is moved by `lower` and `upper`, in the
    target's unit: ``constant``, the prediction itself, so that all intervals are equally wide; ``quantile``, what the two
    `tails` say of a row's features, so that an interval is as wide as such rows need it.
    """

    level: float
    method: str
    lower: float
    upper: float
    tails: tuple[Tail, Tail] | None = field(default=None, compare=False, repr=False)

    def around(self, predicted: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower and the upper limits around predictions, (rows,), of `features`, (rows, features); NaN gives NaN.

        The prediction is always inside: a limit on its wrong side (of a model that is off to one side, or of another opinion
        than the tails) is moved to it, which makes the interval wider, never narrower. The limits are not cut to the target's
        range: that would hide how unsure the model is.
        """
        predicted = np.asarray(predicted, dtype=float)
        below, above = (tail(features) for tail in self.tails) if self.tails else (predicted, predicted)
        return np.minimum(below + self.lower, predicted), np.maximum(above + self.upper, predicted)

    def describe(self, test_coverage: float | None = None, test_rows: int | None = None) -> FittedInterval:
        """Return it as it is kept, with the share of test rows inside it; the tails are kept elsewhere."""
        return FittedInterval(self.level, self.method, self.lower, self.upper, test_coverage, test_rows)

    @classmethod
    def restore(cls, known: FittedInterval, tails: tuple[Tail, Tail] | None = None) -> Self:
        """Return the interval that was kept as `known`. Raises ValueError where it has tails, and they are not given."""
        if (known.method == QUANTILE) != (tails is not None):
            how = "with" if known.method == QUANTILE else "without"
            raise ValueError(f"An interval of the method '{known.method}' must come {how} tails.")
        return cls(float(known.level), known.method, float(known.lower), float(known.upper), tails)


def fit_constant(
    target: np.ndarray, out_of_fold: np.ndarray, *, groups: np.ndarray | None = None, level: float = LEVEL
) -> Interval:
    """Return an interval of constant width: quantiles of the residuals `target` - `out_of_fold`, one for each tail.

    What it promises. Split conformal prediction, with one model and rows that it has not seen, holds a new exchangeable row
    with a chance of at least `level`, whatever the model and the distribution (Vovk, Gammerman and Shafer 2005; Lei et al.
    2018). Here the residuals are of the folds' models, and the prediction is of the model fitted on all rows: that is
    cross-conformal, and nothing is proven of it without a model that hardly changes with the rows it is fitted on. Of CV+,
    which predicts with the folds' models, 2 * level - 1 and a little less is proven, and about `level` is found (Barber et
    al. 2021). The folds' models see fewer rows and err more, so the interval tends to be too wide rather than too narrow.

    All of that is about the average row: where the target is rare, and no prediction comes near it, far fewer are held.
    Copies of a row count as rows, so the correction for few rows is a little too small; where they are spread over folds (a
    random split), the interval is too narrow by as much as the scores are too high.

    Parameters
    ----------
    target, out_of_fold : of shape (rows,), in the target's unit, without NaN; predictions of models that did not see the row.
    groups : of the same shape. Then a new row is one of a new group, and each group counts the same, however many rows it has.
    level : between 0 and 1.

    Raises
    ------
    ValueError : no rows, unequal lengths, a value that is not finite, or a level that is not between 0 and 1.
    """
    target, out_of_fold = _checked(level, target, out_of_fold)
    residual = target - out_of_fold
    below, above = tail_quantiles(residual, level) if groups is None else group_quantiles(residual, groups, level)
    slack = _rounding(target, out_of_fold)
    return Interval(level, CONSTANT, below - slack, above + slack)


def fit_quantile(
    target: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    tails: tuple[Tail, Tail],
    *,
    groups: np.ndarray | None = None,
    level: float = LEVEL,
) -> Interval:
    """Return an interval of two quantile models, both moved outwards by as much as the training rows ask for.

    Conformalised quantile regression (Romano, Patterson and Candès 2019): the move is the quantile of how far each row lies
    outside of what the models say, less than 0 where they say too much. What it promises is what `fit_constant` says.

    Parameters
    ----------
    low, high : of shape (rows,), what models like the `tails` say of the rows of `target` that they did not see.
    tails : the models fitted on all rows.
    groups : as in `fit_constant`.

    Raises
    ------
    ValueError : as `fit_constant`.
    """
    target, low, high = _checked(level, target, low, high)
    outside = np.maximum(low - target, target - high)
    if groups is None:
        rank = min(len(outside), math.ceil((len(outside) + 1) * level - 1e-9))
        move = float(np.sort(outside)[rank - 1])
    else:
        # Both tails of a level of 2 * level - 1 hold 1 - level each; the upper one is asked for.
        move = group_quantiles(outside, groups, 2 * level - 1)[1]
    move += _rounding(target, low, high)
    return Interval(level, QUANTILE, -move, move, tails)


def coverage(target: np.ndarray, limits: tuple[np.ndarray, np.ndarray]) -> float:
    """Return the share of `target` between the limits, these included; equal shapes, without NaN."""
    lower, upper = limits
    return float(np.mean((lower <= target) & (target <= upper)))


def mean_width(limits: tuple[np.ndarray, np.ndarray]) -> float:
    """Return how far lower and upper limits are apart on average, in the target's unit."""
    lower, upper = limits
    return float(np.mean(upper - lower))


def interval_score(target: np.ndarray, limits: tuple[np.ndarray, np.ndarray], level: float) -> float:
    """Return the mean interval score in the target's unit, the lower the better.

    It is the width, and 2 / (1 - level) times how far a target lies outside: least where the limits are the quantiles of the
    row's own distribution (Gneiting and Raftery 2007, eq. 43; Winkler 1972).
    """
    lower, upper = limits
    outside = np.maximum(lower - target, 0) + np.maximum(target - upper, 0)
    return float(np.mean(upper - lower + 2 / (1 - level) * outside))


def tail_quantiles(residual: np.ndarray, level: float) -> tuple[float, float]:
    """Return the residuals that cut off (1 - level) / 2 of a new one's distribution on either side.

    Of n residuals these are the k-th smallest and the k-th largest, k = floor((n + 1) (1 - level) / 2): the finite-sample
    rank of split conformal prediction (Lei et al. 2018, Algorithm 2), as for each tail apart in Romano, Patterson and Candès
    (2019, Theorem 2). With so few rows that k is 0 (fewer than 19 at a level of 0.9) they are the extremes: no finite limits
    reach the level then.
    """
    ordered = np.sort(residual)
    k = max(1, math.floor((len(ordered) + 1) * (1 - level) / 2 + 1e-9))  # 40 * 0.05 must not become 1.999...
    return float(ordered[k - 1]), float(ordered[-k])


def group_quantiles(residual: np.ndarray, groups: np.ndarray, level: float) -> tuple[float, float]:
    """Return what `tail_quantiles` returns, for a new row of a new group: each of K groups has the weight 1 / (K + 1).

    A group's rows share its weight, and that of the new one is beyond all residuals: hierarchical conformal prediction (Lee,
    Barber and Willett 2023, Distribution-free inference with hierarchical data; Dunn, Wasserman and Ramdas 2022). Where each
    row is a group of its own, both are the same. With fewer than 19 groups, at a level of 0.9, they are the extremes.
    """
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    new = 1 / (len(sizes) + 1)
    weight = new / sizes[group]

    def cut(order: np.ndarray) -> float:
        beyond = new + np.cumsum(weight[order]) - weight[order]
        inside = np.flatnonzero(beyond <= (1 - level) / 2 + 1e-9)
        return float(residual[order[inside[-1] if len(inside) else 0]])

    order = np.argsort(residual, kind="stable")
    return cut(order), cut(order[::-1])


def _checked(level: float, *values: np.ndarray) -> list[np.ndarray]:
    """Return the values as float arrays. Raises ValueError as `fit_constant` says."""
    arrays = [np.asarray(value, dtype=float) for value in values]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1 or arrays[0].ndim != 1 or not arrays[0].size:
        got = " and ".join(str(array.shape) for array in arrays)
        raise ValueError(f"target and what is said of it must be of the same length, above 0. Got {got} instead.")
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("target and what is said of it must be finite. Got a value that is not.")
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1. Got {level} instead.")
    return arrays


def _rounding(*values: np.ndarray) -> float:
    """Return how far a limit may lie from the target it was made of: rows on a limit, and grades make many, stay inside."""
    return float(4 * np.finfo(float).eps * max(np.abs(value).max() for value in values))
