"""Output to the terminal, within its width and in its colours."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import textwrap
from datetime import datetime
from typing import TextIO

import click

from recipeline.errors import EndedError, UnavailableError
from recipeline.escape import for_terminal

#: Highlighted words: outcomes and verdicts, as whole words.
_COLOURS = {
    "green": r"promoted|validated|VALIDATED|ready|OK|Nothing is broken",
    "yellow": r"kept|warning|Warning|WARN|synthetic|SYNTHETIC",
    "red": r"rejected|Rejected|REJECTED|DRIFT|broken|failed|FAILED",
    "cyan": r"new|◀",
}
_WORDS = re.compile("|".join(rf"(?P<{colour}>(?<![\w-])(?:{words})(?![\w-]))" for colour, words in _COLOURS.items()))
_FRAME = frozenset("┌├└│")
_USUAL_WIDTH = 80


def echo(text: str, *, err: bool = False, nl: bool = True, file: TextIO | None = None, as_is: bool = False) -> None:
    """Print text to stdout, stderr or another stream, control characters escaped.

    On a terminal, unless `as_is`, long lines are wrapped and indented, and outcomes are coloured where NO_COLOR is not set.
    Nothing is printed to a closed stream. Text that stderr does not take is lost: work goes on though its log is full. A
    reader of stdout that is gone, as `head`, ends the process with 141, as it ends other programs.

    Raises
    ------
    UnavailableError : stdout cannot be written to.
    """
    shown, stream = for_terminal(text), file or (sys.stderr if err else sys.stdout)
    if stream is None:
        return
    if stream.isatty() and not as_is:
        shown = fit(shown, _width(stream))
        if not os.environ.get("NO_COLOR"):
            shown = _WORDS.sub(lambda found: click.style(found[0], fg=found.lastgroup), shown)
    try:
        click.echo(shown, err=err, nl=nl, file=file)
    except OSError as error:
        _forget(stream)
        if stream is sys.stderr:
            return
        if isinstance(error, BrokenPipeError):
            raise EndedError(128 + signal.SIGPIPE) from None
        raise UnavailableError(
            f"The result cannot be written to stdout: {error.strerror}.", fix="Free space on its disk, or send it elsewhere."
        ) from None


def _forget(stream: TextIO) -> None:
    """Drop what a stream could not write.

    The interpreter would try it again at its end.
    """
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def local_time(time: datetime) -> str:
    """Return a time to the second with this machine's offset."""
    return time.astimezone().isoformat(sep=" ", timespec="seconds")


def _width(stream: TextIO) -> int:
    try:
        return int(os.environ.get("COLUMNS") or os.get_terminal_size(stream.fileno()).columns) or _USUAL_WIDTH
    except (OSError, ValueError):
        return _USUAL_WIDTH


def fit(text: str, width: int) -> str:
    """Return text with lines wrapped at `width`.

    Tables, and words or paths that are longer than `width`, are left as they are.
    """
    lines: list[str] = []
    for line in text.split("\n"):
        if len(line) <= width or line[:1] in _FRAME:
            lines.append(line)
            continue
        indent = line[: len(line) - len(line.lstrip())]
        lines += textwrap.wrap(
            line,
            width,
            subsequent_indent=f"{indent}  ",
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
        )
    return "\n".join(lines)
