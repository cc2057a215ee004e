"""Rows out of a request's body: parsed, checked against the model's columns, given back as one float array. No pandas.

Bodies that are as they should be take a short way: orjson, one type check, one array. All others are read again, slowly, by
code whose only aim is to tell every fault.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from operator import itemgetter, le
from typing import Any

import numpy as np
import orjson

from recipeline.data.numbers import LARGEST
from recipeline.errors import guess
from recipeline.inference.model_info import Feature
from recipeline.serving.rows.faults import (
    LISTED_FAULTS,
    BadRows,
    Fault,
    Faults,
    Outside,
    TooManyRows,
    describe,
    kind_of,
    no_rows,
    shorten,
)
from recipeline.serving.rows.json_rows import read_json, refuse_many_rows

_NUMBERS = frozenset({int, float})

#: Up to so many values Python is faster than numpy.
_FEW = 100


@dataclass(frozen=True)
class Schema:
    """The columns that a model takes, in its order, and other names that a row may have: whatever is in them is left alone."""

    features: tuple[Feature, ...]
    others: frozenset[str] = frozenset()

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> Schema:
        """Return the schema that a model's description (`model_info.json`) gives."""
        return cls(tuple(Feature.from_info(column) for column in info["features"]), frozenset(info.get("other_columns", ())))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def _pick(self) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
        if len(self.names) == 1:
            name = self.names[0]
            return lambda row: (row[name],)
        return itemgetter(*self.names)

    @cached_property
    def _integers(self) -> list[int]:
        return [place for place, feature in enumerate(self.features) if feature.is_integer]

    @cached_property
    def _missing_codes(self) -> list[float]:
        return [code for feature in self.features for code in feature.missing_codes]

    @cached_property
    def _low(self) -> np.ndarray:
        return np.array(self._lowest)

    @cached_property
    def _high(self) -> np.ndarray:
        return np.array(self._highest)

    @cached_property
    def _lowest(self) -> list[float]:
        return [max(feature.low, _or(feature.min, -math.inf)) for feature in self.features]

    @cached_property
    def _highest(self) -> list[float]:
        return [min(feature.high, _or(feature.max, math.inf)) for feature in self.features]

    @cached_property
    def _possible(self) -> tuple[np.ndarray, np.ndarray]:
        least = [_or(feature.min, -math.inf) for feature in self.features]
        return np.array(least), np.array([_or(feature.max, math.inf) for feature in self.features])

    @cached_property
    def _quotes(self) -> int | None:
        """How many quotation marks the keys of one row hold; None where names hold some themselves."""
        plain = all('"' not in name and "\\" not in name for name in self.names)
        return 2 * len(self.names) if plain else None

    def parse(self, body: bytes, *, max_rows: int) -> np.ndarray:
        """Return the rows of a JSON body, an object or a list of objects by column name, of shape (rows, features).

        A nullable column's null is NaN; there are no others.

        Raises
        ------
        UnreadableBody : it is no JSON.
        TooManyRows : there are more than `max_rows`.
        BadRows : a row is no object, has unknown columns (neither the model's nor `others`), missing or repeated ones, or
            values that are no finite numbers; or there is none.
        """
        refuse_many_rows(body, self.names, max_rows)
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            value = None
        rows = [value] if type(value) is dict else value
        if type(rows) is list and rows:
            if len(rows) > max_rows:
                raise TooManyRows
            values = self._quickly(rows)
            # A column that is there twice in a row is there once in its dict, but leaves its quotation marks in the body.
            if values is not None and self._quotes is not None and body.count(b'"') == self._quotes * len(rows):
                return values
        return self._carefully(body, max_rows)

    def _quickly(self, rows: list[Any]) -> np.ndarray | None:
        """Return the rows as an array where each is an object of just the columns, with numbers; None where one is not."""
        width, pick, flat = len(self.names), self._pick, list[Any]()
        try:
            for row in rows:
                if len(row) != width:
                    return None
                flat.extend(pick(row))
        except (KeyError, TypeError, IndexError):
            return None
        return self._as_array(flat)

    def _as_array(self, flat: list[Any]) -> np.ndarray | None:
        if not _NUMBERS.issuperset(map(type, flat)):
            return None
        try:
            values = np.array(flat, dtype=np.float64).reshape(-1, len(self.names))
        except OverflowError:
            return None
        if not self._all_small(flat, values):
            return None
        if self._missing_codes and np.isin(values, self._missing_codes).any():
            return None
        if self._integers and (values[:, self._integers] % 1).any():
            return None
        return values

    @staticmethod
    def _all_small(flat: list[Any], values: np.ndarray) -> bool:
        """Whether all are finite, also in single precision; of few values the sum tells as much, in less time."""
        if len(flat) <= _FEW:
            return bool(sum(map(abs, flat)) <= LARGEST)  # neither NaN nor infinity gets lost in it
        return bool((np.abs(values) <= LARGEST).all())

    def _carefully(self, body: bytes, max_rows: int) -> np.ndarray:
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
                self._check_values(number, [row.get(name, _MISSING) for name in self.names], faults, numbers)
            else:
                faults.add(number, None, "must be an object of columns", kind_of(row))
        return self._checked(numbers, faults)

    def _check_columns(self, number: int, row: Mapping[str, Any], faults: Faults) -> None:
        missing = [name for name in self.names if name not in row]
        for name in missing:
            faults.add(number, name, "must be there", "nothing")
        unknown = row.keys() - set(self.names) - self.others if len(row) + len(missing) > len(self.names) else set[str]()
        faults.count += max(len(unknown) - LISTED_FAULTS, 0)  # a body may have a million, of which none is listed
        for name in islice(unknown, LISTED_FAULTS):
            shown = shorten(name)
            close = "" if faults.full else guess(shown, missing).strip()
            faults.add(number, shown, "must be one of the model's columns", f"'{shown}'{f'. {close}' if close else ''}")
        for name in getattr(row, "repeated", ()):
            faults.add(number, shorten(name), "must be there once", "it more than once")

    def _check_values(self, number: int, row: Iterable[Any], faults: Faults, numbers: list[float]) -> None:
        for feature, value in zip(self.features, row, strict=True):
            converted, rule = _to_number(value, feature)
            numbers.append(converted)
            if rule:
                faults.add(number, feature.name, rule, describe(value))

    def _checked(self, numbers: list[float], faults: Faults) -> np.ndarray:
        if faults.count:
            raise BadRows(faults)
        return np.array(numbers, dtype=np.float64).reshape(-1, len(self.names))

    def check(self, rows: Sequence[Sequence[Any]]) -> np.ndarray:
        """Return rows of values, each with as many as the model has columns and in its order, of shape (rows, features).

        Raises
        ------
        BadRows : a value is not a finite number, or there is no row.
        """
        if not rows:
            raise BadRows(no_rows())
        quick = self._as_array([value for row in rows for value in row])
        if quick is not None:
            return quick
        faults, numbers = Faults(), list[float]()
        for number, row in enumerate(rows):
            self._check_values(number, row, faults, numbers)
        return self._checked(numbers, faults)

    def outside(self, values: np.ndarray) -> Outside | None:
        """Return what lies outside of the training rows' range, row by row, None where nothing does; NaN does not.

        Raises
        ------
        BadRows : a value is not possible at all.
        """
        if len(values) == 1:
            row = values[0].tolist()
            if all(map(le, self._lowest, row)) and all(map(le, row, self._highest)):
                return None
        beyond = (values < self._low) | (values > self._high)
        if not beyond.any():
            return None
        least, most = self._possible
        impossible = (values < least) | (values > most)
        if impossible.any():
            faults = Faults(self._each(impossible, values, Feature.broken_limit))
            faults.count = int(np.count_nonzero(impossible))
            raise BadRows(faults)
        counts = np.count_nonzero(beyond, axis=0).tolist()
        return Outside(
            list(self._each(beyond, values, lambda feature, _: feature.trained_on)),
            {name: count for name, count in zip(self.names, counts, strict=True) if count},
        )

    def _each(self, marked: np.ndarray, values: np.ndarray, rule: Callable[[Feature, float], str]) -> Iterator[Fault]:
        """Yield the first of the marked values as faults, with the rule of each."""
        for row, column in np.argwhere(marked)[:LISTED_FAULTS].tolist():
            feature, value = self.features[column], float(values[row, column])
            yield Fault(row, feature.name, rule(feature, value), f"{value:g}")


#: Stands for a column that is not there, which is a fault of its own.
_MISSING = object()


def _to_number(value: Any, feature: Feature) -> tuple[float, str]:
    """Return the value as a float, and the rule that it breaks, if any."""
    if value is _MISSING:
        return math.nan, ""
    if value is None or feature.is_missing_word(value):
        return math.nan, "" if feature.nullable else "must not be null"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan, "must be a number"
    try:
        number = float(value)
    except OverflowError:
        return math.nan, "must be finite"
    if not math.isfinite(number):
        return math.nan, "must be finite"
    if abs(number) > LARGEST:
        return math.nan, f"must be at most {LARGEST:.2g} in size"
    if feature.is_integer and number % 1:
        return number, "must be a whole number"
    return number, feature.broken_limit(number)


def _or(limit: float | None, beyond: float) -> float:
    return beyond if limit is None else limit
