"""A step as the chain sees it, and what it is given: progress and cards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from recipeline.artifacts import Artifact

Params = Mapping[str, str]


#: Why a step is run that is never reused.
ALWAYS = "always run"


class Drawn(Protocol):
    """A card as a page, its plots as PNG files by name, and what could not be drawn."""

    html: str
    plots: dict[str, bytes]
    failures: list[str]


class Draw(Protocol):
    """Returns the card of a step, made of `results()`; `origin` says which run it is about."""

    def __call__(self, step: str, results: Callable[[], object], origin: str, error: BaseException | None = None) -> Drawn: ...


class Reporter(Protocol):
    """Where progress goes; the command line's writes to stderr."""

    def begin(self, name: str, reason: str = "") -> None:
        """Show that a step begins, and why it is run."""

    def say(self, text: str) -> None:
        """Show a line."""

    def advance(self, label: str, done: int, total: int) -> None:
        """Show how far something is that takes more than a second."""

    def tick(self, text: str) -> None:
        """Show how far something is whose end is not known; most of what it is told is left out."""


@dataclass(frozen=True)
class Step:
    """A step: what it does, and which part of recipe and profile, and which content, its result depends on.

    `work(session, run, **params)` does it and returns a line or a table for people. `inputs(session, **params)` returns the
    settings that count, as nested values; `content(session, **params)` the digests of what it reads from outside;
    `check(session, **params)` raises what can be known to fail before anything runs. While it works, a step may read the
    artifacts of `reads` and those it has written, and write those of `writes`; None: any.
    """

    name: str
    work: Callable[..., str]
    inputs: Callable[..., dict[str, Any]]
    params: tuple[str, ...] = ()
    content: Callable[..., dict[str, str]] | None = None
    check: Callable[..., object] | None = None
    uses_workers: bool = False
    reads: tuple[Artifact[Any], ...] | None = None
    writes: tuple[Artifact[Any], ...] | None = None
