"""Rows that training leaves out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Self

from pydantic import Field, model_validator

from recipeline.config.settings import Settings

#: A value of a condition: a number, a date in ISO 8601, a category, or true and false.
Scalar = bool | float | str

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?)?")

#: The column types whose values have an order, and the values that a condition on a type may have.
ORDERED = ("number", "integer", "datetime")
_VALUES: dict[str, tuple[str, Callable[[Scalar], bool]]] = {
    "number": ("a number", lambda value: isinstance(value, float | int) and not isinstance(value, bool)),
    "boolean": ("true or false", lambda value: isinstance(value, bool)),
    "category": ("text", lambda value: not isinstance(value, bool)),
    "datetime": ("a date in ISO 8601", lambda value: isinstance(value, str) and is_date(value)),
}


def _read_date(text: str) -> datetime | None:
    """Return a date in ISO 8601 as an instant; None for other text.

    One without a zone is in UTC.
    """
    try:
        found = datetime.fromisoformat(text.replace(" ", "T"))
    except ValueError:
        return None
    if not _DATE.fullmatch(text):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def is_date(text: str) -> bool:
    """Whether a text is a date in ISO 8601."""
    return _read_date(text) is not None


def _as_place(value: Scalar | None) -> Any:
    """Return a number, or a date as an instant; None for other values."""
    if isinstance(value, str):
        return _read_date(value)
    return value if isinstance(value, float) else None


def _shown(value: Scalar | None) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


class Condition(Settings):
    """The values of a column in the rows to train on.

    A row whose value is missing is left out, unless `missing` is true. `missing` alone keeps the rows without a value (true),
    or those with one.
    """

    #: The least value, a date or a number.
    min: Scalar | None = None
    #: The greatest value.
    max: Scalar | None = None
    #: Values that are kept.
    in_: tuple[Scalar, ...] = Field(default=(), alias="in", min_length=1)
    #: Values that are left out.
    not_in: tuple[Scalar, ...] = Field(default=(), min_length=1)
    missing: bool | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.in_ or self.not_in) and self.min is None and self.max is None and self.missing is None:
            raise ValueError("give min, max, in, not_in, missing, or several of them.")
        low, high = _as_place(self.min), _as_place(self.max)
        if low is not None and high is not None and type(low) is type(high) and low > high:
            raise ValueError(f"min must not be above max. Got {_shown(self.min)} and {_shown(self.max)} instead.")
        return self

    def faults(self, name: str, type: str) -> Iterable[str]:
        """Yield an error message for each value that does not fit a column's type."""
        noun, is_one = _VALUES[type if type in _VALUES else "number"]
        stated = {"min": (self.min,), "max": (self.max,), "in": self.in_, "not_in": self.not_in}
        for key, values in stated.items():
            for value in (it for it in values if it is not None):
                where = f"'rows.filter.{name}.{key}'"
                if key in ("min", "max") and type not in ORDERED:
                    yield f"{where} is for columns of the types {', '.join(ORDERED)}, and '{name}' is of the type {type}."
                elif not is_one(value):
                    yield f"{where} must be {noun}, as '{name}' is of the type {type}. Got {value} instead."


class Rows(Settings):
    """The rows of a table that a model is trained on.

    `filter` has conditions by column, all of which such a row fulfils.
    """

    filter: dict[str, Condition] = {}
