"""What a card is made of: sentences, facts, tables and plots, all plain values. How they look is for `page` to know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from recipeline.artifacts import Artifact
from recipeline.config.recipe import Recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

T = TypeVar("T")

Cell = str | int | float | bool | None

Tone = Literal["plain", "good", "warning", "bad"]


class Results(Protocol):
    """What a step's run has saved and the runs that it was made from, by the names that `recipeline.artifacts` gives."""

    @property
    def recipe(self) -> Recipe:
        """What was learned."""

    def load(self, artifact: Artifact[T]) -> T:
        """Return what was saved."""

    def has(self, artifact: Artifact[Any]) -> bool:
        """Whether it was saved."""

    def tag(self, name: str) -> str:
        """Return a tag ``recipeline.<name>`` of the run; empty where it has none."""


@dataclass(frozen=True)
class Note:
    """A sentence; its tone says how it is meant."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Facts:
    """Values by name. Numbers stay numbers: the page rounds what it shows, and keeps the whole value beside it."""

    values: dict[str, Cell]


@dataclass(frozen=True)
class Table:
    """Rows of values below the names of their columns; `marked` is the place of a row that stands out."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    marked: int | None = None


@dataclass(frozen=True)
class Plot:
    """A picture, what it shows in a sentence, and the values in it, for those who cannot see it.

    `name` is that of the PNG beside the card.
    """

    name: str
    shows: str
    draw: Callable[[], Figure]
    values: Table


@dataclass(frozen=True)
class Lines:
    """Sentences one below the other."""

    lines: Sequence[str]


@dataclass(frozen=True)
class Code:
    """Something to be typed."""

    text: str


@dataclass(frozen=True)
class Link:
    """Another card: its title and the way to it from this one."""

    text: str
    path: str


@dataclass(frozen=True)
class Links:
    """Ways to other cards."""

    links: Sequence[Link]


@dataclass(frozen=True)
class Flow:
    """Parts that rows go through one after the other; what stands in one place side by side is asked at the same time."""

    stages: Sequence[Sequence[str]]


Block = Note | Facts | Table | Plot | Lines | Code | Links | Flow


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Card:
    """A page about one run: what came out in one sentence, with its tone, and the sections that show why."""

    title: str
    verdict: str
    sections: Sequence[Section]
    tone: Tone = "plain"
    notes: Sequence[Note] = field(default=())
