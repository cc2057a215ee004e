"""Faults in the rows of a request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

#: So many faults are listed at most; their number is told.
LISTED_FAULTS = 1000

#: So many are counted at most: to find all of a large body takes seconds.
COUNTED_FAULTS = 10 * LISTED_FAULTS

_KINDS = {dict: "an object", list: "a list", str: "text", bool: "a boolean", type(None): "null"}

_SHOWN = 40


@dataclass(frozen=True)
class Fault:
    """A fault or remark on a value: row (0 is the first), field, rule, and value."""

    row: int | None
    field: str | None
    rule: str
    got: str

    def as_dict(self) -> dict[str, Any]:
        """Return the fault as plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Outside:
    """Values outside of the training range: the first ones, and counts by column.

    The first LISTED_FAULTS are kept. `unlike` is a mask of the rows that training would have left out; None without one.
    """

    faults: list[Fault]
    counts: dict[str, int]
    unlike: np.ndarray | None = None


class UnreadableBody(Exception):
    """The body is not valid JSON, or not valid CSV."""


class TooManyRows(Exception):
    """The body has more rows than a request may have."""


class BadRows(Exception):
    """Rows break rules: the first LISTED_FAULTS `faults`, and their `count`.

    `is_more`: the rows behind the last of them were not looked at.
    """

    def __init__(self, faults: Faults | Fault) -> None:
        found = faults if isinstance(faults, Faults) else Faults([faults])
        super().__init__(f"{found.count} faults")
        self.count, self.faults, self.is_more = found.count, tuple(found.listed), found.is_over


class Faults:
    """Faults in the order they are found: all counted, the first ones kept.

    LISTED_FAULTS bounds the memory that a request can use.
    """

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.count, self.listed = 0, list[Fault]()
        for fault in faults:
            self.add(fault.row, fault.field, fault.rule, fault.got)

    def add(self, row: int | None, field: str | None, rule: str, got: str) -> None:
        """Count a fault, and keep it if there is room."""
        self.count += 1
        if len(self.listed) < LISTED_FAULTS:
            self.listed.append(Fault(row, field, rule, got))

    @property
    def is_over(self) -> bool:
        """Whether so many are counted that no further row is looked at."""
        return self.count >= COUNTED_FAULTS

    @property
    def full(self) -> bool:
        """Whether further faults are only counted, so that no text is needed."""
        return len(self.listed) >= LISTED_FAULTS


def no_rows() -> Fault:
    """Return the fault of a body without rows."""
    return Fault(None, None, "at least one row is required", "none")


def describe(value: Any) -> str:
    """Return a short description of a value: numbers and short texts unchanged."""
    if isinstance(value, str):
        return f"'{shorten(value)}'"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return shorten(f"{value:g}" if isinstance(value, float) else _digits(value))
    return kind_of(value)


def kind_of(value: Any) -> str:
    """Return the name of a JSON value's type."""
    return next((words for kind, words in _KINDS.items() if isinstance(value, kind)), "a number")


def _digits(value: int) -> str:
    return str(value) if value.bit_length() < 128 else "a number of more than 38 digits"


def shorten(text: str) -> str:
    """Return at most the first 40 characters of a text, without control characters."""
    shown = "".join(character if character.isprintable() else "�" for character in text[: _SHOWN + 1])
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
