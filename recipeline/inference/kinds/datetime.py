"""Dates in a model: seconds since 1970, UTC."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from recipeline.data.kinds.datetime import as_dates, as_seconds, parse_one
from recipeline.inference.kinds.base import Known, Learned
from recipeline.inference.kinds.number import Number, learn_range

_DAY = 86_400

_EPOCH = datetime(1970, 1, 1)

#: Dates, and times with or without seconds and zone, that Python and pandas read alike.
_USUAL = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?(Z|[+-][01][0-9]:?[0-5][0-9])?)?"
)


class Datetime(Number):
    """A date, or a date and time, without a range.

    Later dates than those of the training rows are expected.
    """

    json_types = (str,)
    has_range = False
    frame_type = "datetime64[us]"

    def encode(self, typed: np.ndarray | pd.Series, feature: Known) -> np.ndarray:
        """Return seconds."""
        return as_seconds(np.asarray(typed, dtype="datetime64[us]"))

    def decode(self, codes: np.ndarray, feature: Known) -> pd.Series:
        """Return values of the type datetime64[us]."""
        return pd.Series(as_dates(codes))

    def read(self, value: Any, feature: Known) -> tuple[float, str]:
        """Return the seconds of a date as text: ISO 8601, or the column's format."""
        text = value.strip() if isinstance(value, str) else ""
        if not feature.format and (quick := _read_iso(text)) is not None:
            return quick, ""
        found = parse_one(text, feature.format)
        if np.isnat(found):
            return math.nan, f"must be a date such as {self.show(0.0, feature)}"
        return float(as_seconds(np.array([found]))[0]), ""

    def learn(self, column: pd.Series) -> Learned:
        """Return `train_min`, `train_max` and `quantiles` in seconds, and `has_time`."""
        seconds = as_seconds(column.to_numpy(dtype="datetime64[us]"))
        has_time = bool((seconds[~np.isnan(seconds)] % _DAY).any())
        return replace(learn_range(seconds), has_time=has_time)

    def draw(self, feature: Known, share: np.ndarray, decimals: np.ndarray) -> np.ndarray:
        """Return whole seconds."""
        drawn: np.ndarray = np.rint(feature.low + share * (feature.high - feature.low))
        return drawn

    def show(self, code: float, feature: Known) -> Any:
        """Return the date in ISO 8601; without a time where that is midnight."""
        if math.isnan(code):
            return None
        text = datetime.fromtimestamp(0, UTC).replace(tzinfo=None)
        shown = (text + (as_dates(np.array([code]))[0] - np.datetime64(0, "us")).item()).isoformat()
        return shown.removesuffix("T00:00:00")

    def words(self, code: float, feature: Known) -> str:
        """Return the date."""
        return str(self.show(code, feature))

    def trained_on(self, feature: Known) -> str:
        """Return the first and last date of the training rows."""
        return f"trained on {self.show(feature.low, feature)} to {self.show(feature.high, feature)}"


def _read_iso(text: str) -> float | None:
    """Return the seconds of a usual date in ISO 8601; None for other texts.

    It is a hundred times as fast, and a request may have thousands of dates.
    """
    if not _USUAL.fullmatch(text):
        return None
    try:
        date = datetime.fromisoformat(text)
        known = date if date.tzinfo is None else date.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):  # no day of the calendar, or beyond its end in UTC
        return None
    return (known - _EPOCH) // timedelta(microseconds=1) / 1e6
