"""The interface of a task in scaffolding: what a first recipe says of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recipeline.scaffolding.column_look import Look


@dataclass(frozen=True)
class Preprocess:
    """Settings of a candidate that takes no missing values, without and with scaling."""

    filled: Mapping[str, object]
    scaled: Mapping[str, object]


class Task(ABC):
    """A task as far as a first recipe is concerned."""

    #: Comments by the key of the recipe that they are written above.
    notes: Mapping[str, str] = {}

    @abstractmethod
    def fits(self, target: Look) -> bool:
        """Whether a target's column looks like one of this task."""

    def takes(self, target: Look) -> bool:
        """Whether a target's column can be one of this task, if the user says so."""
        return self.fits(target)

    @abstractmethod
    def column(self, target: Look) -> dict[str, Any]:
        """Return the settings of the target's column."""

    @abstractmethod
    def candidates(self, preprocess: Preprocess) -> dict[str, dict[str, object]]:
        """Return a linear candidate, a tree, a forest and a boosting one.

        The last two are the best on most tables.
        """

    def target(self, target: Look) -> Any:
        """Return the recipe's `target`."""
        return target.name

    def doubt(self, target: Look) -> str:
        """Return what the column may be instead, as a comment; empty for nothing."""
        return ""

    def settings(self, target: Look) -> dict[str, Any]:
        """Return further settings of the recipe by their key."""
        return {}
