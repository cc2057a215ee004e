"""Distributions of values: moments, quantiles and shares of bins."""

from __future__ import annotations

import numpy as np

from recipeline.monitoring.results import Described

BINS = 10


def describe_values(values: np.ndarray) -> Described:
    """Return the distribution of values: moments, quantiles and counts in bins.

    There are at most BINS bins; NaN is counted separately. `edges` are between the bins; a bin includes its lower edge and
    excludes its upper one. They are the deciles; a value that takes several deciles has a bin of its own.
    """
    known = values[~np.isnan(values)]
    if not known.size:
        return Described(rows=len(values), missing=len(values), edges=(), counts=(0,))
    deciles = np.quantile(known, np.arange(1, BINS) / BINS, method="inverted_cdf")
    repeated = deciles[1:][np.diff(deciles) == 0]
    if known.min() == known.max():
        repeated = deciles[:1]
    edges = np.unique(np.concatenate([deciles, np.nextafter(repeated, np.inf)]))
    return Described(
        rows=len(values),
        missing=int(len(values) - known.size),
        edges=tuple(edges.tolist()),
        counts=tuple(count_bins(known, edges).tolist()),
        quantiles=tuple(np.quantile(known, np.arange(101) / 100, method="inverted_cdf").tolist()),
        mean=float(known.mean()),
        std=float(known.std()) if known.min() < known.max() else 0.0,
    )


def is_constant(described: Described) -> bool:
    """Whether values are all equal, or none is known."""
    return not described.quantiles or described.quantiles[0] == described.quantiles[-1]


def count_bins(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the counts of values in the bins between `edges`, (edges + 1,).

    Values have no NaN.
    """
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)


def population_stability(live: np.ndarray, reference: np.ndarray) -> float:
    """Return the population stability index of counts in the same bins.

    Source: Siddiqi 2006; 0 for equal shares. Half a row is added to each bin, so that an empty one does not make it infinite.
    """
    p, q = ((counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (live, reference))
    return float(((p - q) * np.log(p / q)).sum())
