"""Live rows as they are compared: counts of all rows, and a sample of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recipeline.inference.model_info import Feature
from recipeline.inference.row_checks import is_unseen
from recipeline.monitoring.baseline import count_bins

#: Tests that need rows and not only shares are made on so many, drawn uniformly from all; the classifier on so many a side.
MOST_ROWS, MOST_OF_A_SIDE = 10_000, 2_000


@dataclass
class Live:
    """Later rows, taken piece by piece in bounded memory: all are counted, and some of them kept.

    The kept ones are a uniform draw of at most `most` rows, the same for the same rows in the same pieces and the same `seed`.
    """

    features: Sequence[Feature]
    baseline: Mapping[str, Any]
    seed: int
    most: int = MOST_ROWS
    rows: int = 0
    counts: list[np.ndarray] = field(default_factory=list)
    missing: np.ndarray = field(default_factory=lambda: np.zeros(0))
    unseen: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        self._edges = [np.array(self.baseline["features"][feature.name]["edges"]) for feature in self.features]
        self.counts = [np.zeros(len(edges) + 1, dtype=np.int64) for edges in self._edges]
        self.missing, self.unseen = (np.zeros(len(self.features), dtype=np.int64) for _ in range(2))
        self._random = np.random.default_rng(self.seed)
        self._keys, self._kept = np.zeros(0), np.zeros((0, len(self.features) + 2))

    def add(self, values: np.ndarray, predicted: np.ndarray | None = None, target: np.ndarray | None = None) -> None:
        """Take rows of shape (rows, features), NaN where a value is missing or no number.

        `predicted` and `target`, of shape (rows,), are NaN or None where they are not known.
        """
        self.rows += len(values)
        for place, (feature, edges, column) in enumerate(zip(self.features, self._edges, values.T, strict=True)):
            known = ~np.isnan(column)
            self.counts[place] += count_bins(column[known], edges)
            self.missing[place] += len(column) - int(known.sum())
            self.unseen[place] += int(np.count_nonzero(is_unseen(feature, column)))
        nothing = np.full(len(values), np.nan)
        rows = np.column_stack([values, nothing if predicted is None else predicted, nothing if target is None else target])
        keys = self._random.random(len(rows))
        if len(self._keys) == self.most:  # only what is drawn before the last of those kept can take its place
            chosen = keys < np.max(self._keys)
            keys, rows = keys[chosen], rows[chosen]
        keys, rows = np.concatenate([self._keys, keys]), np.concatenate([self._kept, rows])
        if len(keys) > self.most:
            chosen = np.sort(np.argpartition(keys, self.most)[: self.most])
            keys, rows = keys[chosen], rows[chosen]
        self._keys, self._kept = keys, rows

    @property
    def kept(self) -> np.ndarray:
        """The features of the rows kept, of shape (rows, features)."""
        return self._kept[:, :-2]

    @property
    def predicted(self) -> np.ndarray:
        """What was predicted of the rows kept, NaN where that is not known."""
        return self._kept[:, -2]

    @property
    def target(self) -> np.ndarray:
        """The target of the rows kept, NaN where it is not known."""
        return self._kept[:, -1]

    def predict_missing(self, predict: Callable[[np.ndarray], np.ndarray]) -> None:
        """Predict the rows kept whose prediction is not known, where they can be: nothing is missing that must not be."""
        may_lack = np.array([feature.nullable for feature in self.features])
        complete = (np.isfinite(self.kept) | (np.isnan(self.kept) & may_lack)).all(axis=1)
        unknown = np.isnan(self.predicted) & complete
        if unknown.any():
            self._kept[unknown, -2] = predict(self.kept[unknown])
