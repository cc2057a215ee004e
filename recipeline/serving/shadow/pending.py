"""Rows that wait for the challenger, and the log that waits for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from recipeline.monitoring.live.log_format import DROPPED, REASON, SHADOW, VERSION_KEY
from recipeline.serving.logs.background import BackgroundLog, Write
from recipeline.serving.model.loading import ServedModel
from recipeline.serving.rows.beside import Beside
from recipeline.serving.shadow.pairing import Pairing

#: Rows that are this old are given up: their lines are written without the challenger's predictions.
PATIENCE_SECONDS = 5.0

#: So many lines wait for the challenger at most; the log has the space of several times as many.
_MOST_WAITING = 30_000


#: Held for a moment by whoever settles a row. A lock of each request's own would cost every request a microsecond.
_SETTLING = threading.Lock()


@dataclass(eq=False, slots=True)
class Pending:
    """The rows of a request until the challenger has predicted them, or is given up.

    `values` are the champion's codes, (rows, features), and `predicted` its predictions. `said` has for each row what its line
    says of the challenger; None: nothing yet. Two threads may settle a row, the first one does.
    """

    champion: ServedModel
    challenger: ServedModel
    pairing: Pairing
    values: np.ndarray
    predicted: np.ndarray
    beside: Beside
    since: float = field(default_factory=time.monotonic)
    said: list[bytes | None] = field(init=False)
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = len(self.values)
        self.said = [None] * self.left

    @property
    def is_old(self) -> bool:
        """Whether nobody waits for it any more."""
        return time.monotonic() - self.since > PATIENCE_SECONDS

    def settle(self, row: int, said: dict[str, Any]) -> bool:
        """Record what is said of a row; False where that is known already."""
        told = orjson.dumps({VERSION_KEY: self.challenger.version, **said})
        with _SETTLING:
            if self.said[row] is not None:
                return False
            self.said[row], self.left = told, self.left - 1
        return True

    def give_up(self, reason: str, start: int = 0, stop: int | None = None) -> int:
        """Settle rows without a prediction; return how many were not settled before."""
        told = orjson.dumps({VERSION_KEY: self.challenger.version, REASON: reason})
        with _SETTLING:
            before = self.said[start:stop]
            missed = before.count(None)
            self.said[start:stop] = [told if it is None else it for it in before] if missed < len(before) else [told] * missed
            self.left -= missed
        return missed


@dataclass(frozen=True)
class Shadowed:
    """The lines of a request in the log, a line per row, and what is pending."""

    lines: list[bytes]
    pending: Pending

    def __len__(self) -> int:
        return len(self.lines)

    def as_lines(self) -> bytes:
        """Return the lines with what is said of the challenger."""
        parts = list[bytes]()
        for line, said in zip(self.lines, self.pending.said, strict=True):
            assert said is not None
            parts += (line[:-2], b',"', SHADOW.encode(), b'":', said, b"}\n")
        return b"".join(parts)


class PatientLog(BackgroundLog):
    """A log whose lines wait for the challenger, in their order, for seconds at most.

    `give_up` is called with what is pending where it waits no longer.
    """

    def __init__(
        self,
        write: Write,
        encode: Callable[[Any], bytes],
        dropped: Callable[[int], object],
        give_up: Callable[[Pending, str], object],
    ) -> None:
        def encode_now(record: Any) -> bytes:
            if pending := _pending(record):
                give_up(pending, DROPPED)
            return encode(record)

        super().__init__(write, encode_now, dropped)

    def _count_ready(self) -> tuple[int, int]:
        """Return how many records and lines can be written now."""
        everything = len(self._records), self._waiting
        if self._closing.is_set() or self._waiting > _MOST_WAITING:
            return everything
        for place, record in enumerate(self._records):
            if (pending := _pending(record)) and pending.left and not pending.is_old:
                return place, sum(map(_lines_of, self._records[:place]))
        return everything


def _pending(record: Any) -> Pending | None:
    found: Pending | None = getattr(record, "pending", None)
    return found


def _lines_of(record: Any) -> int:
    return record.count(b"\n") if isinstance(record, bytes) else len(record)
