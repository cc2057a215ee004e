"""Rows of a request's body as one float array, checked against the schema.

pandas is not used. Valid bodies take a fast path: orjson, one type check, one array. All others are read again, slowly, to
report every fault.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter, le
from typing import Any

import numpy as np
import orjson

from recipeline.data.kinds.every import KINDS as READERS
from recipeline.data.numbers import LARGEST
from recipeline.data.reading.formats import PLAIN, Format
from recipeline.inference.model_info import Feature, ModelInfo
from recipeline.serving.rows.faults import (
    LISTED_FAULTS,
    BadRows,
    Fault,
    Faults,
    Outside,
    TooManyRows,
    no_rows,
)
from recipeline.serving.rows.json_rows import refuse_many_rows
from recipeline.serving.rows.slow_path import SlowPath

_PLAIN = (int, float)
_NUMBERS = frozenset(_PLAIN)

#: Up to so many values Python is faster than numpy.
_FEW = 100


@dataclass(frozen=True)
class Schema:
    """The feature columns of a model in order, and the format of a CSV.

    Rows may have the columns `others` too; their values are ignored.
    """

    features: tuple[Feature, ...]
    format: Format = PLAIN
    others: frozenset[str] = frozenset()

    @classmethod
    def of(cls, info: ModelInfo) -> Schema:
        """Return the schema of a model's description (`model_info.json`)."""
        return cls(info.features, info.csv, frozenset(info.other_columns))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def _slow(self) -> SlowPath:
        return SlowPath(self.features, self.others)

    @cached_property
    def _pick(self) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
        if len(self.names) == 1:
            name = self.names[0]
            return lambda row: (row[name],)
        return itemgetter(*self.names)

    @cached_property
    def _integers(self) -> list[int]:
        return [place for place, feature in enumerate(self.features) if READERS.get(feature.type, READERS["number"]).is_whole]

    @cached_property
    def _encoded(self) -> list[tuple[int, Feature]]:
        """The columns whose codes are not the values of JSON themselves, by their places."""
        return [(place, feature) for place, feature in enumerate(self.features) if feature.kind.json_types != _PLAIN]

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
        return [max(feature.limits[0], _or(feature.min, -math.inf)) for feature in self.features]

    @cached_property
    def _highest(self) -> list[float]:
        return [min(feature.limits[1], _or(feature.max, math.inf)) for feature in self.features]

    @cached_property
    def _possible(self) -> tuple[np.ndarray, np.ndarray]:
        least = [_or(feature.min, -math.inf) for feature in self.features]
        return np.array(least), np.array([_or(feature.max, math.inf) for feature in self.features])

    @cached_property
    def _quotes(self) -> int | None:
        """The number of quotation marks in the keys of one row; None if names have some."""
        plain = all('"' not in name and "\\" not in name for name in self.names)
        return 2 * len(self.names) if plain else None

    def parse(self, body: bytes, *, max_rows: int) -> np.ndarray:
        """Return the rows of a JSON body, of shape (rows, features).

        The body is an object by column name, or a list of such objects. A nullable column's null is NaN; no other value is.

        Raises
        ------
        UnreadableBody : it is not JSON.
        TooManyRows : there are more than `max_rows`.
        BadRows : a row is not an object, has unknown columns (neither the model's nor `others`), missing or repeated ones, or
            values that are not finite numbers; or there is no row.
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
            flat = self._quickly(rows)
            # A column that is there twice in a row is there once in its dict, but leaves its quotation marks in the body.
            if flat is not None and self._quotes is not None and body.count(b'"') == self._count_quotes(flat, len(rows)):
                values = self._as_array(flat)
                if values is not None:
                    return values
        return self._slow.read(body, max_rows)

    def _count_quotes(self, flat: list[Any], rows: int) -> int:
        """Return the number of quotation marks in a body of these values.

        Texts with quotation marks have more.
        """
        texts = sum(isinstance(value, str) for value in flat) if self._encoded else 0
        return (self._quotes or 0) * rows + 2 * texts

    def _quickly(self, rows: list[Any]) -> list[Any] | None:
        """Return the values of valid rows in one list; None for other rows.

        Valid is an object of exactly the columns.
        """
        width, pick, flat = len(self.names), self._pick, list[Any]()
        try:
            for row in rows:
                if len(row) != width:
                    return None
                flat.extend(pick(row))
        except (KeyError, TypeError, IndexError):
            return None
        return flat

    def _encode(self, flat: list[Any]) -> list[Any] | None:
        """Return values with codes for those that are not numbers; None for faults.

        A fault is a missing value or a broken rule.
        """
        coded, width = list(flat), len(self.names)
        for place, feature in self._encoded:
            read = feature.kind.read
            for at in range(place, len(flat), width):
                value = flat[at]
                if value is None or feature.is_missing_word(value):
                    return None
                coded[at], rule = read(value, feature)
                if rule:
                    return None
        return coded

    def _as_array(self, flat: list[Any]) -> np.ndarray | None:
        if self._encoded:
            encoded = self._encode(flat)
            if encoded is None:
                return None
            flat = encoded
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
        """Whether all values are finite, also in single precision.

        A sum of few values tests the same in less time.
        """
        if len(flat) <= _FEW:
            return bool(sum(map(abs, flat)) <= LARGEST)  # neither NaN nor infinity gets lost in it
        return bool((np.abs(values) <= LARGEST).all())

    def check(self, rows: Sequence[Sequence[Any]]) -> np.ndarray:
        """Return rows of values in the model's order as an array (rows, features).

        Raises
        ------
        BadRows : a value is not a finite number, or there is no row.
        """
        if not rows:
            raise BadRows(no_rows())
        quick = self._as_array([value for row in rows for value in row])
        if quick is not None:
            return quick
        return self._slow.check(rows)

    def outside(self, values: np.ndarray) -> Outside | None:
        """Return the values outside of the training range; None if there are none.

        NaN is not outside.

        Raises
        ------
        BadRows : a value is impossible.
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

    def show(self, values: np.ndarray) -> list[list[Any]]:
        """Return codes of shape (rows, features) as JSON values.

        NaN of a number is unchanged.
        """
        rows: list[list[Any]] = values.tolist()
        for place, feature in self._encoded:
            for row in rows:
                row[place] = feature.kind.show(row[place], feature)
        return rows

    def _each(self, marked: np.ndarray, values: np.ndarray, rule: Callable[[Feature, float], str]) -> Iterator[Fault]:
        """Yield the first of the marked values as faults, with the rule of each."""
        for row, column in np.argwhere(marked)[:LISTED_FAULTS].tolist():
            feature, value = self.features[column], float(values[row, column])
            shown = feature.kind.show(value, feature)
            yield Fault(row, feature.name, rule(feature, value), f"{shown:g}" if isinstance(shown, float) else str(shown))


def _or(limit: float | None, beyond: float) -> float:
    return beyond if limit is None else limit
