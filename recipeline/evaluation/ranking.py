"""How sure the order of compared candidates is, and what they are worth to each other."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import r2_score

from recipeline.metrics.bootstrap import resample_sums
from recipeline.training.cross_validation import Result


def resample_best(results: list[Result], target: np.ndarray, groups: np.ndarray, *, draws: int, seed: int) -> np.ndarray:
    """Return in which share of `draws` bootstrap samples of distinct rows each result has the least squared error out of fold.

    `groups` tells which rows are copies of each other: they are drawn together. The models are not fitted anew, so the order
    looks surer than it is.
    """
    _, group = np.unique(groups, return_inverse=True)
    errors = [np.bincount(group, weights=(target - result.out_of_fold) ** 2) for result in results]
    best = resample_sums(np.column_stack(errors), draws=draws, seed=seed).argmin(axis=1)
    return np.bincount(best, minlength=len(results)) / draws


def gains_with_best(ranked: list[Result], target: np.ndarray) -> list[float]:
    """Return how much R2 out of fold gains when each result is averaged with the first, the best one; 0 for that itself."""
    best = ranked[0].out_of_fold
    alone = r2_score(target, best)
    return [float(r2_score(target, (best + result.out_of_fold) / 2) - alone) for result in ranked]
