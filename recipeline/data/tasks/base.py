"""The interface of a task in data: labels of a target, and the target as numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe

#: A label of a class, in the user's own words.
Label = str | int | bool


class Task(ABC):
    """A task as far as rows are concerned."""

    #: Whether codes of the target have a column for each label.
    is_matrix = False

    @abstractmethod
    def labels(self, column: pd.Series, recipe: Recipe) -> tuple[Label, ...]:
        """Return the labels of a target's column; empty if it has none.

        Raises
        ------
        DataError : they are not what the task needs.
        """

    @abstractmethod
    def fitted(self, column: pd.Series, recipe: Recipe) -> np.ndarray:
        """Return a target's column as estimators are fitted to it, of shape (rows,)."""

    @abstractmethod
    def encode(self, values: np.ndarray, labels: Sequence[Label]) -> np.ndarray:
        """Return values of `fitted` as float64: (rows,), or (rows, labels)."""

    @abstractmethod
    def strata(self, target: np.ndarray) -> np.ndarray | None:
        """Return what folds are stratified by, of shape (rows,); None: nothing."""

    @abstractmethod
    def draw(self, recipe: Recipe, generator: np.random.Generator, rows: int) -> pd.Series:
        """Return possible values of the target's column for a trial fit."""

    def doubt(self, column: pd.Series, recipe: Recipe) -> str:
        """Return a warning where a target's column looks like another task's, else ""."""
        return ""

    def doubt_recipe(self, recipe: Recipe) -> str:
        """Return a warning where the recipe shows the target of another task, else ""."""
        return ""
