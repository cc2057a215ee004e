"""Numbers in monitoring: decile bins, Kolmogorov-Smirnov test and Wasserstein."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy import stats

from recipeline.inference.model_info import Feature
from recipeline.monitoring.kinds.base import Kind
from recipeline.monitoring.results import Described, Spread
from recipeline.monitoring.spread import count_bins, describe_values, is_constant, population_stability


class Number(Kind):
    """A number."""

    def describe(self, codes: np.ndarray, feature: Feature) -> Described:
        """Return moments, quantiles and counts of bins; see `describe_values`."""
        return describe_values(codes)

    def count(self, codes: np.ndarray, described: Described) -> np.ndarray:
        """Return how many codes are between the `edges`."""
        return count_bins(codes, np.array(described.edges, dtype=float))

    def compare(
        self, codes: np.ndarray, observed: np.ndarray, counts: np.ndarray, reference: np.ndarray, described: Described
    ) -> Spread:
        """Return PSI of all values, and of those kept Kolmogorov-Smirnov and Wasserstein.

        The Wasserstein distance is in standard deviations of the reference; None where the reference is constant. The p-value
        is that of the `observed` ones. Infinite values are in the outer bins, and in nothing else.
        """
        finite = np.isfinite(codes)
        values, tested, reference = (_bounded(it) for it in (codes[finite], codes[finite & observed], reference))
        found = Spread(tuple(counts.tolist()))
        if not len(values) or not len(reference):
            return found
        spread = describe_values(values)
        test = stats.ks_2samp(tested, reference, method="asymp")
        scale = 0.0 if is_constant(described) else described.std
        return replace(
            found,
            psi=population_stability(counts, np.array(described.counts)),
            ks=float(test.statistic),
            p_value=float(test.pvalue),
            wasserstein=float(stats.wasserstein_distance(values / scale, reference / scale)) if scale else None,
            mean=spread.mean,
            std=spread.std,
            quantiles=spread.quantiles,
        )

    def bin_names(self, described: Described) -> Sequence[str]:
        """Return the ranges of the bins."""
        edges = [f"{edge:.4g}" for edge in described.edges or ()]
        inner = [f"{a} to {b}" for a, b in pairwise(edges)]
        return [f"below {edges[0]}", *inner, f"{edges[-1]} and more"] if edges else ["all"]


def _bounded(values: np.ndarray) -> np.ndarray:
    """Return the finite values, none so large that a sum of squares were not."""
    bounded: np.ndarray = np.clip(values[np.isfinite(values)], -1e140, 1e140)
    return bounded
