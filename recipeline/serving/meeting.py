"""The folder where the workers of a service meet: their metrics, and the flag that says that the service is about to end."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

_PREFIX, _LOCK, _DRAINING = "recipeline-service-", "lock", "draining"


@contextlib.contextmanager
def open_meeting() -> Iterator[Path]:
    """Make a folder in the temporary one, remove it after the block; those of services that were killed are removed first.

    A folder is in use as long as a process of its service holds the lock on a file in it: forks hold it together.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        _remove_left(folder)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / _DRAINING).write_bytes(b"\0")
        with (folder / "new").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            (folder / "new").rename(folder / _LOCK)  # never there without being held
            yield folder


def _remove_left(folder: Path) -> None:
    with contextlib.suppress(OSError), (folder / _LOCK).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)


def begin_drain(folder: Path) -> None:
    """Tell all workers that the service is about to end."""
    with (folder / _DRAINING).open("r+b", buffering=0) as file:
        file.write(b"\1")


def drain_reader(folder: Path) -> Callable[[], bool]:
    """Return a function that tells whether the service is about to end; it costs no call of the system."""
    with (folder / _DRAINING).open("rb") as file:
        flag = mmap.mmap(file.fileno(), 1, access=mmap.ACCESS_READ)
    return lambda: flag[0] != 0
