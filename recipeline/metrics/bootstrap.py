"""The bootstrap: sums over resampled rows."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

#: More rows than this are drawn as blocks of rows: the error that it adds is far below that of the number of draws.
MOST_ROWS = 100_000

#: The same where many columns of sums are drawn, as of curves.
MOST_BLOCKS = 2_000


def resample_sums(values: np.ndarray, *, draws: int, seed: int) -> np.ndarray:
    """Return the column sums of `draws` bootstrap samples, of shape (draws, columns).

    Rows of `values` are drawn with replacement, as many as there are; statistics that are functions of sums follow from these.
    The memory does not grow with the number of draws times that of rows.

    With more than MOST_ROWS rows, blocks of equally many are drawn (the last one may be smaller), dealt at random, whatever the
    order of the rows. A sum over blocks of independent rows has the variance of the sum over the rows (Efron and Tibshirani
    1993, ch. 8), and the time no longer grows with their number.
    """
    rng = np.random.default_rng(seed)
    size = math.ceil(len(values) / MOST_ROWS)
    if size > 1:
        values = np.add.reduceat(values[rng.permutation(len(values))], np.arange(0, len(values), size))
    rows = len(values)
    at_once = max(1, 4_000_000 // rows)
    sizes = [min(at_once, draws - start) for start in range(0, draws, at_once)]
    return np.concatenate([_counts(rng, rows, size) @ values for size in sizes])


def deal_blocks(groups: np.ndarray, seed: int, most: int = MOST_BLOCKS) -> tuple[np.ndarray, int]:
    """Return the block of each row, (rows,), and the number of blocks.

    A block is a group, or, of more than `most` groups, one of `most` random lots of them, as in `resample_sums`.
    """
    names, block = np.unique(groups, return_inverse=True)
    if len(names) <= most:
        return block, len(names)
    return (np.random.default_rng(seed).permutation(len(names)) % most)[block], most


def mean_interval(values: np.ndarray, groups: np.ndarray, *, seed: int, draws: int = 1000) -> tuple[float, float] | None:
    """Return the 95 % percentile interval of a mean, with whole groups drawn.

    None of a single group: nothing is known of others.

    Parameters
    ----------
    values, groups : (rows,), at least one row, without NaN.
    """
    distinct, group = np.unique(groups, return_inverse=True)
    if len(distinct) < 2:
        return None
    sums = np.column_stack([np.bincount(group), np.bincount(group, weights=values)])
    rows, total = resample_sums(sums, draws=draws, seed=seed).T
    low, high = np.quantile(total / rows, [0.025, 0.975]).tolist()
    return low, high


def tail_share(level: float, count: int, *, is_clustered: bool) -> float:
    """Return the share of the draws that lies beyond either limit of an interval.

    Percentiles of few groups are too narrow. With `is_clustered` those of `count` groups are taken further out, as far as
    Student's t reaches beyond the normal distribution (Hesterberg 2015, What Teachers Should Know About the Bootstrap, section
    5.2). For a single group it is NaN.
    """
    outside = (1 - level) / 2
    if not is_clustered:
        return outside
    if count < 2:
        return math.nan
    return float(stats.norm.cdf(math.sqrt(count / (count - 1)) * stats.t.ppf(outside, count - 1)))


def percentiles(drawn: np.ndarray, outside: float) -> tuple[float, float]:
    """Return the limits that cut off the share `outside` on either side.

    Draws that are NaN are left out. NaN where none is left, or the share is.
    """
    known = drawn[~np.isnan(drawn)]
    if not len(known) or math.isnan(outside):
        return math.nan, math.nan
    low, high = np.quantile(known, [outside, 1 - outside]).tolist()
    return low, high


def resample_scores(
    target: np.ndarray,
    groups: np.ndarray,
    columns: np.ndarray,
    *,
    draws: int,
    seed: int,
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, spread of `target` and sums of `columns` of each bootstrap sample.

    Whole groups are drawn, because copies of one row are one observation. The spread is the sum of squares about the mean of
    the sample, NaN where the target does not vary: R2 is not defined there. It is taken about the target's median, so that it
    keeps its digits wherever the target's origin is and whatever its unit.

    Parameters
    ----------
    target : (rows,), or (rows, labels), whose spreads are summed. groups : (rows,). columns : (rows, columns).
    weights : (rows,), how much each row counts in all that is returned; None: 1.

    Returns
    -------
    Arrays of shape (draws,), (draws,) and (draws, columns).
    """
    _, group = np.unique(groups, return_inverse=True)
    centred = (target - np.median(target, axis=0)).reshape(len(target), -1)
    values = np.column_stack([np.ones(len(target)), centred, centred**2, columns])
    if weights is not None:
        values *= weights[:, None]
    sums = np.column_stack([np.bincount(group, weights=column) for column in values.T])
    drawn, width = resample_sums(sums, draws=draws, seed=seed), centred.shape[1]
    n, total, squares = drawn[:, 0], drawn[:, 1 : 1 + width], drawn[:, 1 + width : 1 + 2 * width]
    spread, whole = (squares - total**2 / n[:, None]).sum(axis=1), squares.sum(axis=1)
    # A constant sample leaves the rounding of its own squares, in whatever unit they are.
    return n, np.where(spread > 1e-9 * whole, spread, np.nan), drawn[:, 1 + 2 * width :]


def _counts(rng: np.random.Generator, rows: int, size: int) -> np.ndarray:
    """Return the frequency of each row in `size` samples, of shape (size, rows).

    It is faster than `rng.multinomial`.
    """
    drawn = rng.integers(rows, size=(size, rows)) + rows * np.arange(size)[:, None]
    return np.bincount(drawn.ravel(), minlength=size * rows).reshape(size, rows)
