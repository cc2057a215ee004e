"""Files of the prediction log: begun, appended to, and finished by one process."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path

from recipeline.monitoring.live.log_files import PREFIX, Writer, is_log, unique_of

_DAY = 24 * 3600

#: A clock that is slowly corrected is not set.
_STEP_SECONDS = 60.0


class RotatingFiles:
    """Log files in a folder, of at most `max_bytes` each; old ones are deleted.

    Files of other processes, and those that others have compressed (``.jsonl.gz``), are deleted too, `keep_days` after their
    last line; with `is_archived` only those that the archiver does not take. A file exceeds `max_bytes` only if it holds a
    single line. It belongs to one process, which holds a lock on it until it is finished: when it is full or `max_seconds` old,
    when the clock was set, or the process ends, however it does.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: float,
        keep_days: float = float("inf"),
        max_seconds: float = float("inf"),
        is_archived: bool = False,
    ) -> None:
        self.folder = folder
        self._max_bytes, self._max_seconds, self._keep_seconds = int(max_bytes), max_seconds, keep_days * _DAY
        self._names = Writer(socket.gethostname(), os.getpid())
        self._is_archived = is_archived
        self._path, self._held, self._began, self._ahead = Path(), -1, 0.0, 0.0
        self._swept = 0.0
        self._writing = threading.Lock()

    def write(self, lines: bytes) -> None:
        """Append complete lines.

        Raises
        ------
        OSError : the file cannot be written.
        """
        with self._writing:
            while lines:
                room = self._room()
                end = len(lines) if len(lines) <= room else lines.rfind(b"\n", 0, room) + 1
                if not end and room == self._max_bytes:
                    end = lines.index(b"\n") + 1
                if end:
                    _append(self._path, lines[:end])
                else:
                    self._finish()
                lines = lines[end:]
            self._sweep()

    def finish(self, *, only_old: bool = False) -> None:
        """Finish the file, or only one that is old enough; the next line begins another."""
        with self._writing:
            if not only_old or self._is_old():
                self._finish()

    def _finish(self) -> None:
        if self._held >= 0:
            os.close(self._held)
        self._held = -1

    def _is_old(self) -> bool:
        # Lines from before and after a step of the clock are not in one file, whose name would tell a time of days.
        is_stepped = abs(_ahead() - self._ahead) > _STEP_SECONDS
        return is_stepped or time.monotonic() - self._began > self._max_seconds

    def _room(self) -> int:
        """Return the free bytes of the file to append to; a deleted one is replaced."""
        if self._held < 0 or self._is_old() or not _is_at(self._held, self._path):
            self._finish()
            self._begin()
        return max(self._max_bytes - os.fstat(self._held).st_size, 0)

    def _begin(self) -> None:
        """Create an empty file that no other process writes to or takes as finished."""
        self.folder.mkdir(parents=True, exist_ok=True)
        while self._held < 0:
            path = self.folder / self._names.next_name()
            with suppress(FileExistsError):
                path.touch(exist_ok=False)
                # Another process that sees it before it is locked may have taken it for a finished one.
                self._path, self._held, self._began = path, own(path, must_lock=False), time.monotonic()
                self._ahead = _ahead()

    def _sweep(self) -> None:
        now = time.time()
        if now - self._swept < 3600:
            return
        self._swept = now
        for path in self.folder.glob(f"{PREFIX}*"):
            with suppress(FileNotFoundError):
                waits = self._is_archived and unique_of(path.name)
                if is_log(path) and not waits and now - path.stat().st_mtime > self._keep_seconds:
                    path.unlink()


def _ahead() -> float:
    """Return how far the clock of the day is ahead of the one that is never set."""
    return time.time() - time.monotonic()


def own(path: Path, *, must_lock: bool = True) -> int:
    """Return a descriptor of a file that nobody else owns; -1: somebody does.

    It is no file if it is a link, a folder or a pipe. The kernel releases it when the process ends. Where the file system has
    no locks and none must be, the descriptor is returned.

    Raises
    ------
    OSError : the file system has no locks, or the file cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return -1
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            return -1
        raise
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and _lock(descriptor, must_lock) and _is_at(descriptor, path):
            return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return -1


def _lock(descriptor: int, must: bool) -> bool:
    """Return whether a file is locked, or cannot be and need not."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        if must:
            raise
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _append(path: Path, lines: bytes) -> None:
    """Append to a file, all or nothing, so that no line continues a partial one."""
    with path.open("ab", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        if file.write(lines) < len(lines):
            file.truncate(size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
