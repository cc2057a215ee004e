"""Near twins of a sample of rows, looked for among all rows of a large table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.spatial import KDTree

from recipeline.data.relating.grouping import is_among, kind_of
from recipeline.data.stored_rows import StoredRows

#: Where a missing value lies: beyond all others, by standard deviations.
_MISSING = 1e12


def find_near(
    rows: StoredRows, copies: np.ndarray, places: np.ndarray, sides: Sequence[np.ndarray], features: Sequence[str], limit: float
) -> list[np.ndarray]:
    """Return for each side which rows at `places` are near one of that side.

    Near rows are not equal, and no feature differs by more than `limit` standard deviations, those of the rows at `places`;
    categories are equal. A row counts for the nearest of the rows at `places`, and for no other one.

    Parameters
    ----------
    copies : the hashes of the features of all rows, equal for equal rows.
    sides : masks of all rows.
    """
    points, first, inverse = np.unique(copies[places], return_index=True, return_inverse=True)
    sample = rows.take(places, features)
    scales = {name: _Scale.of(sample[name]) for name in features}
    placed = _place(sample.iloc[first], scales)
    tree, bound = KDTree(placed), np.nextafter(limit, 1)
    # Copies of a row at `places` are on a side or not; any other row is looked for.
    distance, nearest = tree.query(placed, k=min(2, len(points)), p=np.inf, distance_upper_bound=bound)
    found = [np.zeros(len(points), dtype=bool) for _ in sides]
    if len(points) > 1:
        itself = np.arange(len(points))[:, None]
        other = np.where(np.isfinite(distance) & (nearest != itself), nearest, len(points)).min(axis=1)
        for near, side in zip(found, sides, strict=True):
            near |= np.append(is_among(points, copies[side]), False)[other]
    seen = 0
    for batch in rows.batches(features):
        own = copies[seen : seen + len(batch)]
        others = np.flatnonzero(~is_among(own, points))
        distance, nearest = tree.query(_place(batch.iloc[others], scales), p=np.inf, distance_upper_bound=bound)
        hit = np.flatnonzero(np.isfinite(distance))
        for near, side in zip(found, sides, strict=True):
            near[nearest[hit[side[seen + others[hit]]]]] = True
        seen += len(batch)
    return [near[inverse] for near in found]


@dataclass(frozen=True)
class _Scale:
    """The place of a column's values on a scale of standard deviations."""

    centre: float
    deviation: float

    @classmethod
    def of(cls, column: pd.Series) -> _Scale | None:
        """Return the scale of a column; None where values are equal or not, as text is."""
        kind = kind_of(column)
        if not kind.is_ordered:
            return None
        numbers = kind.as_numbers(column)
        known = numbers[~np.isnan(numbers)]
        deviation = float(known.std()) if len(known) else 0.0
        return cls(float(known.mean()) if len(known) else 0.0, deviation or 1.0)


def _place(rows: pd.DataFrame, scales: dict[str, _Scale | None]) -> np.ndarray:
    """Return rows as points, (rows, features), the same ones in every batch."""
    points = np.empty((len(rows), len(scales)))
    for place, (name, scale) in enumerate(scales.items()):
        kind = kind_of(rows[name])
        if scale is None:
            points[:, place] = pd.util.hash_array(kind.keys(rows[name]).to_numpy()) >> np.uint64(32)
        else:
            numbers = (kind.as_numbers(rows[name]) - scale.centre) / scale.deviation
            points[:, place] = np.where(np.isnan(numbers), _MISSING, numbers)
    return points
