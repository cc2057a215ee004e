"""Windows of live rows, by count or by time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from recipeline.errors import UsageError
from recipeline.monitoring.sample import Live

_SECONDS = {"m": 60, "h": 3600, "d": 86_400}

_WINDOW = re.compile(r"(?P<number>[1-9][0-9]{0,8})(?P<unit>[mhd]?)")


@dataclass(frozen=True)
class LiveRows:
    """Some rows in their order: features of shape (rows, features), the rest of shape (rows,); NaN where it is not known.

    `times` are in seconds since 1970.
    """

    values: np.ndarray
    predicted: np.ndarray
    target: np.ndarray
    times: np.ndarray


@dataclass(frozen=True)
class Window:
    """How rows are taken together: so many of them, or those of so many seconds, from the epoch on."""

    rows: int = 0
    seconds: int = 0

    @property
    def is_all(self) -> bool:
        """Whether all rows are one window."""
        return not (self.rows or self.seconds)

    @classmethod
    def parse(cls, word: str) -> Window:
        """Return the window that a word such as 1000, 30m, 24h or 7d asks for; empty: all rows in one.

        Raises
        ------
        UsageError : it is no such word.
        """
        if not word:
            return cls()
        found = _WINDOW.fullmatch(word)
        if found is None:
            raise UsageError(
                "window must be a number of rows, or of minutes, hours or days, such as 1000, 30m, 24h or 7d.",
                got=f"'{word}'",
                fix="Leave it empty for all rows in one.",
            )
        number, unit = int(found["number"]), found["unit"]
        return cls(seconds=number * _SECONDS[unit]) if unit else cls(rows=number)

    def split(self, pieces: Iterable[LiveRows], new: Callable[[], Live]) -> Iterator[tuple[float, Live]]:
        """Yield each window that has rows, with the time of its last row, as soon as it is over: one is in memory at a time.

        A row that comes later than a younger one, as several workers write them, is of the window that is open.
        """
        live, last, opened = new(), np.nan, -np.inf
        for piece in pieces:
            done = 0
            while done < len(piece.values):
                stop = len(piece.values)
                if self.rows:
                    stop = min(stop, done + self.rows - live.rows)
                elif self.seconds:
                    numbers = np.maximum.accumulate(np.maximum(piece.times[done:] // self.seconds, opened))
                    if live.rows and numbers[0] > opened:
                        yield last, live
                        live = new()
                    opened = numbers[0]
                    stop = done + int(np.searchsorted(numbers, opened, side="right"))
                part = slice(done, stop)
                live.add(piece.values[part], piece.predicted[part], piece.target[part])
                last, done = float(piece.times[stop - 1]), stop
                if self.rows and live.rows == self.rows:
                    yield last, live
                    live = new()
        if live.rows:
            yield last, live
