"""The interface of a column kind: types of a table, and fields as typed values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa

from recipeline.data.checking.numbers import is_text
from recipeline.data.kinds.described import Described, DescribedValues


class Rules(Protocol):
    """The rules of a column's values, from a recipe's column or a model's feature."""

    @property
    def unit(self) -> str:
        """The unit of measurement, empty where there is none."""

    @property
    def min(self) -> float | None:
        """The least possible value, None where there is no limit."""

    @property
    def max(self) -> float | None:
        """The greatest possible value, None where there is no limit."""

    @property
    def nullable(self) -> bool:
        """Whether a value may be missing."""

    @property
    def values(self) -> Sequence[str]:
        """The values that a category may have; empty where any is possible."""

    @property
    def decimal(self) -> str:
        """The mark before the fraction of a number that is text."""

    @property
    def format(self) -> str:
        """The format of dates as text, in the codes of `strptime`; empty for ISO 8601."""


@dataclass(frozen=True)
class Values:
    """A column as typed values of shape (rows,), with missing and unreadable masks.

    `typed` is float64 (NaN), str (object array, None) or datetime64[us] (NaT); a value that is missing or unreadable is the
    one in brackets.
    """

    typed: np.ndarray
    missing: np.ndarray
    unreadable: np.ndarray


@dataclass(frozen=True)
class Whole:
    """The exact figures of a column that is too long to be held.

    None: no such value. `least` and `greatest` are those of an ordered kind, `mean` and `std` those of numbers.
    """

    distinct: int
    mean: float | None
    std: float | None
    least: Any
    greatest: Any


class Kind(ABC):
    """A column kind."""

    #: The name of a column's values in sentences.
    noun: str
    #: The rule that a field of another kind breaks.
    rule: str
    #: Whether a model takes the values as they are, as numbers.
    is_numeric = False
    #: Whether values have an order, so that one is the least.
    is_ordered = True
    #: Whether a text that reads as a float64 means that number, and no other text that is not missing means anything.
    is_float_text = False
    #: Whether fractions break a rule.
    is_whole = False

    @abstractmethod
    def holds(self, kind: pa.DataType) -> bool:
        """Whether a column of this Arrow type can be read; text always can.

        Dictionaries are decoded before.
        """

    @abstractmethod
    def read(self, values: pa.Array, na: Sequence[str], rules: Rules) -> Values:
        """Return the typed values of a column whose type `accepts`.

        `na` are words for a missing value.
        """

    @abstractmethod
    def series(self, typed: np.ndarray) -> pd.Series:
        """Return typed values as a pandas Series: float64, str or datetime64[us].

        Missing ones are NaN or NaT.
        """

    @abstractmethod
    def constant(self, value: str | float | bool) -> Any:
        """Return a value that the recipe states as one of `series`."""

    @abstractmethod
    def keys(self, column: pd.Series) -> pd.Series:
        """Return a column for hashing: equal values are equal for every file format."""

    @abstractmethod
    def as_numbers(self, column: pd.Series) -> np.ndarray:
        """Return a column as float64 in the order of its values, NaN where missing."""

    @abstractmethod
    def describe(self, column: pd.Series) -> DescribedValues:
        """Return the column profile: `distinct` values, `histogram` or `counts`."""

    @abstractmethod
    def draw(self, rules: Rules, generator: np.random.Generator, rows: int) -> pd.Series:
        """Return made-up values that break no rule."""

    def exactly(self, described: Described, whole: Whole) -> Described:
        """Return the profile of a sample with what is known of the whole column."""
        return replace(described, distinct=whole.distinct)

    def labels(self, column: pd.Series) -> np.ndarray:
        """Return a column without missing values as the labels of classes, (rows,)."""
        return column.to_numpy()

    def accepts(self, kind: pa.DataType) -> bool:
        """Whether a column of this Arrow type can be read."""
        if pa.types.is_dictionary(kind):
            return self.accepts(kind.value_type)
        return is_text(kind) or pa.types.is_null(kind) or self.holds(kind)

    def broken(self, values: Values, rules: Rules) -> Iterator[tuple[str, np.ndarray]]:
        """Yield each rule of a column with a mask of the rows that break it.

        The first of several broken rules of a row names the fault.
        """
        if not rules.nullable:
            yield "must not be missing", values.missing
        yield self.rule, values.unreadable

    def is_faultless(self, values: Values, rules: Rules) -> bool:
        """Whether no value breaks a rule, by a faster check than `broken`.

        False where the check does not decide.
        """
        return False
