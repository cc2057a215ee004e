"""Rows of a request's body as one float array, checked against the schema.

pandas is not used. Valid bodies take a fast path: orjson, one type check, one array. All others are read again, slowly, to
report every fault.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any

import numpy as np
import orjson

from recipeline.data.checking.numbers import LARGEST
from recipeline.data.kinds.every import KINDS as READERS
from recipeline.data.reading.formats import PLAIN, Format
from recipeline.inference.model_info import Feature, ModelInfo
from recipeline.serving.rows.beside import UNSAID, Beside
from recipeline.serving.rows.faults import (
    BadRows,
    Outside,
    TooManyRows,
    no_rows,
)
from recipeline.serving.rows.json_rows import refuse_many_rows
from recipeline.serving.rows.row_filter import NO_FILTER, RowFilter
from recipeline.serving.rows.slow_path import SlowPath
from recipeline.serving.rows.training_range import TrainingRange

_PLAIN = (int, float)
_NUMBERS = frozenset(_PLAIN)

#: Up to so many values Python is faster than numpy.
_FEW = 100


@dataclass(frozen=True)
class Schema:
    """The feature columns of a model in order, and the format of a CSV.

    Rows may have the columns `others` too, which are not checked; the log keeps those of them that are not `private`. `filter`
    are the conditions that the training rows fulfil.
    """

    features: tuple[Feature, ...]
    format: Format = PLAIN
    others: frozenset[str] = frozenset()
    private: frozenset[str] = frozenset()
    filter: RowFilter = NO_FILTER

    @classmethod
    def of(cls, info: ModelInfo) -> Schema:
        """Return the schema of a model's description (`model_info.json`)."""
        others, private = frozenset(info.other_columns), frozenset(info.private_columns)
        return cls(info.features, info.csv, others, private, RowFilter(info.filter, info.features))

    @cached_property
    def kept(self) -> frozenset[str]:
        """The columns besides the features whose values are kept, as for the log."""
        return self.others - self.private

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def _slow(self) -> SlowPath:
        return SlowPath(self.features, self.others, self.format.rename)

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
    def _unknown(self) -> tuple[np.ndarray, np.ndarray]:
        """The places of columns with a code for values that training lacks, and the codes."""
        codes = np.array([feature.kind.other(feature) for feature in self.features])
        places = np.flatnonzero(np.isfinite(codes))
        return places, codes[places]

    @cached_property
    def _missing_codes(self) -> list[float]:
        return [code for feature in self.features for code in feature.missing_codes]

    @cached_property
    def _range(self) -> TrainingRange:
        return TrainingRange(self.features, self.filter)

    @cached_property
    def _quotes(self) -> int | None:
        """The number of quotation marks in the keys of one row; None if names have some."""
        plain = all('"' not in name and "\\" not in name for name in self.names)
        return 2 * len(self.names) if plain else None

    def parse(self, body: bytes, *, max_rows: int, beside: Beside | None = None) -> np.ndarray:
        """Return the rows of a JSON body, of shape (rows, features).

        The body is an object by column name, or a list of such objects. A nullable column's null is NaN; no other value is.
        Words and columns that codes do not hold are added to `beside`.

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
            if flat is not None and self._quotes is not None and body.count(b'"') == self._count_quotes(flat, rows):
                values = self._as_array(flat)
                if values is not None:
                    self._look_beside(flat, values, rows, beside)
                    return values
        values, rows = self._slow.read(body, max_rows)
        self._look_beside([row[name] for row in rows for name in self.names], values, rows, beside)
        return values

    def _look_beside(
        self, flat: Sequence[Any], values: np.ndarray, rows: Sequence[Mapping[str, Any]], beside: Beside | None
    ) -> None:
        """Add words of categories that training lacks, and other columns."""
        if beside is None:
            return
        places, codes = self._unknown
        if len(places) and (unknown := values[:, places] == codes).any():
            for row, number in np.argwhere(unknown).tolist():
                place = int(places[number])
                beside.words[row, place] = str(flat[row * len(self.names) + place]).strip()
        for name in self.kept if rows else ():
            beside.add(name, [row.get(name, UNSAID) for row in rows])

    def _count_quotes(self, flat: list[Any], rows: Sequence[Mapping[str, Any]]) -> int:
        """Return the number of quotation marks in a body of these values.

        Texts with quotation marks have more.
        """
        texts = sum(isinstance(value, str) for value in flat) if self._encoded else 0
        if self.others:
            width = len(self.names)
            more = [value for row in rows if len(row) > width for name, value in row.items() if name in self.others]
            texts += len(more) + sum(isinstance(value, str) for value in more)
        return (self._quotes or 0) * len(rows) + 2 * texts

    def _quickly(self, rows: list[Any]) -> list[Any] | None:
        """Return the values of valid rows in one list; None for other rows.

        Valid is an object of exactly the columns, and perhaps of `others`.
        """
        width, pick, flat = len(self.names), self._pick, list[Any]()
        try:
            for row in rows:
                if len(row) != width and (len(row) < width or len(row) - width != len(self.others & row.keys())):
                    return None
                flat.extend(pick(row))
        except (KeyError, TypeError, IndexError, AttributeError):
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

    def check(
        self,
        rows: Sequence[Sequence[Any]],
        beside: Beside | None = None,
        others: Mapping[str, Sequence[Any]] | None = None,
    ) -> np.ndarray:
        """Return rows of values in the model's order as an array (rows, features).

        Words that codes do not hold are added to `beside`, and `others` of its columns.

        Raises
        ------
        BadRows : a value is not a finite number, or there is no row.
        """
        if not rows:
            raise BadRows(no_rows())
        flat = [value for row in rows for value in row]
        values = self._as_array(flat)
        if values is None:
            values = self._slow.check(rows)
        self._look_beside(flat, values, (), beside)
        if beside is not None and others:
            for name in self.kept & others.keys():
                beside.add(name, others[name])
        return values

    def outside(self, values: np.ndarray, beside: Beside | None = None) -> Outside | None:
        """Return the values that the model was not trained on; see `TrainingRange`."""
        return self._range.outside(values, beside)

    def show(self, values: np.ndarray, beside: Beside | None = None) -> list[list[Any]]:
        """Return codes of shape (rows, features) as JSON values.

        NaN of a number is unchanged. Categories that training lacks have their own words from `beside`.
        """
        rows: list[list[Any]] = values.tolist()
        for place, feature in self._encoded:
            for row in rows:
                row[place] = feature.kind.show(row[place], feature)
        for (number, place), word in beside.words.items() if beside else ():
            rows[number][place] = word
        return rows
