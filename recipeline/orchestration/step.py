"""Steps: the interface of a step, of its progress and of its card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from recipeline.artifacts import Artifact
from recipeline.engine.workers import Call
from recipeline.orchestration.trail import Trail

Params = Mapping[str, str]


#: Why a step is run that is never reused.
ALWAYS = "always run"


class Drawn(Protocol):
    """A card as a page, its plots as PNG files by name, and drawing errors."""

    html: str
    plots: dict[str, bytes]
    failures: list[str]


class Draw(Protocol):
    """A function that returns the call that draws the card of a step.

    The call, which any process can make, returns a `Drawn`. The card is made of `results()`; `origin` names its run; `trail`
    leads to other cards.
    """

    def __call__(
        self,
        step: str,
        results: Callable[[], object],
        origin: str,
        error: BaseException | None = None,
        trail: Trail | None = None,
    ) -> Call: ...


class Reporter(Protocol):
    """The display of progress; the command line's writes to stderr."""

    def begin(self, name: str, reason: str = "") -> None:
        """Show that a step begins, and why it is run."""

    def say(self, text: str) -> None:
        """Show a line."""

    def advance(self, label: str, done: int, total: int) -> None:
        """Show the progress of work that takes more than a second."""

    def tick(self, text: str) -> None:
        """Show the progress of work of unknown length; most calls print nothing."""


@dataclass(frozen=True)
class Step:
    """A step: its work, and the settings and content that its result depends on.

    `work(session, run, **params)` runs it and returns a line or a table for people. `inputs(session, **params)` returns the
    relevant settings as nested values; `content(session, **params)` the digests of outside data; `check(session, **params)`
    raises failures that can be known before anything runs. A step may read the artifacts in `reads` and those it has written,
    and write those in `writes`; None: any.
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
