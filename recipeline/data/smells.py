"""Columns that look like groups, times or classes and are not declared as such."""

from __future__ import annotations

import re
from typing import Protocol

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.data.relating.grouping import count_distinct, kind_of
from recipeline.data.tasks.every import TASKS

#: Words in a column's name that are about a point in time; in the plural they are about a duration.
_TIMES = re.compile(r"\b(date|time|datetime|timestamp|epoch|year|yr|quarter|month|week|day)\b")

#: Columns with fewer different values get no warning.
_FEW = 5


class Columns(Protocol):
    """The columns of a table by name: a frame, or one column at a time."""

    def __getitem__(self, name: str, /) -> pd.Series: ...


def find_smells(table: Columns | pd.DataFrame, recipe: Recipe) -> list[str]:
    """Return a warning for each column that is not what the recipe says, by its looks.

    The table is in the order of its file.
    """
    doubt = TASKS[recipe.task].doubt(table[recipe.target], recipe)
    return [*([doubt] if doubt else []), *find_unnamed(table, recipe)]


def find_unnamed(table: Columns | pd.DataFrame, recipe: Recipe) -> list[str]:
    """Return a warning for each feature that looks like a group or a time.

    It names the key to set. The table is in the order of its file. A recipe that has such a key gets no warning, nor does a
    column with a role: it was considered already.
    """
    if recipe.split.named:
        return []
    found = []
    for name in recipe.features:
        if recipe.columns[name].role is not None:
            continue
        column = table[name]
        values = kind_of(column).as_numbers(column)
        if _has_few(values):
            continue
        if column.dtype.kind == "M":
            found.append(f"Column '{name}' holds times. {_as_time(name)}")
        elif _TIMES.search(re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", name).lower()):
            found.append(f"Column '{name}' is a time by its name. {_as_time(name)}")
        elif _is_in_blocks(values):
            found.append(
                f"Column '{name}' numbers blocks of rows. Where a block is of one person, device or place, "
                f"set split.group: {name} to keep it on one side; where it is a measurement, columns.{name}.role: feature."
            )
        elif _is_monotone(values):
            found.append(
                f"Column '{name}' only rises or falls from row to row, as a time or a row number does. {_as_time(name)}"
            )
    return found


def _has_few(values: np.ndarray) -> bool:
    """Whether there are fewer than _FEW different values, of which NaN is one."""
    return len(np.unique(values[:1000])) < _FEW and len(np.unique(values)) < _FEW


def _as_time(name: str) -> str:
    return (
        f"To test on the newest rows, set split.time: {name}; where it is a row number, columns.{name}.role: id; where it is a "
        "measurement, role: feature."
    )


def _is_in_blocks(values: np.ndarray) -> bool:
    """Whether each whole number is in one block, of at least two rows on average."""
    if not (np.isfinite(values).all() and (values == np.rint(values)).all()):
        return False
    blocks, distinct = 1 + int(np.count_nonzero(np.diff(values))), count_distinct(values)
    return blocks == distinct and 2 * distinct <= len(values)


def _is_monotone(values: np.ndarray) -> bool:
    steps = np.diff(values)  # NaN is neither
    return bool((steps >= 0).all() or (steps <= 0).all())
