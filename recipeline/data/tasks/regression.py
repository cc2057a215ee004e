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

    def doubt(self, column: pd.Series, recipe: Recipe) -> str:
        """Return a warning for a target of two whole numbers: these are two classes."""
        values, counts = np.unique(column.to_numpy(dtype=float), return_counts=True)
        if len(values) != 2 or (values != np.rint(values)).any():
            return ""
        low, high = values.tolist()
        share = counts[1] / counts.sum()
        return (
            f"The target '{recipe.target}' is {low:g} or {high:g} in every row, {high:g} in {share:.1%}. {_as_classes(recipe)}"
        )

    def doubt_recipe(self, recipe: Recipe) -> str:
        """Return a warning for a target that can be one of two whole numbers only."""
        column = recipe.columns[recipe.target]
        if not KINDS[column.type].is_whole or column.min is None or column.max is None or column.max - column.min != 1:
            return ""
        return f"The target '{recipe.target}' can only be {column.min:g} or {column.max:g}. {_as_classes(recipe)}"


def _as_classes(recipe: Recipe) -> str:
    column = recipe.columns[recipe.target]
    type_ = "" if KINDS[column.type].is_whole else f" and columns.{recipe.target}.type: integer"
    return (
        "A regression predicts numbers between and beyond them, and is judged by R2. For a probability and a decided label set "
        f"task: binary{type_}."
    )
