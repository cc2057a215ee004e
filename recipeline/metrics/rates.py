"""Shares of rows with bootstrap intervals, and the differences between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recipeline.metrics.bootstrap import deal_blocks, resample_sums

#: Draws of the bootstrap.
DRAWS = 1000

#: A share of fewer rows is not compared with others.
FEW_ROWS = 10


@dataclass(frozen=True)
class Rates:
    """Shares of several parts of the rows, each of shape (parts,).

    `rows` are those that a share is of; `value` is NaN of none. `low` and `high` are the 95 % interval, NaN of a single group.
    `draws` are the bootstrapped shares, (draws, parts).
    """

    rows: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    draws: np.ndarray


@dataclass(frozen=True)
class Difference:
    """The greatest difference between two parts: `of` their places, the least first.

    The 95 % limits hold for the differences between all parts together.
    """

    of: tuple[int, int]
    value: float
    low: float
    high: float


def resample_rates(
    hits: np.ndarray, among: np.ndarray, groups: np.ndarray, *, seed: int, weights: np.ndarray | None = None, draws: int = DRAWS
) -> Rates:
    """Return the share of hits among some rows for each of several parts of them.

    Whole groups are drawn. A hit and a miss are added to each part (Agresti and Caffo 2000), so that the interval of few rows
    that are all hits has a width.

    Parameters
    ----------
    hits, among : (rows, parts), masks; a hit counts only among the rows of its part. groups : (rows,).
    weights : (rows,), how much each row counts in a share; None: 1.
    """
    parts = among.shape[1]
    counted = np.ones(len(among)) if weights is None else weights / weights.mean()
    block, count = deal_blocks(groups, seed)
    columns = np.concatenate([hits & among, among], axis=1)
    sums = np.column_stack([np.bincount(block, weights=column * counted, minlength=count) for column in columns.T])
    added, ones = np.zeros((2 * parts, 2 * parts)), np.arange(parts)
    added[ones, ones] = added[ones, parts + ones] = added[parts + ones, parts + ones] = 1
    drawn = resample_sums(np.concatenate([sums, added]), draws=draws, seed=seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = drawn[:, :parts] / drawn[:, parts:]
        value = sums[:, :parts].sum(axis=0) / sums[:, parts:].sum(axis=0)
        low, high = np.nanquantile(np.where(np.isfinite(found), found, np.nan), [0.025, 0.975], axis=0)
    nothing = np.isnan(value) | (count < 2)
    # The added rows move the middle of the interval; what was measured stays inside.
    low, high = np.fmin(low, value), np.fmax(high, value)
    return Rates(among.sum(axis=0), value, np.where(nothing, np.nan, low), np.where(nothing, np.nan, high), found)


def widest_gap(rates: Rates, few: int = FEW_ROWS) -> Difference | None:
    """Return the greatest difference between shares; None of fewer than two.

    Shares of fewer than `few` rows are left out. The interval is a simultaneous one: the two parts are the extreme ones of all,
    so that an interval of two parts named beforehand would be too narrow (Westfall and Young 1993).
    """
    known = np.flatnonzero((rates.rows >= few) & ~np.isnan(rates.low))
    if len(known) < 2:
        return None
    order = known[np.argsort(rates.value[known], kind="stable")]
    least, greatest = int(order[0]), int(order[-1])
    first, second = np.triu_indices(len(known), 1)
    drawn = rates.draws[:, known[second]] - rates.draws[:, known[first]]
    drawn = drawn[np.isfinite(drawn).all(axis=1)]
    spread = drawn.std(axis=0)
    beyond = float(np.quantile(np.abs((drawn - drawn.mean(axis=0)) / spread).max(axis=1), 0.95))
    own = float(np.nanstd(rates.draws[:, greatest] - rates.draws[:, least]))
    value = float(rates.value[greatest] - rates.value[least])
    return Difference((least, greatest), value, max(-1.0, value - beyond * own), min(1.0, value + beyond * own))
