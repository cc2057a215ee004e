"""The bins of a version's baseline, and how far counts in them are from it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from recipeline.monitoring.baseline import count_bins, population_stability
from recipeline.monitoring.results import Baseline

#: Of fewer rows a PSI is chance.
MIN_ROWS = 100


class Bins:
    """The bins of a baseline in one flat array of counts: those of each feature, then those of the prediction."""

    def __init__(self, baseline: Baseline, names: Iterable[str]) -> None:
        self.names = tuple(names)
        described = [*(baseline.features[name] for name in self.names), baseline.prediction]
        self._edges = [np.array(it.edges, dtype=float) for it in described]
        self._reference = [np.array(it.counts) for it in described]
        self._starts = np.cumsum([0, *(len(edges) + 1 for edges in self._edges)])
        self.size = int(self._starts[-1])

    def count(self, values: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Return the counts of rows of shape (rows, features) and of what was predicted of them; NaN is in no bin."""
        columns = [*values.T, predicted]
        return np.concatenate(
            [count_bins(column[~np.isnan(column)], edges) for column, edges in zip(columns, self._edges, strict=True)]
        )

    def stability(self, counts: np.ndarray) -> list[float | None]:
        """Return the population stability index of each column; None where it has fewer than MIN_ROWS values."""
        parts = (counts[start:end] for start, end in zip(self._starts[:-1], self._starts[1:], strict=True))
        return [
            population_stability(part, reference) if part.sum() >= MIN_ROWS else None
            for part, reference in zip(parts, self._reference, strict=True)
        ]
