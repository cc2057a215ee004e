"""The content of a card as plain values: sentences, facts, tables and plots.

`page` renders them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from recipeline.artifacts import Artifact
from recipeline.config.recipe import Recipe

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

T = TypeVar("T")

Cell = str | int | float | bool | None

Tone = Literal["plain", "good", "warning", "bad"]


def is_number(value: Cell) -> bool:
    """Whether a cell is a number, and right-aligned."""
    return isinstance(value, int | float) and not isinstance(value, bool)


class Results(Protocol):
    """The artifacts of a run and of its upstream runs, as a card reads them."""

    @property
    def recipe(self) -> Recipe:
        """The recipe of the run."""

    def load(self, artifact: Artifact[T]) -> T:
        """Return an artifact."""

    def has(self, artifact: Artifact[Any]) -> bool:
        """Whether the artifact exists."""

    def tag(self, name: str) -> str:
        """Return a tag ``recipeline.<name>`` of the run; empty where it has none."""


@dataclass(frozen=True)
class Note:
    """A sentence with a tone: plain, good, warning or bad."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Facts:
    """Values by name.

    Numbers stay numbers: the page rounds the text and keeps the exact value as a tooltip.
    """

    values: dict[str, Cell]


@dataclass(frozen=True)
class Table:
    """Rows of values with column names; `marked` is the index of a highlighted row."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    marked: int | None = None

    @cached_property
    def numeric(self) -> frozenset[int]:
        """The places of the columns with a number."""
        return frozenset(place for row in self.rows for place, value in enumerate(row) if is_number(value))


@dataclass(frozen=True)
class Plot:
    """A plot with a caption, and its values as a table for screen readers.

    `name` is that of the PNG beside the card.
    """

    name: str
    shows: str
    draw: Callable[[], Figure]
    values: Table


@dataclass(frozen=True)
class Quoted:
    """A plot of another card, as it is drawn there: with caption and values.

    `figure` is its HTML, from `quote`.
    """

    figure: Markup


@dataclass(frozen=True)
class Lines:
    """Sentences, one per line."""

    lines: Sequence[str]


@dataclass(frozen=True)
class Code:
    """A command to copy."""

    text: str


@dataclass(frozen=True)
class Flow:
    """Stages that rows pass one after the other; a stage may have parallel parts."""

    stages: Sequence[Sequence[str]]


Block = Note | Facts | Table | Plot | Quoted | Lines | Code | Flow


@dataclass(frozen=True)
class Section:
    """A heading with its blocks."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Card:
    """A page about one run: the result in one sentence, its tone, and sections."""

    title: str
    verdict: str
    sections: Sequence[Section]
    tone: Tone = "plain"
    notes: Sequence[Note] = field(default=())
