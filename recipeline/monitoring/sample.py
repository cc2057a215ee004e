"""Live rows as they are compared: counts of all rows, and a sample of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from recipeline.inference.model_info import Feature
from recipeline.inference.row_checks import is_unseen
from recipeline.monitoring.kinds.every import KINDS
from recipeline.monitoring.results import Baseline

#: Tests that need rows and not only shares are made on so many, drawn uniformly from all; the classifier on so many a side.
MOST_ROWS, MOST_OF_A_SIDE = 10_000, 2_000


@dataclass
class _Draw:
    """A uniform draw of at most `most` rows: those with the least random `keys`."""

    most: int
    rows: np.ndarray
    keys: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def add(self, rows: np.ndarray, keys: np.ndarray) -> None:
        if len(self.keys) == self.most:  # only what is drawn before the last of those kept can take its place
            chosen = keys < np.max(self.keys)
            keys, rows = keys[chosen], rows[chosen]
        keys, rows = np.concatenate([self.keys, keys]), np.concatenate([self.rows, rows])
        if len(keys) > self.most:
            chosen = np.sort(np.argpartition(keys, self.most)[: self.most])
            keys, rows = keys[chosen], rows[chosen]
        self.keys, self.rows = keys, rows


@dataclass
class Live:
    """Live rows in bounded memory: all counted, a uniform draw of them kept.

    The draw has at most `most` rows, the same for the same rows in the same pieces and the same `seed`. As many labelled rows
    are kept separately: they may be few of all.
    """

    features: Sequence[Feature]
    baseline: Baseline
    seed: int
    most: int = MOST_ROWS
    rows: int = 0
    counts: list[np.ndarray] = field(default_factory=list)
    missing: np.ndarray = field(default_factory=lambda: np.zeros(0))
    unseen: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        self._known = [self.baseline.features[feature.name] for feature in self.features]
        self.counts = [np.zeros(len(known.counts), dtype=np.int64) for known in self._known]
        self.missing, self.unseen = (np.zeros(len(self.features), dtype=np.int64) for _ in range(2))
        self._random = np.random.default_rng(self.seed)
        self._kept, self._labelled = (_Draw(self.most, np.zeros((0, len(self.features) + 2))) for _ in range(2))

    def add(self, values: np.ndarray, predicted: np.ndarray | None = None, target: np.ndarray | None = None) -> None:
        """Take rows of shape (rows, features), NaN where a value is missing or no number.

        `predicted` and `target`, of shape (rows,), are NaN or None where they are not known.
        """
        self.rows += len(values)
        for place, (feature, described, column) in enumerate(zip(self.features, self._known, values.T, strict=True)):
            known = ~np.isnan(column)
            self.counts[place] += KINDS[feature.type].count(column[known], described)
            self.missing[place] += len(column) - int(known.sum())
            self.unseen[place] += int(np.count_nonzero(is_unseen(feature, column)))
        nothing = np.full(len(values), np.nan)
        rows = np.column_stack([values, nothing if predicted is None else predicted, nothing if target is None else target])
        keys, is_labelled = self._random.random(len(rows)), np.isfinite(rows[:, -1])
        self._kept.add(rows, keys)
        self._labelled.add(rows[is_labelled], keys[is_labelled])

    @property
    def kept(self) -> np.ndarray:
        """The features of the kept rows, of shape (rows, features)."""
        return self._kept.rows[:, :-2]

    @property
    def predicted(self) -> np.ndarray:
        """The predictions of the kept rows, NaN where unknown."""
        return self._kept.rows[:, -2]

    @property
    def labelled(self) -> np.ndarray:
        """The kept labelled rows: features, prediction and target.

        Rows without a prediction are left out.
        """
        rows = self._labelled.rows
        labelled: np.ndarray = rows[np.isfinite(rows[:, -2])]
        return labelled

    def predict_missing(self, predict: Callable[[np.ndarray], np.ndarray]) -> None:
        """Predict kept rows whose prediction is unknown and whose features are valid."""
        may_lack = np.array([feature.nullable for feature in self.features])
        for rows in (self._kept.rows, self._labelled.rows):
            values = rows[:, :-2]
            complete = (np.isfinite(values) | (np.isnan(values) & may_lack)).all(axis=1)
            unknown = np.isnan(rows[:, -2]) & complete
            if unknown.any():
                rows[unknown, -2] = predict(values[unknown])
