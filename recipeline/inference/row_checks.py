"""The rules of a model's columns, and the values that break them: many rows at once, whatever type they come in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from recipeline.data.causes import Groups
from recipeline.data.numbers import read_numbers, show_field
from recipeline.inference.model_info import Feature


def broken_rules(feature: Feature, numbers: np.ndarray, missing: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each rule of a column with the rows that break it; of a row with several, the first names the fault."""
    if not feature.nullable:
        yield "must not be missing", missing
    yield "must be a number", np.isnan(numbers) & ~missing
    yield "must be finite", np.isinf(numbers)
    if feature.is_integer:
        yield "must be a whole number", np.isfinite(numbers) & (numbers != np.round(numbers))
    if feature.min is not None:
        yield feature.at_least, numbers < feature.min
    if feature.max is not None:
        yield feature.at_most, numbers > feature.max


def is_unseen(feature: Feature, numbers: np.ndarray) -> np.ndarray:
    """Return which values lie outside of what the model was trained on; a missing one does not."""
    unseen: np.ndarray = (numbers < feature.low) | (numbers > feature.high)
    return unseen


@dataclass(frozen=True)
class Fault:
    """What is wrong with a row, and its number."""

    row: int
    text: str


@dataclass(frozen=True)
class Checked:
    """Rows as numbers, (rows, features), NaN where there is none, and which of them break no rule; `count` values do.

    `codes` has for each value the number of the first rule of its feature that it breaks, from 1 on, or 0; None: all are good.
    """

    rows: pa.RecordBatch
    features: Sequence[Feature]
    numbers: np.ndarray
    codes: np.ndarray | None

    @property
    def good(self) -> np.ndarray:
        """Which rows break no rule."""
        if self.codes is None:
            return np.ones(len(self.numbers), dtype=bool)
        good: np.ndarray = np.logical_not(self.codes.any(axis=1))
        return good

    @property
    def count(self) -> int:
        """The number of values that break a rule."""
        return 0 if self.codes is None else int(np.count_nonzero(self.codes))

    def faults(self, numbers: np.ndarray) -> Iterator[Fault]:
        """Yield the faults in row order; `numbers` are the rows'."""
        if self.codes is None:
            return
        rules = [_rules(feature) for feature in self.features]
        for row, column in np.argwhere(self.codes):
            name = self.features[column].name
            got = show_field(self.rows.column(name)[int(row)].as_py(), is_number=not np.isnan(self.numbers[row, column]))
            rule = rules[column][self.codes[row, column] - 1]
            yield Fault(int(numbers[row]), f"{name}: {rule}. Got {got} instead.")

    def count_into(self, groups: Groups, numbers: np.ndarray, where: str) -> None:
        """Count the faults by column and cause; `numbers` are the rows', `where` names their file."""
        if self.codes is None:
            return
        for place, feature in enumerate(self.features):
            for code, rule in enumerate(_rules(feature), 1):
                broken = np.flatnonzero(self.codes[:, place] == code)
                if len(broken):
                    values = self.rows.column(feature.name).take(pa.array(broken))
                    is_number = not np.isnan(self.numbers[broken[0], place])
                    more = {"where": where, "decimal": feature.decimal}
                    groups.add_values(feature.name, rule, values, numbers[broken], is_number=is_number, **more)


def _rules(feature: Feature) -> list[str]:
    """Return the rules of a column, in the order of their codes."""
    return [rule for rule, _ in broken_rules(feature, np.zeros(0), np.zeros(0, bool))]


def check_rows(rows: pa.RecordBatch, features: Sequence[Feature]) -> Checked:
    """Return the features of `rows` as numbers, with the rules that they break.

    Raises
    ------
    DataError : a column is of a type that holds no numbers.
    """
    numbers = np.empty((rows.num_rows, len(features)))
    codes = None
    for column, feature in enumerate(features):
        values, missing = read_numbers(rows.column(feature.name), feature.name, feature.na, decimal=feature.decimal)
        numbers[:, column] = values
        if _is_faultless(feature, values):
            continue
        for code, (_, broken) in enumerate(broken_rules(feature, values, missing), 1):
            if broken.any():
                codes = np.zeros(numbers.shape, dtype=np.int8) if codes is None else codes
                np.copyto(codes[:, column], code, where=broken & (codes[:, column] == 0))
    return Checked(rows, features, numbers, codes)


def _is_faultless(feature: Feature, numbers: np.ndarray) -> bool:
    """Whether no value breaks a rule, by a look at the extremes, which a NaN would be; False where that does not tell."""
    if feature.is_integer or not len(numbers):
        return False
    low, high = numbers.min(), numbers.max()
    return bool(feature.is_possible(low) and feature.is_possible(high) and np.isfinite(low) and np.isfinite(high))
