"""Categories in monitoring: shares of frequent values, and a chi-square test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import stats

from recipeline.inference.model_info import Feature
from recipeline.monitoring.kinds.base import Kind
from recipeline.monitoring.results import Described, Spread
from recipeline.monitoring.spread import population_stability

#: So many values of a category have a bin each; all others share one. With fifty bins and two hundred rows a population
#: stability index is above 0.2 in every second quiet window.
MOST_BINS = 20


class Category(Kind):
    """A category."""

    def describe(self, codes: np.ndarray, feature: Feature) -> Described:
        """Return the `counts` of the most frequent values, `names`, and of all others.

        `bins` has the bin of each code.
        """
        known = codes[~np.isnan(codes)].astype(np.intp)
        by_code = np.bincount(known, minlength=len(feature.categories) + 1)
        frequent = np.argsort(-by_code[:-1], kind="stable")[:MOST_BINS]
        bins = np.full(len(by_code), len(frequent))
        bins[frequent] = np.arange(len(frequent))
        described = Described(
            rows=len(codes),
            missing=int(len(codes) - len(known)),
            counts=(),
            names=(*(feature.categories[code] for code in frequent), "other values"),
            bins=tuple(bins.tolist()),
        )
        return replace(described, counts=tuple(self.count(known, described).tolist()))

    def count(self, codes: np.ndarray, described: Described) -> np.ndarray:
        """Return how many codes are in each bin."""
        bins = np.array(described.bins)
        return np.bincount(bins[np.asarray(codes, dtype=np.intp)], minlength=len(described.names or ()))

    def compare(
        self, codes: np.ndarray, observed: np.ndarray, counts: np.ndarray, reference: np.ndarray, described: Described
    ) -> Spread:
        """Return PSI of all values, and the p-value of a chi-square test.

        The test is that of homogeneity of the `observed` values. Bins are pooled, the least first, until each has five rows
        of both sides together (Cochran 1954).
        """
        found = Spread(tuple(counts.tolist()))
        known = ~np.isnan(codes)
        before, now = np.array(described.counts), self.count(codes[known & observed], described)
        if not before.sum() or not now.sum():
            return found
        table = _pool(np.array([before, now]))
        p_value = float(stats.chi2_contingency(table, correction=False).pvalue) if table.shape[1] > 1 else 1.0
        return replace(found, psi=population_stability(counts, before), p_value=p_value)

    def apart(self, codes: np.ndarray, described: Described) -> np.ndarray:
        """Return codes with one for all values that are in the last bin.

        A value of a few training rows tells what is new from what is known, and not that rows differ.
        """
        bins = np.array(described.bins)
        rare, known = len(bins) - 1, ~np.isnan(codes)
        seen = codes.copy()
        seen[known] = np.where(bins[codes[known].astype(np.intp)] == bins[rare], rare, codes[known])
        return seen

    def count_names(self, feature: Feature, rows: int) -> int:
        """Return the number of categories that so many training rows have."""
        return (feature.counts or ()).count(rows)

    def bin_names(self, described: Described) -> Sequence[str]:
        """Return the values of the bins."""
        return list(described.names or ())


def _pool(table: np.ndarray, least: int = 5) -> np.ndarray:
    """Return a table of two rows of counts without empty columns, small ones added up."""
    table = table[:, np.argsort(table.sum(axis=0), kind="stable")]
    small = np.cumsum(table.sum(axis=0)) < least
    place = int(small.sum())
    pooled = np.column_stack([table[:, : place + 1].sum(axis=1), table[:, place + 1 :]])
    return pooled[:, pooled.sum(axis=0) > 0]
