"""Fields as numbers: which text is a number, which is missing, which types.

It is used for every format of rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recipeline.errors import DataError

#: Besides text, the types of columns that are taken; a dictionary counts as the type of its values.
NUMERIC_TYPES = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)

TEXT_TYPES = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)

#: A text is a number. Digits can be matched in one way only, so that a text that is not a number takes no more time.
NUMBER = r"^[+-]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|(?i:inf|infinity))$"

_QUOTED_BEHIND_SPACES = r'^\s+"([^"]*)"\s*$'

#: Trees compare in single precision: what is larger is infinite there, and scikit-learn refuses it.
LARGEST = float(np.finfo(np.float32).max)

#: The rule that an infinite or larger number breaks.
FINITE = f"must be finite, and at most {LARGEST:.2g} in size"

_LONGEST_TEXT = 40


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds text."""
    return any(is_one(kind) for is_one in TEXT_TYPES)


def holds_numbers(kind: pa.DataType) -> bool:
    """Whether a column of this type can be read as numbers.

    Times could be converted and are refused.
    """
    if pa.types.is_dictionary(kind):
        return holds_numbers(kind.value_type)
    return is_text(kind) or any(is_one(kind) for is_one in NUMERIC_TYPES)


def read_numbers(values: pa.Array, name: str, na: Sequence[str] = (), *, decimal: str = ".") -> tuple[np.ndarray, np.ndarray]:
    """Return `values` of the column `name` as float64, and a mask of missing ones.

    Other values that are not numbers are NaN. Text is a number if it reads as one, spaces around it aside. Missing are:
    null, NaN in a column of floats, empty text, and the words `na`; one that reads as a number means that number in columns
    of any type. A number beyond LARGEST in size is infinite.

    Raises
    ------
    DataError : the column is of a type without numbers.
    """
    if not holds_numbers(values.type):
        raise DataError(f"The column '{name}' must hold numbers.", got=f"the type {values.type}", fix="Convert it.")
    values = without_dictionary(values)
    if is_text(values.type):
        numbers, missing = _read_text(values, na, decimal)
    else:
        numbers = _as_floats(values)
        missing = np.isnan(numbers)
    if codes := missing_codes(na):
        missing = missing | np.isin(numbers, codes)
        numbers = np.where(missing, np.nan, numbers)
    if not numbers.size or (numbers.min() >= -LARGEST and numbers.max() <= LARGEST):  # not with NaN, which may be beside others
        return numbers, missing
    too_large = np.abs(numbers) > LARGEST
    return np.where(too_large, np.copysign(np.inf, numbers), numbers), missing


def without_dictionary(values: pa.Array) -> pa.Array:
    """Return the values themselves of a column that is coded by a dictionary."""
    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values


def read_words(values: pa.Array, na: Sequence[str]) -> tuple[pa.Array, pa.Array]:
    """Return stripped text, "" where it is null, and a mask of missing ones.

    Missing are empty texts and the words `na`.
    """
    text = values.cast(pa.large_string())
    # In a CSV with spaces behind its separators, quotes do not begin the field.
    text = pc.replace_substring_regex(text, _QUOTED_BEHIND_SPACES, r"\1")
    text = pc.fill_null(pc.utf8_trim_whitespace(text), "")
    return text, pc.is_in(text, pa.array(["", *na], text.type))


def missing_codes(na: Sequence[str]) -> list[float]:
    """Return the numbers among the words for a missing value, as -999 is."""
    numbers = _read_text(pa.array(na, pa.string()), ())[0]
    codes: list[float] = numbers[~np.isnan(numbers)].tolist()
    return codes


def list_fields(values: pa.Array) -> list[object]:
    """Return fields as Python objects; dates that Python has none for as text."""
    try:
        fields: list[object] = values.to_pylist()
    except (OverflowError, ValueError):
        fields = pc.cast(values, pa.string()).to_pylist()
    return fields


def show_field(value: object, *, is_number: bool = False) -> str:
    """Return a field for an error message: a number plain, text in quotes.

    An empty field is "nothing"; long text is truncated.
    """
    if value is None or value != value or (isinstance(value, str) and not value.strip()):  # noqa: PLR0124 - NaN
        return "nothing"
    text = str(value) if len(str(value)) <= _LONGEST_TEXT else f"{str(value)[:_LONGEST_TEXT]}…"
    return text if is_number or not isinstance(value, str) else f"'{text}'"


def _read_text(values: pa.Array, na: Sequence[str], decimal: str = ".") -> tuple[np.ndarray, np.ndarray]:
    if not na and decimal == ".":
        try:
            return _as_floats(values), values.is_null().to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid:  # one of them is no number, or has spaces around it
            pass
    text, missing = read_words(values, na)
    if decimal != ".":
        has_point = pc.match_substring(text, ".")
        text = pc.if_else(has_point, "", pc.replace_substring(text, decimal, ".", max_replacements=1))
    is_number = pc.and_not(pc.match_substring_regex(text, NUMBER), missing)
    numbers = _as_floats(pc.if_else(is_number, text, pa.scalar(None, text.type)))
    return numbers, missing.to_numpy(zero_copy_only=False)


def _as_floats(values: pa.Array) -> np.ndarray:
    numbers: np.ndarray = pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers
