"""Dates and times, as UTC without a zone, to the microsecond."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from recipeline.data.checking.numbers import is_text, read_words, without_dictionary
from recipeline.data.kinds.base import Kind, Rules, Values, Whole
from recipeline.data.kinds.described import Described, DescribedValues
from recipeline.data.kinds.number import histogram

#: ISO 8601 as it is taken: a date, or a date and a time with or without seconds and zone.
ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?$"


#: The years that a date may be of, in UTC: those that Python and ISO 8601 can write.
FIRST, LAST = np.datetime64("0001-01-01", "us"), np.datetime64("9999-12-31T23:59:59.999999", "us")


class Datetime(Kind):
    """A date, or a date and time, in UTC, of the years 1 to 9999.

    A time with a zone is converted; one without is taken unchanged.
    """

    noun = "dates"
    rule = "must be a date"

    def holds(self, kind: pa.DataType) -> bool:
        """Whether a column of this Arrow type can be read."""
        return any(is_one(kind) for is_one in (pa.types.is_timestamp, pa.types.is_date))

    def read(self, values: pa.Array, na: Sequence[str], rules: Rules) -> Values:
        """Return datetime64[us]. Text is ISO 8601, or of the column's `format`."""
        values = without_dictionary(values)
        if not is_text(values.type):
            typed, missing = _as_microseconds(values), values.is_null().to_numpy(zero_copy_only=False)
            return Values(typed, missing, np.isnat(typed) & ~missing)
        text, is_missing = read_words(values, na)
        missing = is_missing.to_numpy(zero_copy_only=False)
        typed = parse(text.to_pandas(), rules.format)
        typed = np.where(missing, np.datetime64("NaT", "us"), typed)
        return Values(typed, missing, np.isnat(typed) & ~missing)

    def series(self, typed: np.ndarray) -> pd.Series:
        """Return values of the type datetime64[us]."""
        return pd.Series(typed)

    def constant(self, value: str | float | bool) -> np.datetime64:
        """Return the date, read by ISO 8601."""
        return parse_one(str(value), "")

    def keys(self, column: pd.Series) -> pd.Series:
        """Return microseconds since 1970; the least number where there is none."""
        return pd.Series(column.to_numpy(dtype="datetime64[us]").astype("int64"))

    def as_numbers(self, column: pd.Series) -> np.ndarray:
        """Return seconds since 1970."""
        return as_seconds(column.to_numpy(dtype="datetime64[us]"))

    def draw(self, rules: Rules, generator: np.random.Generator, rows: int) -> pd.Series:
        """Return times of one year."""
        seconds = generator.integers(366 * 86_400, size=rows).astype("timedelta64[s]")
        return pd.Series((np.datetime64("2024-01-01", "us") + seconds).astype("datetime64[us]"))

    def describe(self, column: pd.Series) -> DescribedValues:
        """Return `distinct`, `first` and `last` date, and a histogram of seconds.

        Seconds count from 1970.
        """
        known = column.dropna()
        seconds = as_seconds(known.to_numpy(dtype="datetime64[us]"))
        first, last = (known.min().isoformat(), known.max().isoformat()) if len(known) else (None, None)
        return DescribedValues(int(column.nunique()), first=first, last=last, histogram=histogram(seconds))

    def exactly(self, described: Described, whole: Whole) -> Described:
        """Return the profile of a sample with what is known of the whole column."""
        first, last = (None if it is None else it.isoformat() for it in (whole.least, whole.greatest))
        return replace(described, distinct=whole.distinct, first=first, last=last)


def parse(text: pd.Series, form: str) -> np.ndarray:
    """Return the dates in `text` as datetime64[us] in UTC, NaT if unreadable.

    They are read by `form`, else by ISO 8601. A date before FIRST or after LAST is unreadable.
    """
    found = pd.Series(pd.NaT, index=text.index, dtype="datetime64[us]")
    if form:
        found = _parse(text, form)
    rest = found.isna() & text.str.match(ISO)
    if rest.any():
        found[rest] = _parse(text[rest], "ISO8601")
    dates = found.to_numpy(dtype="datetime64[us]")
    return np.where((dates >= FIRST) & (dates <= LAST), dates, np.datetime64("NaT", "us"))


def _parse(text: pd.Series, form: str) -> pd.Series:
    read = pd.to_datetime(text, format=form, errors="coerce", utc=True)
    return read.dt.tz_convert(None).astype("datetime64[us]")


def parse_one(text: str, form: str) -> np.datetime64:
    """Return one date as `parse` does."""
    found: np.datetime64 = parse(pd.Series([text], dtype=object), form)[0]
    return found


def as_seconds(values: np.ndarray) -> np.ndarray:
    """Return seconds since 1970 as float64, NaN for NaT.

    They are exact to the microsecond from 1834 to 2106.
    """
    seconds: np.ndarray = np.where(np.isnat(values), np.nan, values.astype("int64") / 1e6)
    return seconds


def as_dates(seconds: np.ndarray) -> np.ndarray:
    """Return seconds since 1970 as datetime64[us], the inverse of `as_seconds`.

    NaN is NaT. The last microseconds of the year 9999 are LAST, as near as a float64 comes to them.
    """
    known = np.isfinite(seconds)
    dates: np.ndarray = np.rint(np.where(known, seconds, 0.0) * 1e6).astype("int64").astype("datetime64[us]")
    dates[(dates > LAST) & (dates < LAST + np.timedelta64(1, "s"))] = LAST
    dates[~known] = np.datetime64("NaT", "us")
    return dates


def _as_microseconds(values: pa.Array) -> np.ndarray:
    if pa.types.is_null(values.type):
        return np.full(len(values), np.datetime64("NaT", "us"))
    # In seconds every date of every type has a place; in microseconds one far off would be another date.
    seconds = pc.cast(values, pa.timestamp("s"), safe=False).to_numpy(zero_copy_only=False).astype("datetime64[s]")
    typed = pc.cast(values, pa.timestamp("us"), safe=False).to_numpy(zero_copy_only=False).astype("datetime64[us]")
    is_date = (seconds >= FIRST.astype("datetime64[s]")) & (seconds <= LAST.astype("datetime64[s]"))
    return np.where(is_date, typed, np.datetime64("NaT", "us"))
