"""Around a prediction, the limits between which the true value lies at a stated level, fitted on out-of-fold predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np


@dataclass(frozen=True)
class Interval:
    """Limits of the target, each prediction + a + b * prediction of a pair (a, b).

    `level` is the share of new rows that is meant to lie inside. `method` is ``constant`` (b is 0, and a in the target's unit);
    ``linear`` is understood, but nothing here fits one.
    """

    level: float
    method: str
    lower: tuple[float, float]
    upper: tuple[float, float]

    def around(self, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower and the upper limits around predictions of any shape, each of that shape; NaN gives NaN.

        The prediction is always inside: a limit on its wrong side (of a model that is off to one side, or far beyond the
        predictions that the limits were fitted on) is moved to it, which makes the interval wider, never narrower. The limits
        are not cut to the target's range: that would hide how unsure the model is.
        """
        predicted = np.asarray(predicted, dtype=float)
        below, above = (a + b * predicted for a, b in (self.lower, self.upper))
        return predicted + np.minimum(below, 0.0), predicted + np.maximum(above, 0.0)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON takes them."""
        return {**asdict(self), "lower": list(self.lower), "upper": list(self.upper)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the interval of which `values` are the `as_dict`; other keys are ignored, a missing one is a KeyError."""
        (a, b), (c, d) = values["lower"], values["upper"]
        return cls(float(values["level"]), str(values["method"]), (float(a), float(b)), (float(c), float(d)))


def fit_interval(target: np.ndarray, out_of_fold: np.ndarray, *, level: float = 0.9) -> Interval:
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
    level : between 0 and 1.

    Raises
    ------
    ValueError : no rows, unequal lengths, a value that is not finite, or a level that is not between 0 and 1.
    """
    target, out_of_fold = _checked(target, out_of_fold, level)
    below, above = tail_quantiles(target - out_of_fold, level)
    slack = _rounding(target, out_of_fold)
    return Interval(level, "constant", (below - slack, 0.0), (above + slack, 0.0))


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


def coverage(target: np.ndarray, predicted: np.ndarray, interval: Interval) -> float:
    """Return the share of `target` inside the interval around `predicted`, limits included; equal shapes, without NaN."""
    lower, upper = interval.around(predicted)
    return float(np.mean((lower <= target) & (target <= upper)))


def _checked(target: np.ndarray, out_of_fold: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return both as float arrays. Raises ValueError as `fit_interval` says."""
    target, out_of_fold = np.asarray(target, dtype=float), np.asarray(out_of_fold, dtype=float)
    shapes = (target.shape, out_of_fold.shape)
    if target.ndim != 1 or shapes[0] != shapes[1] or not target.size:
        raise ValueError(
            f"target and out_of_fold must be of the same length, above 0. Got {shapes[0]} and {shapes[1]} instead."
        )
    if not (np.isfinite(target).all() and np.isfinite(out_of_fold).all()):
        raise ValueError("target and out_of_fold must be finite. Got a value that is not.")
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1. Got {level} instead.")
    return target, out_of_fold


def _rounding(target: np.ndarray, predicted: np.ndarray) -> float:
    """Return how far prediction + residual may lie from the target: rows on a limit, and grades make many, stay inside."""
    return float(4 * np.finfo(float).eps * max(np.abs(target).max(), np.abs(predicted).max()))
