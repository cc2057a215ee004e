"""The target as numbers: what predictions are scored against."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.config.rules import Slice
from recipeline.data.tasks.base import Label
from recipeline.data.tasks.every import TASKS
from recipeline.metrics.slices import in_slice


@dataclass(frozen=True)
class TargetCodes:
    """A task and the labels of its target, empty for numbers.

    Codes are float64: of a number the number, of two labels 1 for the positive one, which is the last, and 0 for the
    other, (rows,); of more labels a 1 in the column of the row's label, (rows, labels). Predictions have the same shape: a
    number, the probability of the positive label, or that of each.
    """

    task: str = "regression"
    labels: tuple[Label, ...] = ()

    @classmethod
    def learn(cls, recipe: Recipe, table: pd.DataFrame) -> Self:
        """Return the codes of a recipe's target in a table.

        Raises
        ------
        DataError : its labels are not what the task needs.
        """
        return cls(recipe.task, TASKS[recipe.task].labels(table[recipe.target], recipe))

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The labels as text, as JSON and CSV have them: true and false in lower case."""
        return tuple(str(label).lower() if isinstance(label, bool) else str(label) for label in self.labels)

    def encode(self, target: np.ndarray) -> np.ndarray:
        """Return the codes of values as `fit_target` returns them."""
        return TASKS[self.task].encode(target, self.labels)

    def of(self, table: pd.DataFrame, recipe: Recipe) -> np.ndarray:
        """Return the codes of the target of a table."""
        return self.encode(fit_target(table, recipe))

    @property
    def is_matrix(self) -> bool:
        """Whether codes have a column for each label."""
        return TASKS[self.task].is_matrix

    @property
    def width(self) -> int:
        """The number of columns of codes."""
        return len(self.labels) if self.is_matrix else 1

    def shape(self, columns: np.ndarray) -> np.ndarray:
        """Return codes in columns, (rows, width), as they are: (rows,) or (rows, labels)."""
        return columns if self.is_matrix else columns[:, 0]

    def place(self, target: np.ndarray) -> np.ndarray:
        """Return values as `fit_target` returns them in one column, (rows,), float64.

        Numbers are themselves, a label is its place among the `labels`; NaN where it is none of them.
        """
        if not self.labels:
            return np.asarray(target, dtype=float)
        is_label = np.asarray(target)[:, None] == np.array(self.labels)[None, :]
        return np.where(is_label.any(axis=1), is_label.argmax(axis=1), np.nan)

    def of_places(self, places: np.ndarray) -> np.ndarray:
        """Return the codes of what `place` returned, without NaN."""
        return self.encode(self.name(places))

    def name(self, places: np.ndarray) -> np.ndarray:
        """Return the numbers or labels of what `place` returned, without NaN."""
        return np.array(self.labels)[places.astype(np.intp)] if self.labels else places

    def mask(self, codes: np.ndarray, rows: Slice) -> np.ndarray:
        """Return which rows of codes are in a slice of the recipe."""
        if not rows.labels:
            return in_slice(codes, rows.min, rows.max)
        wanted = self.encode(np.array(rows.labels))
        return np.isin(codes, wanted) if codes.ndim == 1 else (codes @ wanted.T).any(axis=1)

    def name_columns(self, name: str) -> list[str]:
        """Return the names of a table's columns for predictions that `name` names."""
        return [f"{name}: {label}" for label in self.labels] if self.is_matrix else [name]

    def as_columns(self, name: str, predicted: np.ndarray) -> dict[str, np.ndarray]:
        """Return predictions as the columns of a table."""
        values = predicted if self.is_matrix else predicted[:, None]
        return dict(zip(self.name_columns(name), values.T, strict=True))

    def from_columns(self, name: str, table: pd.DataFrame) -> np.ndarray:
        """Return the predictions that `as_columns` made columns of."""
        values = table[self.name_columns(name)].to_numpy(dtype=float)
        return values if self.is_matrix else values[:, 0]


#: A target of numbers.
NUMBERS = TargetCodes()


def fit_target(table: pd.DataFrame, recipe: Recipe) -> np.ndarray:
    """Return the target of a table as estimators are fitted to it, (rows,)."""
    return TASKS[recipe.task].fitted(table[recipe.target], recipe)


def is_predicted(predicted: np.ndarray) -> np.ndarray:
    """Return a mask of the rows that have a prediction, which is not NaN."""
    known: np.ndarray = ~np.isnan(predicted if predicted.ndim == 1 else predicted[:, 0])
    return known
