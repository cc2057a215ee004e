"""The rules of a model's columns, checked on many rows of any type at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from recipeline.data.checking.causes import Groups
from recipeline.data.checking.numbers import list_fields, show_field
from recipeline.data.kinds.every import KINDS
from recipeline.errors import DataError
from recipeline.inference.model_info import Feature


def is_unseen(feature: Feature, numbers: np.ndarray) -> np.ndarray:
    """Return a mask of the values outside of the training range.

    A missing value is not outside.
    """
    low, high = feature.limits
    unseen: np.ndarray = (numbers < low) | (numbers > high)
    return unseen


@dataclass(frozen=True)
class Fault:
    """A fault of a row, with the row's number."""

    row: int
    text: str


@dataclass(frozen=True)
class Checked:
    """Rows as numbers, (rows, features), NaN if missing, with broken rules.

    `codes` has for each value the number of the first rule of its feature that it breaks, from 1 on, or 0; None: all are valid.
    """

    rows: pa.RecordBatch
    features: Sequence[Feature]
    codes: np.ndarray
    broken: np.ndarray | None
    rules: Mapping[int, Sequence[str]]

    @property
    def good(self) -> np.ndarray:
        """The mask of rows that break no rule."""
        if self.broken is None:
            return np.ones(len(self.codes), dtype=bool)
        good: np.ndarray = np.logical_not(self.broken.any(axis=1))
        return good

    @property
    def count(self) -> int:
        """The number of values that break a rule."""
        return 0 if self.broken is None else int(np.count_nonzero(self.broken))

    def faults(self, numbers: np.ndarray) -> Iterator[Fault]:
        """Yield the faults in row order; `numbers` are the rows'."""
        if self.broken is None:
            return
        for row, column in np.argwhere(self.broken):
            feature = self.features[column]
            is_number = feature.is_numeric and not np.isnan(self.codes[row, column])
            got = show_field(list_fields(self.rows.column(feature.name).slice(int(row), 1))[0], is_number=is_number)
            rule = self.rules[int(column)][self.broken[row, column] - 1]
            yield Fault(int(numbers[row]), f"{feature.name}: {rule}. Got {got} instead.")

    def count_into(self, groups: Groups, numbers: np.ndarray, where: str) -> None:
        """Count the faults by column and cause.

        `numbers` are the rows', `where` names their file.
        """
        if self.broken is None:
            return
        for place, rules in self.rules.items():
            feature = self.features[place]
            for number, rule in enumerate(rules, 1):
                rows = np.flatnonzero(self.broken[:, place] == number)
                if len(rows):
                    fields = self.rows.column(feature.name).take(pa.array(rows))
                    is_number = feature.is_numeric and not np.isnan(self.codes[rows[0], place])
                    more = {"where": where, "decimal": feature.decimal}
                    groups.add_values(feature.name, rule, fields, numbers[rows], is_number=is_number, **more)


def check_rows(rows: pa.RecordBatch, features: Sequence[Feature]) -> Checked:
    """Return the features of `rows` as codes, with the rules that they break.

    Raises
    ------
    DataError : a column is of a type that its kind is not read from.
    """
    codes = np.empty((len(features), rows.num_rows)).T  # column by column, as they are read
    broken, rules = None, dict[int, Sequence[str]]()
    for place, feature in enumerate(features):
        kind, column = KINDS[feature.type], rows.column(feature.name)
        if not kind.accepts(column.type):
            raise DataError(
                f"The column '{feature.name}' must hold {kind.noun}.", got=f"the type {column.type}", fix="Convert it."
            )
        values = kind.read(column, feature.na, feature)
        codes[:, place] = feature.kind.encode(values.typed, feature)
        if kind.is_faultless(values, feature):
            continue
        found = list(kind.broken(values, feature))
        rules[place] = [rule for rule, _ in found]
        for number, (_, marked) in enumerate(found, 1):
            if marked.any():
                broken = np.zeros(codes.shape, dtype=np.int8) if broken is None else broken
                np.copyto(broken[:, place], number, where=marked & (broken[:, place] == 0))
    return Checked(rows, features, codes, broken, rules)
