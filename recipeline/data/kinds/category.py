"""Categories: text of which each value is a name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from recipeline.data.checking.numbers import read_words, without_dictionary
from recipeline.data.kinds.base import Kind, Rules, Values
from recipeline.data.kinds.described import DescribedValues

#: So many values of a category are counted one by one in a profile.
MOST_COUNTED = 20


class Category(Kind):
    """A category, such as a port, a species or a postcode; "007" is not "7"."""

    noun = "text"
    rule = "must be text"
    is_ordered = False

    def holds(self, kind: pa.DataType) -> bool:
        """Whether a column of this Arrow type can be read; numbers are their text."""
        return any(is_one(kind) for is_one in (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean))

    def read(self, values: pa.Array, na: Sequence[str], rules: Rules) -> Values:
        """Return stripped text; whole numbers are written without decimals.

        7.0 of a Parquet file is "7", 0.1 of a float32 is "0.1".
        """
        text, missing = read_words(_as_text(without_dictionary(values)), na)
        typed = pc.if_else(missing, pa.scalar(None, text.type), text).to_numpy(zero_copy_only=False)
        absent = missing.to_numpy(zero_copy_only=False)
        return Values(typed, absent, np.zeros(len(typed), dtype=bool))

    def labels(self, column: pd.Series) -> np.ndarray:
        """Return text of a fixed width, as a model can be saved with it."""
        return column.to_numpy(dtype=object).astype(str)

    def series(self, typed: np.ndarray) -> pd.Series:
        """Return values of pandas' type str, NaN where there is none."""
        return pd.Series(typed, dtype="str")

    def constant(self, value: str | float | bool) -> str:
        """Return the text; whole numbers without decimals, as in a table."""
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

    def keys(self, column: pd.Series) -> pd.Series:
        """Return the text; "" where there is none, which no value is."""
        return column.astype(object).where(column.notna(), "")

    def as_numbers(self, column: pd.Series) -> np.ndarray:
        """Return the places of the values in alphabetical order."""
        codes, _ = pd.factorize(column, sort=True)
        return np.where(codes < 0, np.nan, codes)

    def broken(self, values: Values, rules: Rules) -> Iterator[tuple[str, np.ndarray]]:
        """Yield each rule of a column with the rows that break it."""
        yield from super().broken(values, rules)
        if rules.values:
            unknown = ~values.missing & ~np.isin(values.typed.astype(object), list(rules.values))
            yield f"must be one of {', '.join(rules.values)}", unknown

    def draw(self, rules: Rules, generator: np.random.Generator, rows: int) -> pd.Series:
        """Return values that may be there, a and b where any may."""
        return pd.Series(generator.choice(list(rules.values) or ["a", "b"], rows), dtype="str")

    def describe(self, column: pd.Series) -> DescribedValues:
        """Return `distinct` and the `counts` of the most frequent values, in order."""
        counts = column.value_counts()
        order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_COUNTED]
        return DescribedValues(len(counts), counts={str(name): int(count) for name, count in order})


def _as_text(values: pa.Array) -> pa.Array:
    if pa.types.is_floating(values.type):
        numbers = values.to_numpy(zero_copy_only=False)
        texts = [
            None if np.isnan(it) else str(int(it)) if it == np.rint(it) and abs(float(it)) < 2**53 else str(it)
            for it in numbers
        ]
        return pa.array(texts, pa.large_string())
    return pc.cast(values, pa.large_string())
