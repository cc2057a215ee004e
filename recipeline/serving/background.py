"""Background work that never delays a request: a bounded queue and a thread."""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import orjson

from recipeline.escape import for_terminal

_LOG = logging.getLogger("service")

_PAUSE_SECONDS = 0.2

_DAY = 24 * 3600

#: How the names of its files end, also compressed.
_SUFFIXES = (".jsonl", ".jsonl.gz")

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
        self._waiting = 0
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
                if not isinstance(error, OSError):  # a bug: it is told, and must not end the thread
                    _LOG.exception("%d records were lost", len(taken))

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


class RotatingFiles:
    """Log files in a folder, of at most `max_bytes` each; old ones are deleted.

    Files of other processes, and those that others have compressed (``.jsonl.gz``), are deleted too. A file exceeds `max_bytes`
    only if it holds a single line. It belongs to one process; its name has its start in UTC, the process and a number:
    ``predictions-20261124T101500Z-4711-0000.jsonl``.
    """

    def __init__(self, folder: Path, *, max_bytes: float, keep_days: float) -> None:
        self._folder, self._max_bytes, self._keep_seconds = folder, int(max_bytes), keep_days * _DAY
        self._path: Path | None = None
        self._numbers = count()
        self._swept = 0.0

    def write(self, lines: bytes) -> None:
        """Append complete lines.

        Raises
        ------
        OSError : the file cannot be written.
        """
        while lines:
            path, room = self._current()
            end = len(lines) if len(lines) <= room else lines.rfind(b"\n", 0, room) + 1
            if not end and room == self._max_bytes:
                end = lines.index(b"\n") + 1
            if end:
                _append(path, lines[:end])
            else:
                self._path = None
            lines = lines[end:]
        self._sweep()

    def _current(self) -> tuple[Path, int]:
        """Return the file to append to and its free bytes; recreate a deleted one."""
        if self._path is None:
            self._path = self._begin()
        size = self._path.stat().st_size if self._path.exists() else 0
        return self._path, max(self._max_bytes - size, 0)

    def _begin(self) -> Path:
        """Create an empty file that no other process writes to, and return it.

        Processes of two containers that share a folder may have the same number, and begin in the same second.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        began = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        for number in self._numbers:
            path = self._folder / f"predictions-{began}-{os.getpid()}-{number:04}.jsonl"
            with suppress(FileExistsError):
                path.touch(exist_ok=False)
                return path
        raise AssertionError("numbers do not end")

    def _sweep(self) -> None:
        now = time.time()
        if now - self._swept < 3600:
            return
        self._swept = now
        for path in self._folder.glob("predictions-*"):
            with suppress(FileNotFoundError):
                if path.name.endswith(_SUFFIXES) and now - path.stat().st_mtime > self._keep_seconds:
                    path.unlink()


def _append(path: Path, lines: bytes) -> None:
    """Append to a file, all or nothing, so that no line continues a partial one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        if file.write(lines) < len(lines):
            file.truncate(size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
