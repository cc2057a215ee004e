"""Dates in monitoring: hour or weekday is compared, never the date itself.

Dates of live rows are always new.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recipeline.inference.model_info import Feature
from recipeline.monitoring.kinds.category import Category
from recipeline.monitoring.results import Described

_HOUR, _DAY = 3_600, 86_400

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Datetime(Category):
    """A date: eight parts of the day if training rows have times, else weekdays."""

    def describe(self, codes: np.ndarray, feature: Feature) -> Described:
        """Return the `counts` of the parts of the day, or of the weekdays."""
        known = codes[~np.isnan(codes)]
        has_times = bool((known % _DAY).any())
        names = tuple(f"{hour:02}:00 to {hour + 3:02}:00" for hour in range(0, 24, 3)) if has_times else _WEEKDAYS
        described = Described(len(codes), int(len(codes) - len(known)), (), names=names, has_times=has_times)
        return replace(described, counts=tuple(self.count(known, described).tolist()))

    def count(self, codes: np.ndarray, described: Described) -> np.ndarray:
        """Return how many dates are in each bin."""
        part = codes % _DAY // (3 * _HOUR) if described.has_times else (codes // _DAY + 3) % 7
        return np.bincount(part.astype(np.intp), minlength=len(described.names or ()))

    def apart(self, codes: np.ndarray, described: Described) -> np.ndarray:
        """Return the time of the week in seconds."""
        week: np.ndarray = (codes + 3 * _DAY) % (7 * _DAY)
        return week
