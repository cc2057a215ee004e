"""The bins of a version's baseline, and the drift of counts in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from recipeline.monitoring.baseline import PREDICTION, count_bins, population_stability

#: Of fewer rows a PSI is chance.
MIN_ROWS = 100


class Bins:
    """The bins of a baseline as one flat array: features, then the prediction."""

    def __init__(self, baseline: Mapping[str, Any], names: Iterable[str]) -> None:
        self.names = tuple(names)
        described = [*(baseline["features"][name] for name in self.names), baseline[PREDICTION]]
        self._edges = [np.array(it["edges"], dtype=float) for it in described]
        self._reference = [np.array(it["counts"]) for it in described]
        self._starts = np.cumsum([0, *(len(edges) + 1 for edges in self._edges)])
        self.size = int(self._starts[-1])

    def count(self, values: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Return the counts of rows of shape (rows, features) and their predictions.

        NaN is in no bin.
        """
        columns = [*values.T, predicted]
        return np.concatenate(
            [count_bins(column[~np.isnan(column)], edges) for column, edges in zip(columns, self._edges, strict=True)]
        )

    def stability(self, counts: np.ndarray) -> list[float | None]:
        """Return each column's population stability index; None below MIN_ROWS values."""
        parts = (counts[start:end] for start, end in zip(self._starts[:-1], self._starts[1:], strict=True))
        return [
            population_stability(part, reference) if part.sum() >= MIN_ROWS else None
            for part, reference in zip(parts, self._reference, strict=True)
        ]
