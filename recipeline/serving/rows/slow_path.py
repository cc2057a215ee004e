"""Rows of a request that break a rule, read value by value to report every fault."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from recipeline.errors import guess
from recipeline.inference.model_info import Feature
from recipeline.serving.rows.faults import (
    LISTED_FAULTS,
    BadRows,
    Fault,
    Faults,
    TooManyRows,
    describe,
    kind_of,
    no_rows,
    shorten,
)
from recipeline.serving.rows.json_rows import read_json

#: A row as it is sent.
Row = dict[str, Any]

#: Stands for a column that is not there, which is a fault of its own.
_MISSING = object()


class SlowPath:
    """Checks of rows for the columns of a model; `others` are ignored.

    `rename` has the names of columns that tables have instead.
    """

    def __init__(self, features: Sequence[Feature], others: frozenset[str], rename: Mapping[str, str]) -> None:
        self._features, self._others, self._rename = features, others, rename
        self._names = tuple(feature.name for feature in features)

    def read(self, body: bytes, max_rows: int) -> tuple[np.ndarray, Sequence[Row]]:
        """Return the rows of a JSON body, of shape (rows, features), and as they are sent.

        NaN where a nullable column has null.

        Raises
        ------
        UnreadableBody : it is not JSON.
        TooManyRows : there are more than `max_rows`.
        BadRows : all faults of its rows, or there is no row.
        """
        value = read_json(body)
        rows = [value] if isinstance(value, dict) else value
        if not isinstance(rows, list):
            raise BadRows(Fault(None, None, "must be an object of columns, or a list of such objects", kind_of(value)))
        if not rows:
            raise BadRows(no_rows())
        if len(rows) > max_rows:
            raise TooManyRows
        faults, numbers = Faults(), list[float]()
        for number, row in enumerate(rows):
            if isinstance(row, dict):
                self._check_columns(number, row, faults)
                self._check_values(number, [row.get(name, _MISSING) for name in self._names], faults, numbers)
            else:
                faults.add(number, None, "must be an object of columns", kind_of(row))
            if faults.is_over:
                break
        return self._checked(numbers, faults), rows

    def check(self, rows: Sequence[Sequence[Any]]) -> np.ndarray:
        """Return rows of values in the model's order as an array (rows, features).

        Raises
        ------
        BadRows : all values that are not finite numbers.
        """
        faults, numbers = Faults(), list[float]()
        for number, row in enumerate(rows):
            self._check_values(number, row, faults, numbers)
            if faults.is_over:
                break
        return self._checked(numbers, faults)

    def _check_columns(self, number: int, row: Mapping[str, Any], faults: Faults) -> None:
        missing = [name for name in self._names if name not in row]
        for name in missing:
            faults.add(number, name, "is required", "nothing")
        unknown = row.keys() - set(self._names) - self._others if len(row) + len(missing) > len(self._names) else set[str]()
        faults.count += max(len(unknown) - LISTED_FAULTS, 0)  # a body may have a million, of which few are listed
        for name in islice(unknown, LISTED_FAULTS):
            shown = shorten(name)
            close = "" if faults.full else self._guess(name, shown, missing)
            faults.add(number, shown, "must be one of the model's columns", f"'{shown}'{f'. {close}' if close else ''}")
        for name in getattr(row, "repeated", ()):
            faults.add(number, shorten(name), "must be unique", "a repeated key")

    def _guess(self, name: str, shown: str, missing: Sequence[str]) -> str:
        """Return the name that is meant by an unknown one, as a sentence."""
        meant = self._rename.get(name)
        return f"Send it as '{meant}'." if meant else guess(shown, missing).strip()

    def _check_values(self, number: int, row: Iterable[Any], faults: Faults, numbers: list[float]) -> None:
        for feature, value in zip(self._features, row, strict=True):
            converted, rule = _to_code(value, feature)
            numbers.append(converted)
            if rule:
                faults.add(number, feature.name, rule, "" if faults.full else describe(value))

    def _checked(self, numbers: list[float], faults: Faults) -> np.ndarray:
        if faults.count:
            raise BadRows(faults)
        return np.array(numbers, dtype=np.float64).reshape(-1, len(self._names))


def _to_code(value: Any, feature: Feature) -> tuple[float, str]:
    """Return the value as a code, and the rule that it breaks, if any."""
    if value is _MISSING:
        return math.nan, ""
    if value is None or feature.is_missing_word(value):
        return math.nan, "" if feature.nullable else "must not be null"
    return feature.kind.read(value, feature)
