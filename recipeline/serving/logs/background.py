"""Background work that never delays a request: a bounded queue and a thread."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import orjson

from recipeline.escape import for_terminal

_LOG = logging.getLogger("service")

_PAUSE_SECONDS = 0.2

#: Records that a disk does not take are told so often.
_TELL_SECONDS = 60.0

Write = Callable[[bytes], None]


class Background:
    """A queue of records that a thread of its own handles.

    `handle` is called with all records since its last call; `dropped` with the number of lines that exceeded the queue or could
    not be handled: requests are answered even if the disk is full.
    """

    def __init__(
        self,
        handle: Callable[[list[Any]], object],
        dropped: Callable[[int], object],
        *,
        capacity: int = 100_000,
        pause_seconds: float = _PAUSE_SECONDS,
    ) -> None:
        self._handle, self._dropped, self._capacity, self._pause = handle, dropped, capacity, pause_seconds
        # No tuples of a record and its lines: what waits in containers makes the garbage collector run more often.
        self._records: list[Any] = []
        self._waiting, self._tell_at = 0, 0.0
        self._closing = threading.Event()
        self._changing, self._handling = threading.Lock(), threading.Lock()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def add(self, record: Any, lines: int = 1) -> None:
        """Queue a record of `lines` lines, or drop it if the queue lacks the space."""
        with self._changing:
            if fits := self._waiting + lines <= self._capacity:
                self._waiting += lines
                self._records.append(record)
        if not fits:
            self._dropped(lines)

    def flush(self) -> None:
        """Handle all records queued so far."""
        with self._handling:
            with self._changing:
                number, lines = self._count_ready()
                taken, self._records = self._records[:number], self._records[number:]
                self._waiting -= lines
            if not taken:
                return
            try:
                self._handle(taken)
            except Exception as error:
                self._dropped(lines)
                self._tell(error, len(taken))

    def _tell(self, error: Exception, records: int) -> None:
        """Log that records were lost; an error of the disk once a minute."""
        if not isinstance(error, OSError):
            _LOG.error("%d records were lost", records, exc_info=error)
        elif time.monotonic() >= self._tell_at:
            self._tell_at = time.monotonic() + _TELL_SECONDS
            _LOG.error("records of a log are lost, and counted in log_lines_dropped: %s", error)

    def _count_ready(self) -> tuple[int, int]:
        """Return how many of the first records, and of their lines, can be handled now.

        The caller holds the lock.
        """
        return len(self._records), self._waiting

    def close(self) -> None:
        """Handle the remaining records and end the thread."""
        self._closing.set()
        self._thread.join(timeout=5)
        self.flush()

    def _run(self) -> None:
        while not self._closing.wait(self._pause):
            self.flush()


class BackgroundLog(Background):
    """A log written by a thread of its own.

    `encode` turns a record into its lines, in that thread.
    """

    def __init__(
        self, write: Write, encode: Callable[[Any], bytes], dropped: Callable[[int], object], *, capacity: int = 100_000
    ) -> None:
        super().__init__(lambda records: write(b"".join(map(encode, records))), dropped, capacity=capacity)


def as_line(record: Any) -> bytes:
    """Return a record as one line of JSON."""
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def to_stderr(lines: bytes) -> None:
    """Write lines of JSON to stderr, control characters escaped.

    Escaped lines have the same meaning as JSON.
    """
    if not lines.isascii() or b"\x7f" in lines:  # of ASCII JSON escapes all else
        lines = for_terminal(lines.decode()).encode()
    os.write(2, lines)
