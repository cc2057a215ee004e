"""Faults of the rows of a request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

#: So many faults are listed at most; their number is told.
LISTED_FAULTS = 1000

_KINDS = {dict: "an object", list: "a list", str: "text", bool: "a boolean", type(None): "null"}

_SHOWN = 40


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


@dataclass(frozen=True)
class Outside:
    """Values outside of the training rows' range: the first LISTED_FAULTS of them, and how many there are, by column."""

    faults: list[Fault]
    counts: dict[str, int]


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
