"""Finished files of the prediction log, moved to an archive by a thread.

A file is deleted here after the archive has all of its bytes, under a name that its content decides: whatever is interrupted is
done again, with the same object as its result.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import stat
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from recipeline.data.origin.uris import redact, scrub
from recipeline.monitoring.live.log_files import archived_name, read_times, unique_of
from recipeline.serving.logs.files import RotatingFiles, own
from recipeline.serving.prometheus import ArchiveMetrics

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

_LOG = logging.getLogger("service")

_PAUSE_SECONDS, _LONGEST_PAUSE = 1.0, 60.0

#: Files that wait are told so often.
_TELL_SECONDS = 60.0

#: After so many failures in a row the archive is away, and not asked for the rest.
_FAILURES = 3

#: At the end of the service its files are moved for so long.
_END_SECONDS = 8.0

_CHUNK = 1 << 18

#: Level 3 takes half the time of zlib's own, for a tenth more bytes.
_LEVEL = 3

#: Who deletes files for want of space holds a lock on this one.
_SWEEP = ".archive.lock"


class Archiver:
    """Moves finished files of a folder to an archive, also those of dead workers.

    `open_archive` returns a file system and a path; it is called again after failures. Files that wait have at most
    `disk_bytes` together; beyond, the oldest are deleted, and their lines counted.
    """

    def __init__(
        self,
        files: RotatingFiles,
        place: str,
        open_archive: Callable[[], tuple[FileSystem, str]],
        metrics: ArchiveMetrics,
        dropped: Callable[[int], object],
        *,
        disk_bytes: float = float("inf"),
        pause_seconds: float = _PAUSE_SECONDS,
    ) -> None:
        self._files, self._place, self._open, self._metrics, self._dropped = files, place, open_archive, metrics, dropped
        self._disk_bytes, self._pause = disk_bytes, pause_seconds
        self._archive: tuple[FileSystem, str] | None = None
        self._failed: Counter[str] = Counter()
        self._rounds, self._tell_at, self._ends_at = 0, 0.0, float("inf")
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="archive", daemon=True)

    def start(self) -> None:
        """Begin to move files."""
        self._thread.start()

    def close(self) -> None:
        """Finish the file at hand and move what can be moved within seconds."""
        self._ends_at = time.monotonic() + _END_SECONDS
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=_END_SECONDS)
        if left := len(self._names()):
            _LOG.warning("%d files of the prediction log wait in %s for the next start", left, self._files.folder)

    @property
    def pause_seconds(self) -> float:
        """The time until the next round: longer after each failed one, a minute at most."""
        return min(self._pause * 2.0 ** min(self._rounds, 20), _LONGEST_PAUSE)

    def move(self) -> None:
        """Move all finished files that nobody else moves, the oldest first.

        Failures are counted and told; the files stay.
        """
        self._limit_disk()
        failures, reason = 0, ""
        for name in sorted(self._names(), key=lambda name: (self._failed[name], name)):
            if failures >= _FAILURES or time.monotonic() > self._ends_at:
                break
            try:
                if self._move(self._files.folder / name):
                    self._metrics.files.inc()
                    failures = 0
            except Exception as error:  # of a dozen clients' or of the disk: it is told, and the file is tried again
                failures, reason = failures + 1, " ".join(scrub(str(error), self._place).split())[:300]
                self._failed[name] += 1
                self._metrics.failures.inc()
                self._archive = None
        self._rounds = self._rounds + 1 if reason else 0
        if reason and time.monotonic() >= self._tell_at:
            self._tell_at = time.monotonic() + _TELL_SECONDS
            waiting = len(self._names())
            _LOG.warning("%d files of the prediction log wait for the archive %s: %s", waiting, redact(self._place), reason)

    def _run(self) -> None:
        while not self._closing.wait(self.pause_seconds):
            self._files.finish(only_old=True)
            self._move_all()
        self._files.finish()
        self._move_all()

    def _move_all(self) -> None:
        try:
            self.move()
        except Exception:  # a bug, or the folder is gone: it is told, and must not end the thread
            self._rounds += 1
            _LOG.exception("the files of the prediction log cannot be moved")

    def _names(self) -> list[str]:
        """Return the names of the files of this log, finished or not, the oldest first."""
        with suppress(FileNotFoundError):
            return sorted(name for name in os.listdir(self._files.folder) if unique_of(name))  # noqa: PTH208 - names alone
        return []

    def _move(self, path: Path) -> bool:
        """Move a file unless another process owns it; return whether it was moved."""
        with _owned(path) as file:
            if file is None:
                return False
            if not (size := os.fstat(file.fileno()).st_size):
                path.unlink()
                return False
            name = archived_name(path.name, read_times(file))
            file.seek(0)
            filesystem, folder = self._archive = self._archive or self._open()
            put(filesystem, f"{folder}/{name}", _compressed(file))
            if os.fstat(file.fileno()).st_size != size:  # not by us: a finished file has an end
                raise OSError(f"{path.name} grew while it was moved")
            path.unlink()
        self._failed.pop(path.name, None)
        return True

    def _limit_disk(self) -> None:
        """Delete the oldest finished files until the rest fits; count their lines.

        Files of other names, as of an earlier version, do not wait: no deletion of ours makes them fewer.
        """
        sizes: dict[str, int] = {}
        for name in self._names():
            with suppress(FileNotFoundError):  # another worker has moved it
                found = (self._files.folder / name).lstat()
                sizes[name] = found.st_size if stat.S_ISREG(found.st_mode) else 0
        waiting = sum(sizes.values())
        self._metrics.waiting.set(waiting)
        if waiting <= self._disk_bytes:
            return
        with (self._files.folder / _SWEEP).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            for name, size in sizes.items():
                path = self._files.folder / name
                if waiting <= self._disk_bytes:
                    return
                with _owned(path) as file:
                    if file is not None:
                        lines = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_CHUNK), b""))
                        path.unlink()
                        waiting -= size
                        self._dropped(lines)
                        _LOG.error("disk_mb: %s was deleted before it was archived, with %d lines", name, lines)


@contextmanager
def _owned(path: Path) -> Iterator[IO[bytes] | None]:
    """Yield a file that nobody else owns; None: somebody does."""
    if (descriptor := own(path)) < 0:
        yield None
        return
    with os.fdopen(descriptor, "rb") as file:
        yield file


def _compressed(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the content compressed, the same bytes for the same content."""
    gzip = zlib.compressobj(_LEVEL, wbits=31)
    while chunk := file.read(_CHUNK):
        yield gzip.compress(chunk)
    yield gzip.flush()


def put(filesystem: FileSystem, path: str, chunks: Iterator[bytes]) -> None:
    """Write a file whole, or not at all; one that exists is replaced.

    Raises
    ------
    OSError : it cannot be written, or the store does not have all of it.
    """
    from pyarrow.fs import LocalFileSystem

    if isinstance(filesystem, LocalFileSystem):
        _put_here(Path(path), chunks)
        return
    size = 0
    with filesystem.open_output_stream(path, compression=None) as stream:
        for chunk in chunks:
            size += len(chunk)
            stream.write(chunk)
    if (found := filesystem.get_file_info(path).size) != size:
        raise OSError(f"the store has {found} of {size} bytes")


def _put_here(path: Path, chunks: Iterator[bytes]) -> None:
    """Write a file of this machine and rename it when it is on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
