"""The rules of a model's columns, and the values that break them: many rows at once, whatever type they come in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recipeline.errors import DataError
from recipeline.inference.model_info import Feature

_NUMBER = r"^[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|(?i:nan|inf|infinity))$"

_LONGEST_TEXT = 40


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
        rules = [[rule for rule, _ in broken_rules(feature, np.zeros(0), np.zeros(0, bool))] for feature in self.features]
        for row, column in np.argwhere(self.codes):
            name = self.features[column].name
            got = _show(self.rows.column(name)[int(row)].as_py(), is_number=not np.isnan(self.numbers[row, column]))
            rule = rules[column][self.codes[row, column] - 1]
            yield Fault(int(numbers[row]), f"{name}: {rule}. Got {got} instead.")


def _show(value: object, *, is_number: bool) -> str:
    if value is None or value != value or (isinstance(value, str) and not value.strip()):  # noqa: PLR0124 - NaN
        return "nothing"
    text = str(value) if len(str(value)) <= _LONGEST_TEXT else f"{str(value)[:_LONGEST_TEXT]}…"
    return text if is_number or not isinstance(value, str) else f"'{text}'"


def check_rows(rows: pa.RecordBatch, features: Sequence[Feature]) -> Checked:
    """Return the features of `rows` as numbers, with the rules that they break.

    Raises
    ------
    DataError : a column is of a type that holds no numbers.
    """
    numbers = np.empty((rows.num_rows, len(features)))
    codes = None
    for column, feature in enumerate(features):
        values, missing = read_numbers(rows.column(feature.name), feature.name)
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


def read_numbers(values: pa.Array, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return `values` of the column `name` as float64, NaN where they are no numbers, and which of them are missing.

    Text is a number where it reads as one, spaces around it aside; empty text is missing. Booleans are no numbers.
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        return read_numbers(values.cast(kind.value_type), name)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _read_text(values)
    if pa.types.is_boolean(kind) or pa.types.is_null(kind):
        return np.full(len(values), np.nan), values.is_null().to_numpy(zero_copy_only=False)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise DataError(f"The column '{name}' must hold numbers.", got=f"the type {kind}", fix="Convert it.")
    numbers = _as_floats(values)
    return numbers, np.isnan(numbers)


def _read_text(values: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    try:
        numbers = _as_floats(values)
        return numbers, values.is_null().to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:  # one of them is no number, or has spaces around it
        text = pc.fill_null(pc.utf8_trim_whitespace(values), "")
        is_number = pc.match_substring_regex(text, _NUMBER)
        numbers = _as_floats(pc.if_else(is_number, text, pa.scalar(None, text.type)))
        return numbers, pc.equal(text, "").to_numpy(zero_copy_only=False)


def _as_floats(values: pa.Array) -> np.ndarray:
    numbers: np.ndarray = pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers
