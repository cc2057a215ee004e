"""The shared folder of a service's workers: metrics and the drain flag."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from recipeline.errors import UnavailableError

_PREFIX, _LOCK, _DRAINING = "recipeline-service-", "lock", "draining"


@contextlib.contextmanager
def open_meeting() -> Iterator[Path]:
    """Yield a new temporary folder, deleted after the block.

    Folders of services that were killed are deleted first. A folder is in use as long as a process of its service holds the
    lock on a file in it: forks hold it together.

    Raises
    ------
    UnavailableError : no temporary folder can be written, as on a full disk.
    """
    with contextlib.ExitStack() as stack:
        try:
            for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
                _remove_left(left)
            made = tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True)
            folder = Path(stack.enter_context(made))
            (folder / _DRAINING).write_bytes(b"\0")
            file = stack.enter_context((folder / "new").open("wb"))
            fcntl.flock(file, fcntl.LOCK_EX)
            (folder / "new").rename(folder / _LOCK)  # never there without being held
        except OSError as error:
            raise UnavailableError(
                f"The service cannot write temporary files: {error.strerror}.",
                fix="Free space for them, or name a folder in TMPDIR.",
            ) from None
        yield folder


def _remove_left(folder: Path) -> None:
    with contextlib.suppress(OSError):
        file = os.open(folder / _LOCK, os.O_RDONLY | os.O_NONBLOCK)  # a pipe, of whoever may write here, would be waited for
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(file)


def begin_drain(folder: Path) -> None:
    """Tell all workers to drain."""
    with (folder / _DRAINING).open("r+b", buffering=0) as file:
        file.write(b"\1")


def drain_reader(folder: Path) -> Callable[[], bool]:
    """Return a function that returns whether the service drains.

    It makes no system call.
    """
    with (folder / _DRAINING).open("rb") as file:
        flag = mmap.mmap(file.fileno(), 1, access=mmap.ACCESS_READ)
    return lambda: flag[0] != 0
