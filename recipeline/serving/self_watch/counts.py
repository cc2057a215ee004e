"""Counts of rows by bin, in files shared by all workers."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import uuid
from contextlib import suppress
from pathlib import Path

import numpy as np

_MOST = 2**48


class Counts:
    """The counts of one process in a file: two numbered halves of a window.

    The halves with the highest number, of all files of the folder, are the current half of the window, those with the number
    before it the previous one; older ones are ignored. Once the current half has `half` rows, of all processes together, the
    next rows begin another one: counts of idle or ended processes expire together with those of the others.

    The process holds a lock on its file as long as it lives; a file without a lock is that of a process that ended: another one
    takes it over, or deletes it when its halves are old. A half has no number while it is emptied, so that a killed process
    loses counts and doubles none.
    """

    def __init__(self, folder: Path, size: int, half: int) -> None:
        self._folder, self._size, self._half = folder, size, half
        folder.mkdir(exist_ok=True)
        self._file, self.path = self._take()
        self._map = mmap.mmap(self._file, _file_bytes(size))
        self._halves = np.frombuffer(self._map, dtype=np.int64).reshape(2, -1)

    def add(self, counts: np.ndarray, rows: int) -> None:
        """Add the counts of some rows."""
        halves = [half for file in _read_files(self._folder, self._size) for half in file]
        current = max([1, *(int(half[0]) for half in halves)])
        if sum(int(half[1]) for half in halves if half[0] == current) >= self._half:
            current += 1
        mine = self._halves[current % 2]
        if mine[0] != current:
            mine[0] = 0
            mine[1:] = 0
            mine[0] = current
            self._sweep(current)
        mine[2:] += counts
        mine[1] += rows

    def _take(self) -> tuple[int, Path]:
        """Return a locked file: of a process that ended, or a new one of full size."""
        size = _file_bytes(self._size)
        candidates = [*sorted(self._folder.glob("*.counts")), self._folder / f"{uuid.uuid4().hex}.counts"]
        for path in candidates:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _parse(os.pread(file, size + 1, 0), self._size) is None:
                    _fill(file, size)
            except BlockingIOError:
                os.close(file)
                continue
            except OSError:
                os.close(file)
                raise
            if os.fstat(file).st_nlink:
                return file, path
            os.close(file)  # it was swept away meanwhile
        raise OSError("no file could be locked")

    def _sweep(self, current: int) -> None:
        """Delete the files of ended processes whose halves are both old.

        An empty file is being created and is left alone.
        """
        for path in self._folder.glob("*.counts"):
            with suppress(OSError):
                file = os.open(path, os.O_RDWR)
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    halves = _parse(os.pread(file, _file_bytes(self._size) + 1, 0), self._size)
                    is_over = halves is not None and halves[:, 0].max() < current - 1
                    if is_over:
                        path.unlink()
                finally:
                    os.close(file)

    def close(self) -> None:
        """Release the file; the counts stay."""
        del self._halves
        self._map.close()
        os.close(self._file)


def read_counts(folder: Path, size: int) -> tuple[int, np.ndarray]:
    """Return the rows and counts in the window, over all files of a folder.

    Truncated and damaged files are left out.
    """
    total = np.zeros(1 + size, dtype=np.int64)
    halves = [half for file in _read_files(folder, size) for half in file]
    current = max((int(half[0]) for half in halves), default=0)
    for half in halves:
        if half[0] > max(current - 2, 0):
            total += half[1:]
    return int(total[0]), total[1:]


def _read_files(folder: Path, size: int) -> list[np.ndarray]:
    found = []
    for path in folder.glob("*.counts"):
        with suppress(OSError):
            halves = _parse(path.read_bytes(), size)
            if halves is not None:
                found.append(halves)
    return found


def _parse(content: bytes, size: int) -> np.ndarray | None:
    """Return the two halves of a file's content; None if no process wrote it."""
    if len(content) != _file_bytes(size):
        return None
    halves: np.ndarray = np.frombuffer(content, dtype=np.int64).reshape(2, -1)
    return None if halves.min() < 0 or halves.max() > _MOST else halves


def _fill(file: int, size: int) -> None:
    """Fill a file with zeros, so that a full disk is an error here.

    Otherwise it would be a signal at a later write through the map.
    """
    os.ftruncate(file, 0)
    if os.pwrite(file, bytes(size), 0) < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _file_bytes(size: int) -> int:
    return 8 * 2 * (2 + size)
