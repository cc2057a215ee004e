"""Values of a request's rows besides the codes that a model takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: A single value of JSON.
Value = str | float | bool | None

#: Stands for a column that a row does not have.
UNSAID: Any = object()

#: A longer text is none that a table would be joined or grouped by.
_LONGEST = 1000


class Beside:
    """The words of categories that training lacks, and values of other columns.

    `words` are by row and place of the feature; `others` have a value for each row, UNSAID where a row has none.
    """

    def __init__(self) -> None:
        self.words: dict[tuple[int, int], str] = {}
        self.others: dict[str, list[Any]] = {}

    def add(self, name: str, values: Sequence[Any]) -> None:
        """Add a column.

        Values that are no single value of JSON, or very long, count as not sent. Integers of more than 64 bits are floats, as
        most readers of JSON have them.
        """
        kept = [_keep(value) for value in values]
        if any(value is not UNSAID for value in kept):
            self.others[name] = kept

    def of_row(self, row: int) -> dict[str, Value]:
        """Return the other columns of a row."""
        return {name: values[row] for name, values in self.others.items() if values[row] is not UNSAID}


def _keep(value: Any) -> Any:
    """Return a value as the log can have it, or UNSAID."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else UNSAID
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        try:
            return float(value)
        except OverflowError:
            return UNSAID
    return value if value is None or isinstance(value, bool | int | float) else UNSAID
