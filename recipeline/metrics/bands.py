"""ROC and precision-recall curves with bootstrap bands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recipeline.metrics.bootstrap import deal_blocks, resample_sums

#: Curves are drawn at so many points, of at most so many different scores.
POINTS, BINS = 51, 400

DRAWS = 500


@dataclass(frozen=True)
class CurveBand:
    """A curve, with its 95 % limits, each of shape (points,).

    The limits are NaN of a single group.
    """

    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray


def resample_curves(
    target: np.ndarray,
    scores: np.ndarray,
    groups: np.ndarray,
    *,
    seed: int,
    weights: np.ndarray | None = None,
    draws: int = DRAWS,
) -> tuple[CurveBand, CurveBand] | None:
    """Return recall by false positive rate (ROC), and precision by recall.

    Whole groups are drawn, and limits hold for each point (vertical averaging: Fawcett 2006). Between its thresholds the ROC is
    a straight line; precision is that of the greatest threshold that reaches a recall, because it may not be interpolated
    (Davis and Goadrich 2006). None where `target` has one value only.

    Parameters
    ----------
    target : (rows,), 1 and 0. scores : (rows,), greater for a likely 1. groups, weights : (rows,).
    """
    ones, zeros = _count(target, scores, groups, weights, draws, seed)
    if ones[0].sum() == 0 or zeros[0].sum() == 0:
        return None
    kept = (ones.sum(axis=1) > 0) & (zeros.sum(axis=1) > 0)
    hits, wrong = (np.cumsum(part[kept, ::-1], axis=1) for part in (ones, zeros))
    recall, rate = hits / hits[:, -1:], wrong / wrong[:, -1:]
    precision = hits / np.maximum(hits + wrong, 1e-300)
    at = np.linspace(0, 1, POINTS)
    roc = np.array([np.interp(at, np.append(0, x), np.append(0, y)) for x, y in zip(rate, recall, strict=True)])
    # At a recall of 0 it is the precision of the first one that is found.
    reached = np.array([np.searchsorted(it, np.maximum(at - 1e-12, 1e-12)) for it in recall])
    found = np.take_along_axis(precision, reached, axis=1)
    is_alone = len(np.unique(groups)) < 2
    return _band(at, roc, is_alone), _band(at, found, is_alone)


def _band(x: np.ndarray, drawn: np.ndarray, is_alone: bool) -> CurveBand:
    """Return the first curve with the limits of the others around it."""
    if is_alone or len(drawn) < 2:
        nothing = np.full(len(x), np.nan)
        return CurveBand(x, drawn[0], nothing, nothing)
    low, high = np.quantile(drawn[1:], [0.025, 0.975], axis=0)
    return CurveBand(x, drawn[0], np.minimum(low, drawn[0]), np.maximum(high, drawn[0]))


def _count(
    target: np.ndarray, scores: np.ndarray, groups: np.ndarray, weights: np.ndarray | None, draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of ones and zeros by score, of all rows and of each draw.

    They have shape (1 + draws, scores), the least score first; equal scores stay together.
    """
    distinct, place, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    if len(distinct) > BINS:
        place = ((np.cumsum(sizes) - 1) * BINS // len(scores))[place]
    width = int(place.max()) + 1
    block, count = deal_blocks(groups, seed)
    cell = (block * width + place) * 2 + target.astype(np.intp)
    sums = np.bincount(cell, weights=weights, minlength=count * width * 2).astype(float).reshape(count, width * 2)
    every = np.concatenate([sums.sum(axis=0, keepdims=True), resample_sums(sums, draws=draws, seed=seed)])
    return every[:, 1::2], every[:, ::2]
