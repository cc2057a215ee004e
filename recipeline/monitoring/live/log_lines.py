"""Lines of several files of the log: their order, repeats and weights."""

from __future__ import annotations

import gzip
import heapq
import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from recipeline.errors import UnavailableError
from recipeline.monitoring.live.log_files import LogFile
from recipeline.monitoring.live.log_format import DRAWN, is_readable

Entry = Mapping[str, Any]


@dataclass
class DrawnLines:
    """The rows that the lines of a log stand for, if only some were logged.

    Each line says the probability of its request to be logged, and stands for one over it. `rows` is the sum of these,
    `squares` that of their squares.
    """

    lines: int = 0
    rows: float = 0.0
    squares: float = 0.0

    def add(self, entries: Sequence[Entry]) -> None:
        """Take further lines."""
        weights = [1 / entry.get(DRAWN, 1) for entry in entries]
        self.lines += len(weights)
        self.rows += math.fsum(weights)
        self.squares += math.fsum(weight * weight for weight in weights)

    @property
    def effective(self) -> float:
        """The number of equally weighted rows that weighted means are as exact as (Kish)."""
        return self.rows**2 / self.squares if self.squares else 0.0


class SeenLines:
    """Keys of lines, the last `most` of them at least.

    Two generations: when the younger one is full, the older one is forgotten.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._young = self._old = np.zeros(0, dtype=np.int64)

    def take_new(self, keys: np.ndarray) -> np.ndarray:
        """Remember keys; return the places of those that are new, in order."""
        if len(self._young) >= self._most:
            self._young, self._old = np.zeros(0, dtype=np.int64), self._young
        keys, first = np.unique(keys, return_index=True)
        is_new = ~(_holds(self._young, keys) | _holds(self._old, keys))
        self._young = np.insert(self._young, np.searchsorted(self._young, keys[is_new]), keys[is_new])
        return np.sort(first[is_new])


def _holds(known: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return whether sorted `known` has each of the keys."""
    places = np.searchsorted(known, keys)
    found: np.ndarray = places != np.searchsorted(known, keys, side="right")
    return found


def in_order(files: Sequence[Path | LogFile], read: Callable[[LogFile], Iterator[Entry]]) -> Iterator[Entry]:
    """Yield the entries of files in the order of time.

    A file is opened when it may have the next one. An entry that is out of order in its file comes as soon as those before it.
    """
    waiting = sorted((LogFile.of(it) if isinstance(it, Path) else it for it in files), key=lambda file: file.first)
    waiting.reverse()
    opened: list[tuple[float, int, Entry, Iterator[Entry]]] = []
    number = 0
    while waiting or opened:
        while waiting and (not opened or waiting[-1].first <= opened[0][0]):
            entries, number = read(waiting.pop()), number + 1
            if (first := next(entries, None)) is not None:
                heapq.heappush(opened, (first["time"], number, first, entries))
        if not opened:
            continue
        _, place, entry, entries = opened[0]
        yield entry
        if (following := next(entries, None)) is not None:
            heapq.heapreplace(opened, (following["time"], place, following, entries))
        else:
            heapq.heappop(opened)


def read_lines(log: LogFile) -> Iterator[bytes | None]:
    """Yield the lines of a file, and None in place of a rest that is cut off.

    Raises
    ------
    UnavailableError : it cannot be read.
    """
    try:
        with log.open() as file, gzip.GzipFile(fileobj=file) if log.is_compressed else file as lines:
            yield from lines
    except FileNotFoundError:  # it was deleted since it was found, being too old
        return
    except (EOFError, gzip.BadGzipFile, zlib.error):
        yield None
    except OSError as error:
        raise UnavailableError(
            f"The file {log.name} of the service's log cannot be read: {' '.join(str(error).split())[:200]}.",
            fix="Check its permissions, or the object store and the network, and run it again.",
        ) from None


@dataclass(frozen=True)
class AnsweredBy:
    """The version that answered rows of a request, and when, in seconds since 1970."""

    version: str
    rows: int
    time: float


def find_request(files: Sequence[LogFile], request_id: str, since: float, until: float) -> list[AnsweredBy]:
    """Return which versions answered a request, between two times, the earliest first.

    A client may use an ID again; a line that is there several times counts once.
    """
    found: dict[tuple[str, float], set[int]] = {}
    quoted = orjson.dumps(request_id)
    for log in files:
        for line in read_lines(log):
            if line is None or quoted not in line:
                continue
            with suppress(orjson.JSONDecodeError, TypeError, KeyError):
                entry = orjson.loads(line)
                is_line = isinstance(entry, dict) and is_readable(entry, log.name)
                if is_line and entry["request_id"] == request_id and since <= entry["time"] <= until:
                    found.setdefault((str(entry["version"]), float(entry["time"])), set()).add(entry["row"])
    return sorted((AnsweredBy(version, len(rows), time) for (version, time), rows in found.items()), key=lambda it: it.time)
