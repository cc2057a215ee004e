"""The look of a table's column: the type that all its values have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from recipeline.config.table import Column
from recipeline.data.checking.causes import cause_of
from recipeline.data.checking.numbers import show_field
from recipeline.data.kinds.every import KINDS

_MOST_CATEGORIES = 100

#: The types that a column is tried as, the first that fits all values first.
_TYPES = ("number", "boolean", "datetime", "category")
_ANY = Column()


@dataclass
class Look:
    """A column read in pieces: its number of values of each type, and its values.

    `values` has the number of rows of each distinct one; of many it has some.
    """

    name: str
    rows: int = 0
    missing: int = 0
    readable: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_TYPES, 0))
    example: str = ""
    type: str = ""
    values: Counter[str] = field(default_factory=Counter)

    def add(self, values: pa.Array, na: Sequence[str]) -> None:
        """Count further values."""
        self.rows += len(values)
        accepted = [name for name in _TYPES if KINDS[name].accepts(values.type)]
        if not accepted:
            self.type = str(values.type)
            return
        for name in accepted:
            read = KINDS[name].read(values, na, _ANY)
            self.readable[name] += len(values) - int(read.unreadable.sum() + read.missing.sum())
            if name == "number" and read.unreadable.any() and not self.example:
                first = values[int(np.flatnonzero(read.unreadable)[0])].as_py()
                cause = cause_of(first, ".")
                self.example = f"{show_field(first)}{f': {cause}' if cause else ''}"
            if name == "category" and len(self.values) <= _MOST_CATEGORIES:
                self.values.update(read.typed[~read.missing].tolist())
        self.missing += int(KINDS[accepted[0]].read(values, na, _ANY).missing.sum())

    @property
    def known(self) -> int:
        """The number of values that are not missing."""
        return self.rows - self.missing

    @property
    def found(self) -> str:
        """The first type that all values are of; empty where there is none."""
        if self.type or not self.known:
            return ""
        return next((name for name in _TYPES if self.readable[name] == self.known and self._is_likely(name)), "")

    def _is_likely(self, name: str) -> bool:
        """Whether words are booleans, or text is a category.

        There are two booleans; categories repeat, and most of them are not numbers.
        """
        if name == "boolean":
            return len({value.lower() for value in self.values}) <= 2  # of y, n, t and f each is a name
        few = len(self.values) <= min(_MOST_CATEGORIES, self.known / 2)
        return name != "category" or (few and self.readable["number"] < self.known / 2)

    @property
    def fault(self) -> str:
        """The reason why the column cannot be a feature; empty for a usable one."""
        if self.found:
            return ""
        if self.type:
            return f"{self.name}: type {self.type}"
        if not self.known:
            return f"{self.name}: no value in any row"
        return f"{self.name}: text in {self.known - self.readable['number']} of {self.rows} rows, for example {self.example}"

    @property
    def is_number(self) -> bool:
        """Whether most values are numbers, so that the others are faults."""
        return 2 * self.readable["number"] >= self.known > 0

    @property
    def is_of_two_numbers(self) -> bool:
        """Whether all values are one of two whole numbers."""
        if self.found != "number" or len(self.values) > _MOST_CATEGORIES:
            return False
        numbers = {float(value) for value in self.values}
        return len(numbers) == 2 and all(number.is_integer() for number in numbers)
