"""Stdout of a command: its result alone; everything else goes to stderr."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from recipeline.cli.output.results import CommandResult
from recipeline.cli.output.terminal import echo
from recipeline.records import to_plain

#: Whether the object of the process is on stdout, or on its way there: there must not be another one.
PRINTED = threading.Event()


@contextlib.contextmanager
def kept_stdout() -> Iterator[TextIO]:
    """Send all output in the block to stderr; yield a stream to stdout.

    In a process of its own that holds for other libraries' C code and for child processes too.
    """
    with contextlib.ExitStack() as stack:
        is_own = sys.stdout is sys.__stdout__ and sys.stdout is not None  # None: it is closed
        stream = stack.enter_context(_kept_descriptor()) if is_own else sys.stdout
        with contextlib.redirect_stdout(sys.stderr):
            yield stream


@contextlib.contextmanager
def _kept_descriptor() -> Iterator[TextIO]:
    """Let descriptor 1 be stderr for the block; yield a stream to what it was.

    Where stderr is closed, output is dropped.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        if kept == 2:  # stderr was closed, and the copy took its place
            kept = os.dup(1)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.dup2(2, 1)
        with open(kept, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors, closefd=False) as stream:
            yield stream
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def print_json(result: CommandResult, stream: TextIO | None = None) -> None:
    """Print the object of a command as one line of JSON.

    NaN and infinity, which JSON has not, are null.
    """
    line = json.dumps(_finite(to_plain(result)), ensure_ascii=False, allow_nan=False, default=_as_plain)
    PRINTED.set()  # before: a signal may arrive at any moment of what follows
    echo(line, file=stream, as_is=True)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(it) for key, it in value.items()}
    return [_finite(it) for it in value] if isinstance(value, list) else value


def _as_plain(value: Any) -> Any:
    """Return a number of numpy as Python's own, anything else as text."""
    return _finite(value.item()) if hasattr(value, "item") else str(value)
