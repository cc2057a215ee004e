"""Files that workers share through memory maps, with their space on the disk.

A page of a map that the disk has no room for ends the process by a signal (SIGBUS), at its first use: a full disk would end all
workers, and each that is begun in their place. Here a full disk is an error, or of no effect.
"""

from __future__ import annotations

import errno
import io
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import IO

from prometheus_client import mmap_dict

_LOG = logging.getLogger("service")

_PART = 1 << 16

#: What a file system says that cannot reserve space, as NFS before 4.2; EBADF comes from the C library's own try, for a file
#: that is opened to append.
_UNABLE = (errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF, errno.ENODEV, errno.ENOSYS)


def allocate(file: int, size: int) -> None:
    """Let an open file have `size` bytes at least, all of them on the disk.

    Raises
    ------
    OSError : there is no room for them.
    """
    if hasattr(os, "posix_fallocate"):  # not on macOS
        try:
            os.posix_fallocate(file, 0, size)
        except OSError as error:
            if error.errno not in _UNABLE:
                raise
        else:
            return
    for start in range(os.fstat(file).st_size, size, _PART):
        os.pwrite(file, bytes(min(_PART, size - start)), start)


class AllocatedFile(io.FileIO):
    """A file of metrics, as prometheus_client opens it to be mapped.

    Where the disk has no room for it, or for more of it, it goes on in memory: what it counts from then on is in no answer,
    not of its own worker either.
    """

    def truncate(self, size: int | None = None, /) -> int:
        """Give the file a greater size."""
        assert size is not None
        try:
            allocate(self.fileno(), size)
        except OSError as error:
            memory = _open_in_memory()
            if memory is None:
                return super().truncate(size)
            _LOG.warning("the metrics of worker %d are kept in its memory: %s", os.getpid(), error.strerror)
            self._move(memory, size)
        return size

    def _move(self, memory: int, size: int) -> None:
        before = os.fstat(self.fileno()).st_size
        try:
            os.ftruncate(memory, size)
            os.pwrite(memory, os.pread(self.fileno(), before, 0), 0)
            if not before:  # an empty file is none that the others can read
                with suppress(FileNotFoundError):
                    Path(self.name).unlink()
            os.dup2(memory, self.fileno(), inheritable=False)
        finally:
            os.close(memory)


def _open_in_memory() -> int | None:
    """Return an open file in memory; None where the system has none, as macOS."""
    return os.memfd_create("metrics") if hasattr(os, "memfd_create") else None


def _open(name: str, mode: str) -> IO[bytes] | io.FileIO:
    return AllocatedFile(name, mode) if mode == "a+b" else Path(name).open(mode)


def allocate_metrics() -> None:
    """Let prometheus_client have the space of its files on the disk."""
    mmap_dict.open = _open  # type: ignore[attr-defined]
