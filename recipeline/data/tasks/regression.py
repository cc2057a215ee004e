"""Regression in data: the target is a number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.data.kinds.every import KINDS
from recipeline.data.tasks.base import Label, Task


class Regression(Task):
    """A number, as it is."""

    def labels(self, column: pd.Series, recipe: Recipe) -> tuple[Label, ...]:
        """Return no labels."""
        return ()

    def fitted(self, column: pd.Series, recipe: Recipe) -> np.ndarray:
        """Return the numbers, whole ones as int64."""
        return column.to_numpy()

    def encode(self, values: np.ndarray, labels: Sequence[Label]) -> np.ndarray:
        """Return the numbers as float64."""
        return np.asarray(values, dtype=float)

    def strata(self, target: np.ndarray) -> np.ndarray | None:
        """Return None: numbers have no strata."""
        return None

    def draw(self, recipe: Recipe, generator: np.random.Generator, rows: int) -> pd.Series:
        """Return numbers in the column's range."""
        column = recipe.columns[recipe.target]
        return KINDS[column.type].draw(column, generator, rows)
