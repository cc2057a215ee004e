"""Folders of unfinished work; the next command deletes those of a killed one."""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LOCK = "lock"


@contextmanager
def unfinished_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Yield a new folder in `parent`, deleted after the block.

    Folders of the same prefix that a killed command left are deleted first. A folder is in use as long as a process holds the
    lock on a file in it (forks hold it together); where the file system has no locks, none is deleted.

    Raises
    ------
    OSError : `parent` cannot be written.
    """
    for folder in parent.glob(f"{glob.escape(prefix)}*"):
        _remove_left(folder)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with (folder / "new").open("wb") as file:
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX)
                (folder / "new").rename(folder / _LOCK)  # never there without being held
            yield folder


def _remove_left(folder: Path) -> None:
    with suppress(OSError):
        file = os.open(folder / _LOCK, os.O_RDONLY | os.O_NONBLOCK)  # a pipe, of whoever may write here, would be waited for
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(file)
