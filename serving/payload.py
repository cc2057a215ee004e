"""Rows out of a request's body: parsed, checked against the model's columns, given back as one float array. No pandas.

Bodies that are as they should be take a short way: orjson, one type check, one array. All others are read again, slowly, by
code whose only aim is to tell every fault.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from operator import itemgetter, le
from typing import Any

import numpy as np
import orjson

from pipeline.errors import guess
from pipeline.features import Feature

#: So many faults are listed at most; their number is told.
LISTED_FAULTS = 1000
_NUMBERS = frozenset({int, float})
_KINDS = {dict: "an object", list: "a list", str: "text", bool: "a boolean", type(None): "null"}
_SHOWN = 40
#: Up to so many values Python is faster than numpy.
_FEW = 100
#: Trees compare in single precision: what is larger is infinite there, and scikit-learn refuses it.
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Fault:
    """What is wrong with a value, or notable about it: the row (0 is the first), the field, the rule, and what was got."""

    row: int | None
    field: str | None
    rule: str
    got: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON takes them."""
        return asdict(self)


class UnreadableBody(Exception):
    """The body is not JSON, or not the CSV that it says it is."""


class TooManyRows(Exception):
    """The body has more rows than one request may have."""


class BadRows(Exception):
    """The rows break rules: `faults` has the first LISTED_FAULTS of them, and `count` says how many there are."""

    def __init__(self, faults: Faults | Fault) -> None:
        found = faults if isinstance(faults, Faults) else Faults([faults])
        super().__init__(f"{found.count} faults")
        self.count, self.faults = found.count, tuple(found.listed)


class Faults:
    """Faults in the order they are found; all are counted, the first LISTED_FAULTS kept, so that no body fills the memory."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.count, self.listed = 0, list[Fault]()
        for fault in faults:
            self.add(fault.row, fault.field, fault.rule, fault.got)

    def add(self, row: int | None, field: str | None, rule: str, got: str) -> None:
        """Count a fault, and keep it where there is room."""
        self.count += 1
        if len(self.listed) < LISTED_FAULTS:
            self.listed.append(Fault(row, field, rule, got))

    @property
    def full(self) -> bool:
        """Whether further faults are only counted, and their words are not worth finding."""
        return len(self.listed) >= LISTED_FAULTS


@dataclass(frozen=True)
class Schema:
    """The columns that a model takes, in its order."""

    features: tuple[Feature, ...]

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> Schema:
        """Return the schema that a model's description (`model_info.json`) gives."""
        return cls(tuple(Feature.from_info(column) for column in info["features"]))

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
    def _low(self) -> np.ndarray:
        return np.array(self._lowest)

    @cached_property
    def _high(self) -> np.ndarray:
        return np.array(self._highest)

    @cached_property
    def _lowest(self) -> list[float]:
        return [feature.low for feature in self.features]

    @cached_property
    def _highest(self) -> list[float]:
        return [feature.high for feature in self.features]

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
        BadRows : a row is no object, has unknown, missing or repeated columns, or values that are no finite numbers; or there
            is none.
        """
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
        for name in row.keys() - set(self.names) if len(row) + len(missing) > len(self.names) else ():
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

    def outside(self, values: np.ndarray) -> list[Fault]:
        """Return what lies outside of the training rows' range, row by row; NaN does not."""
        if len(values) == 1:
            row = values[0].tolist()
            if all(map(le, self._lowest, row)) and all(map(le, row, self._highest)):
                return []
        beyond = (values < self._low) | (values > self._high)
        if not beyond.any():
            return []
        faults = []
        for row, column in np.argwhere(beyond)[:LISTED_FAULTS].tolist():
            feature, value = self.features[column], float(values[row, column])
            rule = feature.trained_on + ("" if feature.is_possible(value) else "; such a value is not possible at all")
            faults.append(Fault(row, feature.name, rule, f"{value:g}"))
        return faults


#: Stands for a column that is not there, which is a fault of its own.
_MISSING = object()


def _to_number(value: Any, feature: Feature) -> tuple[float, str]:
    """Return the value as a float, and the rule that it breaks, if any."""
    if value is _MISSING:
        return math.nan, ""
    if value is None:
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
    return number, "must be a whole number" if feature.is_integer and number % 1 else ""


def no_rows() -> Fault:
    """Return the fault of a body without rows."""
    return Fault(None, None, "there must be at least one row", "none")


def describe(value: Any) -> str:
    """Return what a value is, in few words: numbers and short texts as they are."""
    if isinstance(value, str):
        return f"'{shorten(value)}'"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return shorten(f"{value:g}" if isinstance(value, float) else _digits(value))
    return kind_of(value)


def kind_of(value: Any) -> str:
    """Return what kind of JSON value this is."""
    return next((words for kind, words in _KINDS.items() if isinstance(value, kind)), "a number")


def _digits(value: int) -> str:
    return str(value) if value.bit_length() < 128 else "a number of more than 38 digits"


def shorten(text: str) -> str:
    """Return at most the first 40 characters of a text, none of them a control character."""
    shown = "".join(character if character.isprintable() else "�" for character in text[: _SHOWN + 1])
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"


class _Object(dict[str, Any]):
    """An object of a JSON text, which remembers the keys that it had more than once."""

    repeated: tuple[str, ...] = ()


def _collect(pairs: list[tuple[str, Any]]) -> _Object:
    found = _Object(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        found.repeated = tuple(key for key in found if counts[key] > 1)
    return found


def read_json(body: bytes) -> Any:
    """Return the value of a JSON text, its objects with the keys that they repeat; NaN and infinity are read as floats.

    Raises
    ------
    UnreadableBody : it is none, or it is nested too deeply.
    """
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_collect)
    except UnicodeDecodeError as error:
        raise UnreadableBody(f"The body must be UTF-8. Byte {error.start} is not.") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise UnreadableBody(f"The body must be JSON. At {place}: {error.msg}.") from None
    except RecursionError:
        raise UnreadableBody("The body must be JSON of few levels. It is nested too deeply.") from None
    except ValueError:  # a number of thousands of digits
        raise UnreadableBody("The body must be JSON with numbers of fewer digits.") from None
