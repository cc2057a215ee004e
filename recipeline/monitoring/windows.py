"""Windows of live rows, by count or by time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from recipeline.errors import UsageError
from recipeline.monitoring.sample import Live

_SECONDS = {"m": 60, "h": 3600, "d": 86_400}

_WINDOW = re.compile(r"(?P<last>last)?(?P<number>[1-9][0-9]{0,8})(?P<unit>(?(last)[mhd]|[mhd]?))")


@dataclass(frozen=True)
class LiveRows:
    """Rows in order: features (rows, features), predictions, the rest (rows,).

    NaN is unknown. `predicted` are codes of the target, (rows,) or (rows, labels), `target` numbers or places of labels;
    `times` are in seconds since 1970.
    """

    values: np.ndarray
    predicted: np.ndarray
    target: np.ndarray
    times: np.ndarray


@dataclass(frozen=True)
class Window:
    """A window of rows: a number of them, or of seconds counted from `origin`."""

    rows: int = 0
    seconds: int = 0
    origin: float = 0.0

    @property
    def is_all(self) -> bool:
        """Whether all rows are one window."""
        return not (self.rows or self.seconds)

    @property
    def since(self) -> float:
        """The beginning of the only window that may decide; 0: there are others."""
        return self.origin - self.seconds if self.origin else 0.0

    @classmethod
    def parse(cls, word: str, now: float = 0.0) -> Window:
        """Return the window of a word such as 1000, 30m, 24h or 7d; empty: all rows.

        Days, hours and minutes begin as those of UTC; for last24h the newest window ends `now`.

        Raises
        ------
        UsageError : it is no such word.
        """
        if not word:
            return cls()
        found = _WINDOW.fullmatch(word)
        if found is None:
            raise UsageError(
                "window must be a number of rows, or of minutes, hours or days, such as 1000, 30m, 24h, 7d or last24h.",
                got=f"'{word}'",
                fix="Leave it empty for all rows in one.",
            )
        number, unit = int(found["number"]), found["unit"]
        if not unit:
            return cls(rows=number)
        return cls(seconds=number * _SECONDS[unit], origin=now if found["last"] else 0.0)

    def is_complete(self, rows: int, time: float, now: float) -> bool:
        """Whether no later row can belong to the window with these `rows` and `time`.

        `time` is that of one of its rows.
        """
        if self.seconds:
            return self.origin + ((time - self.origin) // self.seconds + 1) * self.seconds <= now
        return rows >= self.rows

    def may_decide(self, time: float) -> bool:
        """Whether a complete window with a row of that `time` may decide.

        For last24h only the window that ends now may.
        """
        return not self.origin or time >= self.origin - self.seconds

    def split(self, pieces: Iterable[LiveRows], new: Callable[[], Live]) -> Iterator[tuple[float, Live]]:
        """Yield each window that has rows, oldest first, with its newest row's time.

        A window of rows is yielded as soon as it is full. A row belongs to the window of its own time, whenever it comes:
        windows of time are yielded when all rows are read, and as much of each is in memory as `Live` keeps.
        """
        return self._split_by_time(pieces, new) if self.seconds else self._split_by_count(pieces, new)

    def _split_by_time(self, pieces: Iterable[LiveRows], new: Callable[[], Live]) -> Iterator[tuple[float, Live]]:
        windows: dict[float, tuple[float, Live]] = {}
        for piece in pieces:
            numbers = (piece.times - self.origin) // self.seconds
            for number in np.unique(numbers).tolist():
                part = numbers == number
                newest, live = windows.get(number) or (-np.inf, new())
                live.add(piece.values[part], piece.predicted[part], piece.target[part])
                windows[number] = max(newest, float(piece.times[part].max())), live
        for number in sorted(windows):
            yield windows[number]

    def _split_by_count(self, pieces: Iterable[LiveRows], new: Callable[[], Live]) -> Iterator[tuple[float, Live]]:
        live, last = new(), np.nan
        for piece in pieces:
            done = 0
            while done < len(piece.values):
                stop = min(len(piece.values), done + self.rows - live.rows) if self.rows else len(piece.values)
                part = slice(done, stop)
                live.add(piece.values[part], piece.predicted[part], piece.target[part])
                last, done = float(piece.times[stop - 1]), stop
                if self.rows and live.rows == self.rows:
                    yield last, live
                    live = new()
        if live.rows:
            yield last, live
