"""True and false, as 1.0 and 0.0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from recipeline.data.checking.numbers import holds_numbers, is_text, missing_codes, read_words, without_dictionary
from recipeline.data.kinds.base import Rules, Values, Whole
from recipeline.data.kinds.described import Described, DescribedValues
from recipeline.data.kinds.number import Number

#: The words for true and false, in lower case.
TRUE, FALSE = ("true", "yes", "t", "y", "1", "1.0"), ("false", "no", "f", "n", "0", "0.0")


class Boolean(Number):
    """True or false.

    A number and not a bool, because MLflow reads a missing boolean as False.
    """

    noun = "booleans"
    rule = "must be true or false"
    is_float_text = False

    def holds(self, kind: pa.DataType) -> bool:
        """Whether a column of this Arrow type can be read."""
        return pa.types.is_boolean(kind) or holds_numbers(kind)

    def read(self, values: pa.Array, na: Sequence[str], rules: Rules) -> Values:
        """Return 1.0 and 0.0. Words for true and false are TRUE and FALSE, in any case."""
        values = without_dictionary(values)
        if not is_text(values.type):
            numbers = pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            missing = np.isnan(numbers) | np.isin(numbers, missing_codes(na))
            unreadable = ~missing & ~np.isin(numbers, (0.0, 1.0))
            return Values(np.where(missing | unreadable, np.nan, numbers), missing, unreadable)
        text, is_missing = read_words(values, na)
        missing = is_missing.to_numpy(zero_copy_only=False)
        lower = pc.utf8_lower(text)
        is_true, is_false = (
            pc.is_in(lower, pa.array(words, lower.type)).to_numpy(zero_copy_only=False) & ~missing for words in (TRUE, FALSE)
        )
        return Values(np.select([is_true, is_false], [1.0, 0.0], np.nan), missing, ~(is_true | is_false | missing))

    def labels(self, column: pd.Series) -> np.ndarray:
        """Return booleans."""
        are_true: np.ndarray = column.to_numpy(dtype=float) == 1.0
        return are_true

    def draw(self, rules: Rules, generator: np.random.Generator, rows: int) -> pd.Series:
        """Return 0.0 and 1.0."""
        return pd.Series(generator.integers(2, size=rows).astype(float))

    def describe(self, column: pd.Series) -> DescribedValues:
        """Return `distinct`, the mean (share of true), and `counts` of both values."""
        counts = column.value_counts()
        return DescribedValues(
            distinct=int(column.nunique()),
            mean=None if column.isna().all() else float(column.mean()),
            counts={"false": int(counts.get(0.0, 0)), "true": int(counts.get(1.0, 0))},
        )

    def exactly(self, described: Described, whole: Whole) -> Described:
        """Return the profile of a sample with what is known of the whole column."""
        return replace(described, distinct=whole.distinct, mean=whole.mean)
