"""The bins of a version's baseline, and the drift of counts in them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from recipeline.inference.model_info import Feature
from recipeline.monitoring.kinds.every import KINDS
from recipeline.monitoring.results import Baseline
from recipeline.monitoring.spread import population_stability

#: With fewer rows a PSI is chance.
MIN_ROWS = 100


class Bins:
    """The bins of a baseline as one flat array: features, then the prediction."""

    def __init__(self, baseline: Baseline, features: Iterable[Feature]) -> None:
        kinds = {it.name: KINDS[it.type] for it in features}
        self.names = tuple(kinds)
        self._described = [*(baseline.features[name] for name in self.names), baseline.prediction]
        self._kinds = [*kinds.values(), KINDS["number"]]
        self._reference = [np.array(it.counts) for it in self._described]
        self._starts = np.cumsum([0, *(len(counts) for counts in self._reference)])
        self.size = int(self._starts[-1])

    def count(self, values: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Return the counts of rows of shape (rows, features) and their predictions.

        NaN is in no bin.
        """
        parts = zip(self._kinds, [*values.T, predicted], self._described, strict=True)
        return np.concatenate([kind.count(column[~np.isnan(column)], described) for kind, column, described in parts])

    def stability(self, counts: np.ndarray) -> list[float | None]:
        """Return each column's population stability index; None below MIN_ROWS values."""
        parts = (counts[start:end] for start, end in zip(self._starts[:-1], self._starts[1:], strict=True))
        return [
            population_stability(part, reference) if part.sum() >= MIN_ROWS else None
            for part, reference in zip(parts, self._reference, strict=True)
        ]
