"""The shared folder of a service's workers: metrics and the drain flag."""

from __future__ import annotations

import contextlib
import mmap
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from recipeline.data.origin.unfinished import unfinished_folder
from recipeline.errors import UnavailableError

_PREFIX, _DRAINING = "recipeline-service-", "draining"


@contextlib.contextmanager
def open_meeting() -> Iterator[Path]:
    """Yield a new temporary folder, deleted after the block.

    Folders of services that were killed are deleted first.

    Raises
    ------
    UnavailableError : no temporary folder can be written, as on a full disk.
    """
    with contextlib.ExitStack() as stack:
        with needing_room():
            folder = stack.enter_context(unfinished_folder(Path(tempfile.gettempdir()), _PREFIX))
            (folder / _DRAINING).write_bytes(b"\0")
        yield folder


@contextlib.contextmanager
def needing_room() -> Iterator[None]:
    """Turn the error of a disk that takes no temporary file into an UnavailableError."""
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            f"The service cannot write temporary files: {error.strerror}.",
            fix="Free space for them, or name a folder in TMPDIR.",
        ) from None


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
