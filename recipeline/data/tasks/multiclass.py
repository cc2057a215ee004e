"""Several classes in data: the target is a label, and a 1 in the column of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.data.kinds.every import KINDS
from recipeline.data.tasks.base import Label, Task
from recipeline.errors import DataError

#: A target with more labels than this is taken for a number or a name.
MOST_LABELS = 200

#: So many labels are listed in an error message.
_LISTED = 8


class Multiclass(Task):
    """A label of several."""

    is_matrix = True

    def labels(self, column: pd.Series, recipe: Recipe) -> tuple[Label, ...]:
        """Return the labels, sorted."""
        found = self._distinct(column, recipe)
        if not 2 <= len(found) <= MOST_LABELS:
            raise DataError(
                f"The target '{recipe.target}' must have 2 to {MOST_LABELS} labels for the task {recipe.task}.",
                got=_list(found),
                fix="Name another target, or another task in the recipe.",
            )
        return found

    def fitted(self, column: pd.Series, recipe: Recipe) -> np.ndarray:
        """Return the labels: text, whole numbers or booleans."""
        return KINDS[recipe.columns[recipe.target].type].labels(column)

    def encode(self, values: np.ndarray, labels: Sequence[Label]) -> np.ndarray:
        """Return a 1 in the column of each row's label, (rows, labels)."""
        codes: np.ndarray = (values[:, None] == np.array(labels)[None, :]).astype(float)
        return codes

    def strata(self, target: np.ndarray) -> np.ndarray | None:
        """Return the number of each row's label."""
        return np.unique(target, return_inverse=True)[1]

    def draw(self, recipe: Recipe, generator: np.random.Generator, rows: int) -> pd.Series:
        """Return labels, a few of which are enough for a trial."""
        column = recipe.columns[recipe.target]
        drawn = pd.Series(column.values) if column.values else KINDS[column.type].draw(column, generator, rows)
        names = drawn.drop_duplicates().iloc[:3]
        return names.iloc[np.arange(rows) % len(names)].reset_index(drop=True)

    @staticmethod
    def _distinct(column: pd.Series, recipe: Recipe) -> tuple[Label, ...]:
        return tuple(np.unique(KINDS[recipe.columns[recipe.target].type].labels(column)).tolist())


def _list(labels: Sequence[Label]) -> str:
    more = f" and {len(labels) - _LISTED} more" if len(labels) > _LISTED else ""
    return f"{len(labels)} ({', '.join(map(str, labels[:_LISTED]))}{more})"
