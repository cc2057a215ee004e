"""Results for cards without a run that has saved them, and readers of cards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recipeline.artifacts import Artifact, type_of
from recipeline.config.recipe import Recipe
from recipeline.reports.blocks import Card, Facts, Note, Plot, Table
from tests.conftest import as_recipe, small_recipe
from tests.records import some


class Saved:
    """Artifacts by their names, and tags.

    A record that is given as plain values may lack what does not matter.
    """

    def __init__(self, artifacts: Mapping[Artifact[Any], Any], **tags: str) -> None:
        self.recipe: Recipe = as_recipe(small_recipe())
        self._tags = tags
        self._artifacts = {
            artifact.name: some(type_of(artifact), value) if isinstance(value, dict) else value
            for artifact, value in artifacts.items()
        }

    def load(self, artifact: Artifact[Any]) -> Any:
        """Return what was saved."""
        return self._artifacts[artifact.name]

    def has(self, artifact: Artifact[Any]) -> bool:
        """Whether it was saved."""
        return artifact.name in self._artifacts

    def tag(self, name: str) -> str:
        """Return a tag; empty where there is none."""
        return self._tags.get(name, "")


def facts(card: Card) -> dict[str, Any]:
    """Return all facts of a card by name."""
    blocks = [block for section in card.sections for block in section.blocks]
    return {name: value for block in blocks if isinstance(block, Facts) for name, value in block.values.items()}


def notes(card: Card) -> list[str]:
    """Return the sentences of a card: those above it, and those in its sections."""
    blocks = [block for section in card.sections for block in section.blocks]
    return [note.text for note in (*card.notes, *blocks) if isinstance(note, Note)]


def table(card: Card, title: str) -> list[dict[str, Any]]:
    """Return the rows, by column, of the first table, or plot, below a title."""
    (section,) = (section for section in card.sections if section.title == title)
    found = next(block for block in section.blocks if isinstance(block, Table | Plot))
    values = found.values if isinstance(found, Plot) else found
    return [dict(zip(values.columns, row, strict=True)) for row in values.rows]


def titles(card: Card) -> list[str]:
    """Return the titles of the sections."""
    return [section.title for section in card.sections]
