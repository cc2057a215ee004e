"""About so many logged rows a second: a fair draw among all workers of a service."""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipeline.monitoring.live.log_format import DRAWN

#: Seconds are settled so long after their end: by then each worker has told its number of rows.
_GRACE_SECONDS = 0.5
_PAUSE_SECONDS = 0.1

_SLOT, _SLOTS = struct.Struct("<qq"), 8

Add = Callable[[Any, int], object]


@dataclass(frozen=True)
class DrawnRecord:
    """A record of the log whose lines tell the probability with which it was drawn."""

    record: Any
    share: float

    def __len__(self) -> int:
        return self.record.count(b"\n") if isinstance(self.record, bytes) else len(self.record)

    @property
    def pending(self) -> Any:
        """The rows that the record waits for; None: it waits for nothing."""
        return getattr(self.record, "pending", None)

    def as_lines(self) -> bytes:
        """Return the lines; in JSON no line break is followed by another part."""
        lines: bytes = self.record if isinstance(self.record, bytes) else self.record.as_lines()
        return lines.replace(b"}\n", b',"%s":%s}\n' % (DRAWN.encode(), repr(self.share).encode()))


class RowCounts:
    """The rows of each second of all workers, in files of a folder that they share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own = os.open(folder / f"rows-{os.getpid()}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._untold: dict[int, int] = {}

    def tell(self, second: int, rows: int) -> None:
        """Tell the others the rows of a second, unless the disk is full."""
        try:
            os.pwrite(self._own, _SLOT.pack(second, rows), second % _SLOTS * _SLOT.size)
        except OSError:
            self._untold[second] = rows

    def total(self, second: int) -> int:
        """Return the rows of a second of this worker and of all that have told them.

        It is asked once for a second.
        """
        found = self._untold.pop(second, 0)  # else more would be drawn than what the lines say
        for path in self._folder.glob("rows-*"):
            with suppress(OSError, struct.error):
                said, rows = _SLOT.unpack_from(path.read_bytes(), second % _SLOTS * _SLOT.size)
                found += rows if said == second else 0
        return found


class Quota:
    """Lets about `rate` rows a second of all workers into the log.

    Each request has drawn a number from 0 to 1. When a second is over and `counts` has its rows of all workers, those below
    `rate` over that number are added to the log: each request of a second with the same probability, whichever worker answered
    it, and the rest is forgotten. Until then only requests are held that may still be among them. `sample` is the share of the
    requests that come here; lines tell the product.
    """

    def __init__(
        self,
        rate: float,
        add: Add,
        counts: RowCounts,
        dropped: Callable[[int], object],
        *,
        sample: float = 1.0,
        capacity: int = 100_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate, self._add, self._counts, self._dropped, self._sample = rate, add, counts, dropped, sample
        self._capacity, self._clock = capacity, clock
        self._second, self._rows, self._lines = int(clock()), 0, 0
        self._held: list[tuple[float, int, Any]] = []
        self._over: list[tuple[int, list[tuple[float, int, Any]]]] = []
        self._changing, self._settling, self._closing = threading.Lock(), threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="rate", daemon=True)
        self._thread.start()

    def count(self, drawn: float, rows: int) -> int | None:
        """Count the rows of a request; return its second.

        None: it cannot be among those to keep.
        """
        with self._changing:
            self._turn(int(self._clock()))
            self._rows += rows
            return self._second if drawn * self._rows < self._rate else None

    def hold(self, second: int, drawn: float, record: Any, rows: int) -> None:
        """Hold the record of a request that was counted, until its second is over."""
        with self._changing:
            held = next((held for over, held in self._over if over == second), self._held)
            if fits := self._lines + rows <= self._capacity:
                held.append((drawn, rows, record))
                self._lines += rows
        if not fits:
            self._dropped(rows)

    def settle(self) -> None:
        """Add what is to be kept of the seconds that are over for long enough."""
        with self._settling:
            with self._changing:
                now = self._clock()
                self._turn(int(now))
                until = float("inf") if self._closing.is_set() else now - _GRACE_SECONDS - 1
                ready = [it for it in self._over if it[0] <= until]
                self._over = self._over[len(ready) :]
            for second, held in ready:
                share = min(self._rate / max(self._counts.total(second), 1), 1.0)
                for drawn, rows, record in held:
                    if drawn < share:
                        told = share * self._sample
                        self._add(DrawnRecord(record, told) if told < 1 else record, rows)
                with self._changing:
                    self._lines -= sum(rows for _, rows, _ in held)

    def close(self) -> None:
        """Settle all seconds, also the one that is not over, and end the thread."""
        self._closing.set()
        self._thread.join(timeout=2)
        with self._changing:
            self._turn(self._second + 1)
        self.settle()

    def _turn(self, second: int) -> None:
        """Begin another second; the caller holds the lock."""
        if second > self._second:
            self._counts.tell(self._second, self._rows)
            self._over.append((self._second, self._held))
            self._second, self._rows, self._held = second, 0, []

    def _run(self) -> None:
        while not self._closing.wait(_PAUSE_SECONDS):
            self.settle()
