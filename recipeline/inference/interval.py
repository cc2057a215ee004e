"""The prediction interval at a stated level, fitted out of fold."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from recipeline.inference.by_value import ByColumn
from recipeline.records import LEFT_OUT

LEVEL = 0.9

CONSTANT, QUANTILE = "constant", "quantile"

#: From float64 rows, (rows, features), to both limits before they are moved, (rows,) each.
Tails = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class FittedInterval:
    """An interval as stored in model_info.json, without its tails.

    `test_coverage` is the share of the `test_rows` inside it; None: not known. `by` has the limits of values of a column.
    """

    level: float
    method: str
    lower: float
    upper: float
    test_coverage: float | None = field(default=None, metadata=LEFT_OUT)
    test_rows: int | None = field(default=None, metadata=LEFT_OUT)
    by: ByColumn | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class Interval:
    """Limits of the target around a prediction.

    `level` is the intended share of new rows inside. `lower` and `upper`, in the target's unit, are added to the values that
    `method` names: ``constant``, the prediction itself, so that all intervals are equally wide; ``quantile``, the predictions
    of the two `tails` for a row's features, so that the width depends on these. Rows with some value of a column may have
    limits of their own, `by`.
    """

    level: float
    method: str
    lower: float
    upper: float
    tails: Tails | None = field(default=None, compare=False, repr=False)
    by: ByColumn | None = None

    def around(self, predicted: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower and upper limits around predictions, (rows,).

        `features` has shape (rows, features); NaN gives NaN. The prediction is always inside: a limit on its wrong side (of
        a biased model, or of tails that disagree with it) is moved to it, which makes the interval wider, never narrower.
        The limits are not cut to the target's range: that would hide the uncertainty.
        """
        predicted = np.asarray(predicted, dtype=float)
        below, above = self.tails(features) if self.tails else (predicted, predicted)
        lower, upper = (self.lower, self.upper) if self.by is None else self.by.pick(features, self.lower, self.upper)
        return np.minimum(below + lower, predicted), np.maximum(above + upper, predicted)

    def describe(self, test_coverage: float | None = None, test_rows: int | None = None) -> FittedInterval:
        """Return the interval as it is stored, with its test coverage.

        The tails are stored elsewhere.
        """
        return FittedInterval(self.level, self.method, self.lower, self.upper, test_coverage, test_rows, self.by)

    @classmethod
    def restore(cls, known: FittedInterval, tails: Tails | None = None) -> Self:
        """Return the interval stored as `known`.

        Raises
        ------
        ValueError : it has tails, and they are not given; or it has none, and they are.
        """
        if (known.method == QUANTILE) != (tails is not None):
            how = "with" if known.method == QUANTILE else "without"
            raise ValueError(f"An interval of the method '{known.method}' must come {how} tails.")
        return cls(float(known.level), known.method, float(known.lower), float(known.upper), tails, known.by)


def both(low: Callable[[np.ndarray], np.ndarray], high: Callable[[np.ndarray], np.ndarray]) -> Tails:
    """Return two functions of the features as one."""
    return lambda features: (low(features), high(features))


def fit_constant(
    target: np.ndarray, out_of_fold: np.ndarray, *, groups: np.ndarray | None = None, level: float = LEVEL
) -> Interval:
    """Return an interval of constant width from out-of-fold residuals.

    It is made of quantiles of `target` - `out_of_fold`, one for each tail.

    Guarantee. Split conformal prediction, with one model and rows that it has not seen, covers a new exchangeable row with
    a probability of at least `level`, whatever the model and the distribution (Vovk, Gammerman and Shafer 2005; Lei et al.
    2018). Here the residuals are of the folds' models, and the prediction is of the model fitted on all rows: that is
    cross-conformal, with a guarantee only for a model that hardly changes with the rows it is fitted on. For CV+, which
    predicts with the folds' models, a little less than 2 * level - 1 is proven, and about `level` is observed (Barber et
    al. 2021). The folds' models see fewer rows and err more, so the interval tends to be too wide rather than too narrow.

    The coverage is that of the average row: where the target is rare, and no prediction comes near it, it is far lower.
    Copies of a row count as rows, so the correction for few rows is a little too small; where they are spread over folds (a
    random split), the interval is too narrow by as much as the scores are too high.

    Parameters
    ----------
    target, out_of_fold : of shape (rows,), in the target's unit, without NaN; predictions of models that did not see the row.
    groups : of the same shape. Then a new row is one of a new group, and all groups have the same weight, whatever their size.
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
    tails: Tails,
    *,
    groups: np.ndarray | None = None,
    level: float = LEVEL,
) -> Interval:
    """Return an interval of two quantile models, calibrated out of fold.

    Conformalised quantile regression (Romano, Patterson and Candès 2019): both models are moved outwards by the quantile of
    each row's distance to their limits, negative inside. The guarantee is that of `fit_constant`.

    Parameters
    ----------
    low, high : of shape (rows,), out-of-fold predictions of models like the `tails`.
    tails : the models fitted on all rows, as a function.
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


def are_inside(target: np.ndarray, limits: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return a mask of the `target` between the limits, both included.

    Shapes are equal; NaN is not inside.
    """
    lower, upper = limits
    inside: np.ndarray = (lower <= target) & (target <= upper)
    return inside


def mean_width(limits: tuple[np.ndarray, np.ndarray]) -> float:
    """Return the mean distance between lower and upper limits in the target's unit."""
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
    """Return the residuals that cut off (1 - level) / 2 on either side.

    For n residuals these are the k-th smallest and the k-th largest, k = floor((n + 1) (1 - level) / 2): the finite-sample
    rank of split conformal prediction (Lei et al. 2018, Algorithm 2), as for each tail apart in Romano, Patterson and Candès
    (2019, Theorem 2). With so few rows that k is 0 (fewer than 19 at a level of 0.9) they are the extremes: no finite limits
    reach the level then.
    """
    ordered = np.sort(residual)
    k = max(1, math.floor((len(ordered) + 1) * (1 - level) / 2 + 1e-9))  # 40 * 0.05 must not become 1.999...
    return float(ordered[k - 1]), float(ordered[-k])


def group_quantiles(residual: np.ndarray, groups: np.ndarray, level: float) -> tuple[float, float]:
    """Return `tail_quantiles` for a new row of a new group.

    Each of K groups has the weight 1 / (K + 1). A group's rows share its weight, and that of the new one is beyond all
    residuals: hierarchical conformal prediction (Lee, Barber and Willett 2023, Distribution-free inference with hierarchical
    data; Dunn, Wasserman and Ramdas 2022). If each row is a group of its own, both are the same. With fewer than 19 groups, at
    a level of 0.9, they are the extremes.
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
    """Return the values as float arrays. Raises ValueError as `fit_constant` does."""
    arrays = [np.asarray(value, dtype=float) for value in values]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1 or arrays[0].ndim != 1 or not arrays[0].size:
        got = " and ".join(str(array.shape) for array in arrays)
        raise ValueError(f"target and predictions must have the same length, above 0. Got {got} instead.")
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("target and predictions must be finite.")
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1. Got {level} instead.")
    return arrays


def _rounding(*values: np.ndarray) -> float:
    """Return the rounding error of a limit relative to its target.

    Rows on a limit, which grades make frequent, stay inside.
    """
    return float(4 * np.finfo(float).eps * max(np.abs(value).max() for value in values))
