"""Live rows as they are compared: counts of all rows, and a sample of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from recipeline.data.target_codes import NUMBERS, TargetCodes
from recipeline.inference.model_info import Feature
from recipeline.inference.row_checks import is_unseen
from recipeline.metrics.two_labels import HALF
from recipeline.monitoring.kinds.every import KINDS
from recipeline.monitoring.results import Baseline

#: Tests that need rows and not only shares are made on so many, drawn uniformly from all; the classifier on so many a side.
MOST_ROWS, MOST_OF_A_SIDE = 10_000, 2_000


@dataclass
class Draw:
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


@dataclass(frozen=True)
class Labelled:
    """Rows with prediction and label.

    `values` are features (rows, features), `predicted` and `target` codes, `places` the targets in one column, (rows,).
    """

    values: np.ndarray
    predicted: np.ndarray
    target: np.ndarray
    places: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: np.ndarray) -> Labelled:
        """Return the rows of a mask."""
        return Labelled(self.values[rows], self.predicted[rows], self.target[rows], self.places[rows])


@dataclass
class Live:
    """Live rows in bounded memory: all counted, a uniform draw of them kept.

    The draw has at most `most` rows, the same for the same rows in the same pieces and the same `seed`. As many labelled rows
    are kept separately: they may be few of all. Predictions have the shape of the target's `codes`; `threshold` is the
    probability from which on the positive one of two labels is said.
    """

    features: Sequence[Feature]
    baseline: Baseline
    seed: int
    most: int = MOST_ROWS
    codes: TargetCodes = NUMBERS
    threshold: float = HALF
    rows: int = 0
    counts: list[np.ndarray] = field(default_factory=list)
    missing: np.ndarray = field(default_factory=lambda: np.zeros(0))
    unseen: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        self._known = [self.baseline.features[feature.name] for feature in self.features]
        self.counts = [np.zeros(len(known.counts), dtype=np.int64) for known in self._known]
        self.missing, self.unseen = (np.zeros(len(self.features), dtype=np.int64) for _ in range(2))
        self._random = np.random.default_rng(self.seed)
        width = len(self.features) + self.codes.width + 1
        self._predicted = slice(len(self.features), -1)
        self._kept, self._labelled = (Draw(self.most, np.zeros((0, width))) for _ in range(2))

    def add(self, values: np.ndarray, predicted: np.ndarray | None = None, target: np.ndarray | None = None) -> None:
        """Take rows of shape (rows, features), NaN where a value is missing or no number.

        `predicted` are codes, (rows,) or (rows, labels), `target` numbers or places of labels, (rows,); both are NaN or None
        where they are not known.
        """
        self.rows += len(values)
        for place, (feature, described, column) in enumerate(zip(self.features, self._known, values.T, strict=True)):
            known = ~np.isnan(column)
            self.counts[place] += KINDS[feature.type].count(column[known], described)
            self.missing[place] += len(column) - int(known.sum())
            self.unseen[place] += int(np.count_nonzero(is_unseen(feature, column)))
        predicted = np.full((len(values), self.codes.width), np.nan) if predicted is None else predicted
        rows = np.column_stack([values, predicted, np.full(len(values), np.nan) if target is None else target])
        keys, is_labelled = self._random.random(len(rows)), np.isfinite(rows[:, -1])
        self._kept.add(rows, keys)
        self._labelled.add(rows[is_labelled], keys[is_labelled])

    @property
    def kept(self) -> np.ndarray:
        """The features of the kept rows, of shape (rows, features)."""
        return self._kept.rows[:, : len(self.features)]

    @property
    def predicted(self) -> np.ndarray:
        """The predictions of the kept rows, NaN where unknown."""
        return self.codes.shape(self._kept.rows[:, self._predicted])

    @property
    def labelled(self) -> Labelled:
        """The kept labelled rows; those without a prediction are left out."""
        rows = self._labelled.rows
        rows = rows[np.isfinite(rows[:, self._predicted]).all(axis=1)]
        places = rows[:, -1]
        predicted, target = self.codes.shape(rows[:, self._predicted]), self.codes.of_places(places)
        return Labelled(rows[:, : len(self.features)], predicted, target, places)

    def predict_missing(self, predict: Callable[[np.ndarray], np.ndarray]) -> None:
        """Predict kept rows whose prediction is unknown and whose features are valid.

        `predict` returns codes.
        """
        may_lack = np.array([feature.nullable for feature in self.features])
        for rows in (self._kept.rows, self._labelled.rows):
            values = rows[:, : len(self.features)]
            complete = (np.isfinite(values) | (np.isnan(values) & may_lack)).all(axis=1)
            unknown = np.isnan(rows[:, self._predicted]).any(axis=1) & complete
            if unknown.any():
                rows[unknown, self._predicted] = predict(values[unknown]).reshape(-1, self.codes.width)
