"""Workers tell their parent that they have begun, or why they cannot.

Work that they all begin with can be tried before, in a process of its own.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from typing import TypeVar

from recipeline.errors import RecipelineError, UnavailableError

T = TypeVar("T")

#: A line is written whole, and several are never mixed; a pipe holds at least so many bytes.
_LINE_BYTES, _PIPE_BYTES = 1000, 1 << 16

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Failure:
    """The reason why a worker could not begin; a bug has left its traceback."""

    words: str
    is_bug: bool = False
    is_full: bool = False

    def as_error(self) -> Exception:
        """Return the error that ends a service none of whose workers can begin."""
        if self.is_bug:
            return RuntimeError(f"a worker of the service cannot begin: {self.words}; its traceback is above")
        fix = "Free space for temporary files, or name a folder in TMPDIR." if self.is_full else "Correct it, and start again."
        return UnavailableError(f"A worker of the service cannot begin: {self.words.rstrip('.')}.", fix=fix)


def explain(error: BaseException) -> Failure:
    """Return why a worker that `error` ended could not begin."""
    if isinstance(error, RecipelineError):
        return Failure(error.sentence)
    if isinstance(error, OSError):
        place = f", at '{error.filename}'" if error.filename else ""
        return Failure(f"{error.strerror or error}{place}", is_full=error.errno in _NO_ROOM)
    return Failure(f"{type(error).__name__}: {error}", is_bug=True)


@dataclass(frozen=True)
class Beginnings:
    """A pipe from the workers of a service to their parent, made before the workers."""

    ends: tuple[Connection, Connection] = field(default_factory=lambda: Pipe(duplex=False))

    def begin(self, make: Callable[[], T]) -> T:
        """Return what `make` returns in a worker; tell the parent how it ended.

        The parent says an expected failure; a bug leaves its traceback here. So does a hook that calls sys.exit(0), by which
        Python would end the worker without a word.
        """
        try:
            made = make()
        except BaseException as error:
            failure = explain(error)
            self.tell(failure)
            if isinstance(error, SystemExit):
                traceback.print_exc()
            elif failure.is_bug:
                raise
            sys.exit(1)
        self.tell()
        return made

    def tell(self, failure: Failure | None = None) -> None:
        """Tell the parent that this worker has begun, or its failure."""
        words = " ".join(failure.words.split()) if failure else ""
        mark = "+" if failure is None else "b" if failure.is_bug else "f" if failure.is_full else "-"
        os.write(self.ends[1].fileno(), f"{mark}{words}".encode(errors="replace")[:_LINE_BYTES] + b"\n")

    def read(self) -> tuple[int, list[Failure]]:
        """Return how many workers have begun since the last reading, and the failures."""
        if not self.ends[0].poll():
            return 0, []
        lines = os.read(self.ends[0].fileno(), _PIPE_BYTES).decode(errors="replace").splitlines()
        failed = [Failure(line[1:], line[0] == "b", line[0] == "f") for line in lines if line[0] != "+"]
        return len(lines) - len(failed), failed


def find_failure(work: Callable[[], object], seconds: float) -> str:
    """Do `work` in a process that ends with it; return why it failed, "" if not.

    Files that it opens there are closed, and threads that it starts end. It fails too if it takes longer than `seconds`.
    """
    told, tell = Pipe(duplex=False)
    trial = get_context("fork").Process(target=_do, args=(work, tell))
    trial.start()
    tell.close()
    try:
        if not told.poll(seconds):
            return f"which did not return within {seconds:g} s"
        try:
            return told.recv_bytes().decode()
        except EOFError:
            trial.join()
            return f"which ended its process (exit code {trial.exitcode})"
    finally:
        trial.kill()
        trial.join()
        told.close()


def _do(work: Callable[[], object], tell: Connection) -> None:
    try:
        work()
        reason = ""
    except BaseException:
        traceback.print_exc()
        reason = "which failed; its traceback is above"
    tell.send_bytes(reason.encode())
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)  # waits for no thread
