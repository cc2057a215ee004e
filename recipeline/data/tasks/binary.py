"""Two classes in data: the target is a label, and 1 for the positive one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.data.kinds.every import KINDS
from recipeline.data.tasks.base import Label
from recipeline.data.tasks.multiclass import Multiclass, _list
from recipeline.errors import DataError


class Binary(Multiclass):
    """One of two labels, the negative first."""

    is_matrix = False

    def labels(self, column: pd.Series, recipe: Recipe) -> tuple[Label, ...]:
        """Return the negative and the positive label."""
        found = self._distinct(column, recipe)
        if len(found) != 2:
            raise DataError(
                f"The target '{recipe.target}' must have 2 labels for the task binary.",
                got=_list(found),
                fix="Name task: multiclass in the recipe for more." if len(found) > 2 else "Name a table with both labels.",
            )
        positive = recipe.predicted.positive if recipe.predicted.positive is not None else found[1]
        if positive not in found:
            raise DataError(
                f"The positive label of the target '{recipe.target}' must be one of its labels.",
                got=f"target.positive: {positive}, and the labels {_list(found)}",
                fix="Correct target.positive in the recipe, or name another table.",
            )
        return (found[0], found[1]) if positive == found[1] else (found[1], found[0])

    def encode(self, values: np.ndarray, labels: Sequence[Label]) -> np.ndarray:
        """Return 1 for the positive label, else 0, (rows,)."""
        codes: np.ndarray = (values == labels[1]).astype(float)
        return codes

    def draw(self, recipe: Recipe, generator: np.random.Generator, rows: int) -> pd.Series:
        """Return the two labels in turns."""
        column = recipe.columns[recipe.target]
        positive = recipe.predicted.positive
        others = [name for name in (*column.values, "other") if name != positive]
        names = [0.0, 1.0] if KINDS[column.type].is_numeric else [others[0], str(positive)]
        return pd.Series(names).iloc[np.arange(rows) % 2].reset_index(drop=True)
