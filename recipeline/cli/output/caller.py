"""The program that calls a command, as a notebook does; None: it was typed."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from recipeline.cli.output.progress import Progress
from recipeline.data.origin.uris import redact
from recipeline.orchestration.step import Reporter


@dataclass(frozen=True)
class Caller:
    """A program that calls commands: its project's folder and progress display.

    `frames` names the frames that are files for the time of a call, by path.
    """

    folder: Path
    reporter: Reporter
    frames: Mapping[str, str] = field(default_factory=dict)


#: The caller; None: the command was typed.
CALLER: ContextVar[Caller | None] = ContextVar("CALLER", default=None)


def reporter() -> Reporter:
    """Return the progress display: the caller's, or stderr."""
    caller = CALLER.get()
    return caller.reporter if caller else Progress()


def name_rows(place: str) -> str:
    """Return a name for the rows at a path or URI that may be shown and kept.

    It has no credentials; a frame of the caller has its own.
    """
    caller = CALLER.get()
    frames = caller.frames if caller else {}
    return frames.get(place) or redact(place)
