"""How rows belong together: what a split, folds and a bootstrap must not tear apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import GroupKFold

from recipeline.config.recipe import Recipe
from recipeline.data.grouping import value_keys
from recipeline.data.neighbours import join_neighbours


@dataclass(frozen=True)
class Relations:
    """Which rows are one piece of evidence: those with equal `groups`, of shape (rows,), a uint64 or any other value each.

    `column` is the one that the recipe names for groups; empty where groups are copies of a row and nothing else.
    """

    groups: np.ndarray
    column: str = ""

    def __len__(self) -> int:
        return len(self.groups)

    def take(self, rows: np.ndarray) -> Self:
        """Return the relations of some rows, by place or mask."""
        return type(self)(self.groups[rows], self.column)

    def deal(self, n_splits: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (fit, score) row positions of folds that tear nothing apart."""
        return deal_folds(self.groups, n_splits, seed)

    @property
    def unit(self) -> str:
        """One piece of evidence, in the plural."""
        return f"groups by {self.column}" if self.column else "distinct rows"

    @property
    def is_clustered(self) -> bool:
        """Whether a piece of evidence is more than a row and its copies, so that there may be few of them."""
        return bool(self.column)

    def clusters(self) -> np.ndarray:
        """Return the piece of evidence that each row is part of: what a bootstrap draws."""
        return self.groups


def relate_rows(table: pd.DataFrame, recipe: Recipe) -> Relations:
    """Return how the rows of a table with the recipe's columns belong together."""
    return Relations(group_rows(table, recipe), recipe.split.group or "")


def group_rows(table: pd.DataFrame, recipe: Recipe) -> np.ndarray:
    """Return one uint64 per row: rows of one group are on one side of every split.

    These are copies of a row, with `split.tolerance` also its neighbours, and with `split.group` all rows of a group. Groups
    that have a copy in common are one.
    """
    copies = join_neighbours(table[list(recipe.features)], recipe.split.tolerance)
    return join_groups(value_keys(table[recipe.split.group]), copies) if recipe.split.group else copies


def join_groups(keys: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return one of `keys` per row, the same for rows that are linked by equal keys or by equal `others`.

    A joined group is named by the least of its keys, so that one more row in it leaves its name as it is.
    """
    known, group = np.unique(keys, return_inverse=True)
    _, other = np.unique(others, return_inverse=True)
    size = len(known) + int(other.max(initial=-1)) + 1
    links = coo_array((np.ones(len(keys)), (group, len(known) + other)), shape=(size, size))
    _, component = connected_components(links, directed=False)
    # The keys are sorted, so the first of a component is its least.
    _, least, place = np.unique(component[: len(known)], return_index=True, return_inverse=True)
    joined: np.ndarray = known[least][place][group]
    return joined


def deal_folds(groups: np.ndarray, n_splits: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (fit, score) row positions of folds of whole groups, drawn by `seed`.

    Folds have as many rows as the groups allow: the largest group goes first, each to the fold with the fewest rows.
    """
    unique, group = np.unique(groups, return_inverse=True)
    # Without its own shuffling, which deals groups and not rows; groups of one size are dealt in the order of their numbers.
    shuffled = np.random.default_rng(seed).permutation(len(unique))[group]
    yield from GroupKFold(n_splits).split(shuffled, groups=shuffled)
