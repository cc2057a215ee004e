"""Numbers, as float64."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from recipeline.data.checking.numbers import FINITE, holds_numbers, read_numbers
from recipeline.data.kinds.base import Kind, Rules, Values, Whole
from recipeline.data.kinds.described import Described, DescribedValues, Histogram

#: Bins of a histogram.
BINS = 30

QUANTILES = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)


class Number(Kind):
    """A number with a unit and limits."""

    noun = "numbers"
    rule = "must be a number"
    is_numeric = is_float_text = True

    def holds(self, kind: pa.DataType) -> bool:
        """Whether a column of this Arrow type can be read."""
        return holds_numbers(kind)

    def read(self, values: pa.Array, na: Sequence[str], rules: Rules) -> Values:
        """Return float64 values; see `recipeline.data.checking.numbers.read_numbers`."""
        numbers, missing = read_numbers(values, "", na, decimal=rules.decimal)
        return Values(numbers, missing, np.isnan(numbers) & ~missing)

    def series(self, typed: np.ndarray) -> pd.Series:
        """Return float64 values."""
        return pd.Series(typed)

    def constant(self, value: str | float | bool) -> float:
        """Return the number."""
        return float(value)

    def keys(self, column: pd.Series) -> pd.Series:
        """Return numbers such that one and its float32 are the same; -0.0 is 0.0."""
        return pd.Series(as_written(column.to_numpy(dtype="float64")) + 0.0)

    def as_numbers(self, column: pd.Series) -> np.ndarray:
        """Return the numbers."""
        return column.to_numpy(dtype="float64")

    def broken(self, values: Values, rules: Rules) -> Iterator[tuple[str, np.ndarray]]:
        """Yield each rule of a column with the rows that break it."""
        yield from super().broken(values, rules)
        numbers = values.typed
        yield FINITE, np.isinf(numbers)
        if self.is_whole:
            yield "must be a whole number", np.isfinite(numbers) & (numbers != np.round(numbers))
        unit = f" {rules.unit}" if rules.unit else ""
        if rules.min is not None:
            yield f"must be at least {rules.min:g}{unit}", numbers < rules.min
        if rules.max is not None:
            yield f"must be at most {rules.max:g}{unit}", numbers > rules.max

    def is_faultless(self, values: Values, rules: Rules) -> bool:
        """Whether no value breaks a rule, decided by the extremes.

        A NaN would be an extreme; False where the extremes do not decide.
        """
        if self.is_whole or not len(values.typed):
            return False
        low, high = values.typed.min(), values.typed.max()
        above = rules.min is None or low >= rules.min
        below = rules.max is None or high <= rules.max
        return bool(above and below and np.isfinite(low) and np.isfinite(high))

    def draw(self, rules: Rules, generator: np.random.Generator, rows: int) -> pd.Series:
        """Return numbers between the limits."""
        low = 0.0 if rules.min is None else rules.min
        high = low + 10 if rules.max is None else rules.max
        drawn = generator.uniform(low, max(low, high), rows)
        return pd.Series(np.round(drawn) if self.is_whole else drawn)

    def describe(self, column: pd.Series) -> DescribedValues:
        """Return `distinct`, mean, std, quantiles and a histogram of BINS bins or one.

        None where there is no value.
        """
        return DescribedValues(
            distinct=int(column.nunique()),
            mean=known(column.mean()),
            std=known(column.std()),
            quantiles={f"{q:g}": known(value) for q, value in zip(QUANTILES, column.quantile(QUANTILES), strict=True)},
            histogram=histogram(column.dropna().to_numpy(dtype=float)),
        )

    def exactly(self, described: Described, whole: Whole) -> Described:
        """Return the profile of a sample with what is known of the whole column."""
        ends = {"0": whole.least, "1": whole.greatest}
        quantiles = {q: value if ends.get(q) is None else float(ends[q]) for q, value in described.quantiles.items()}
        return replace(described, distinct=whole.distinct, mean=whole.mean, std=whole.std, quantiles=quantiles)


def known(value: float) -> float | None:
    """Return a number as JSON takes it: None for NaN."""
    return None if np.isnan(value) else float(value)


def histogram(values: np.ndarray) -> Histogram:
    """Return `edges` and `counts` of BINS equal bins of finite values."""
    try:
        counts, edges = np.histogram(values, bins=BINS)
    except ValueError:  # the values are so close together that there is no number between them
        counts, edges = np.array([len(values)]), np.array([values.min(), values.max()])
    return Histogram(tuple(edges.tolist()), tuple(counts.tolist()))


def as_written(values: np.ndarray) -> np.ndarray:
    """Return numbers in a form that is equal for a number and its float32.

    Neighbours stay different. Whole numbers are unchanged. A fraction below 1024 is its float32, which drops further digits.
    Above, where float32 would merge times a minute apart, a float32 is the decimal that it is printed as, and any other number
    itself.
    """
    size = np.abs(values)
    with np.errstate(over="ignore", invalid="ignore"):
        single = values.astype(np.float32)
    fraction = np.isfinite(values) & (values != np.rint(values))
    small = fraction & (size < 2.0**10) & (size > 2.0**-100)  # float32 has no digits left further down
    written = np.where(small, single.astype(float), values)
    printed = fraction & ~small & (single == values)
    written[printed] = single[printed].astype(str).astype(float)
    return written
