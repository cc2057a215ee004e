"""Relations of rows: groups, instants and weights, as splits and bootstraps need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.data.relating.grouping import (
    COPIES,
    count_distinct,
    hash_features,
    kind_of,
    row_groups,
    training_rows,
    value_keys,
)
from recipeline.data.relating.neighbours import find_components, join_neighbours
from recipeline.data.stored_rows import HELD, StoredRows
from recipeline.errors import DataError

#: The column of training rows that holds the number of each row's fold, where `split.custom` gave one.
FOLD = "recipeline.fold"


@dataclass(frozen=True)
class Evidence:
    """A division of rows into pieces of evidence: a label for each row, and a name.

    Labels have shape (rows,); the name is a plural. `is_clustered`: a piece is more than a row and its copies, so that
    there may be few of them.
    """

    pieces: np.ndarray
    unit: str
    is_clustered: bool

    @property
    def count(self) -> int:
        """The number of pieces."""
        return count_distinct(self.pieces)


@dataclass(frozen=True)
class Relations:
    """The relations of rows: rows with equal `groups` belong together.

    `groups` has shape (rows,), a uint64 or any other value each. `column` is the recipe's column of groups; empty if groups are
    only copies of a row. If the recipe has a column of times, `times`, of the same shape, decides the sides of a split,
    `embargo` is the gap between sides, and `time_column` the column's name. `folds` are the numbers that `split.custom` gave
    the rows, if it did.
    """

    groups: np.ndarray
    column: str = ""
    times: np.ndarray | None = None
    embargo: float = 0.0
    time_column: str = ""
    folds: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def together(self) -> np.ndarray | None:
        """The groups of the recipe's column of groups; None where it has none."""
        return self.groups if self.column else None

    def take(self, rows: np.ndarray) -> Self:
        """Return the relations of some rows, by position or mask."""
        times, folds = (None if values is None else values[rows] for values in (self.times, self.folds))
        return replace(self, groups=self.groups[rows], times=times, folds=folds)

    def deal(
        self, n_splits: int, seed: int, strata: np.ndarray | None = None, *, is_exact: bool = False
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (fit, score) row positions of folds that keep related rows together.

        With times, each fold is fitted to earlier rows only. Rows that have numbers of folds, two at least, are in these. Else
        folds have about equal shares of each of the `strata`, (rows,); None: there are none. There are fewer folds of fewer
        groups or instants, and none of a single one; with `is_exact` fewer groups than folds are a ValueError.
        """
        if self.times is not None:
            return chain_folds(self.times, n_splits, self.embargo)
        if self.folds is not None and len(numbers := np.unique(self.folds)) > 1:
            return ((np.flatnonzero(self.folds != number), np.flatnonzero(self.folds == number)) for number in numbers)
        if not is_exact and (n_splits := min(n_splits, count_distinct(self.groups))) < 2:
            return iter(())
        if strata is not None:
            return deal_strata(self.groups, strata, n_splits, seed)
        return deal_folds(self.groups, n_splits, seed)

    def evidence(self) -> list[Evidence]:
        """Return the divisions of the rows into pieces of evidence, for the bootstrap.

        With times the pieces are blocks of neighbouring instants, because successive instants are dependent. If the recipe has
        groups too, these are a second division: results must hold for both. Rows of a single instant or none have no
        blocks.
        """
        groups = self.by_group()
        if self.times is None or not len(self.times) or np.ptp(self.times) == 0:
            return [groups]
        blocks = Evidence(block_times(self.times), f"blocks by {self.time_column}", is_clustered=True)
        return [blocks, groups] if self.column else [blocks]

    def by_group(self) -> Evidence:
        """Return the division by group, or by row and its copies, without times."""
        return Evidence(self.groups, f"groups by {self.column}" if self.column else "distinct rows", bool(self.column))


def relate_rows(table: pd.DataFrame, recipe: Recipe) -> Relations:
    """Return how the rows of a table with the recipe's columns belong together."""
    split = recipe.split
    times = read_instants(table[split.time]) if split.time else None
    folds = table[FOLD].to_numpy() if FOLD in table else None
    return Relations(group_rows(table, recipe), split.group or "", times, split.gap, split.time or "", folds)


def read_keys(rows: StoredRows, recipe: Recipe) -> pd.DataFrame:
    """Return the columns that relate the rows of a large table, of few bytes a row.

    These are the target, the recipe's columns of weight, group and time, and COPIES, the hashes of features. Functions that
    need no feature take such a table as they take the rows. The index is the position.

    Raises
    ------
    DataError : the recipe's split needs the features of all rows at once.
    """
    split, limit = recipe.split, HELD // len(rows.columns)
    needs = {"split.tolerance": bool(split.tolerance), "split.custom": split.custom is not None}
    for key in (key for key, is_set in needs.items() if is_set):
        raise DataError(
            f"{key} needs all rows in memory: at most {limit:,} rows of {len(rows.columns)} columns.",
            got=f"{len(rows):,}",
            fix=f"Take {key} out of the recipe, or name a smaller table.",
        )
    named = dict.fromkeys(name for name in (recipe.target, recipe.weight, split.group, split.time) if name)
    keys = rows.read([*named]).reset_index(drop=True)
    keys[COPIES] = rows.map(row_groups, recipe.features)
    return keys


def list_seen(train: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """Return hashes of the training rows as `training_rows` does.

    They include groups and times if the recipe has columns of these.
    """
    split = recipe.split
    times = read_instants(train[split.time]) if split.time else None
    return training_rows(train[list(recipe.features)], train[split.group] if split.group else None, times)


def weigh_rows(table: pd.DataFrame, recipe: Recipe) -> np.ndarray | None:
    """Return the weights of rows, of shape (rows,) and above 0.

    None if the recipe has no column of weights.
    """
    return None if recipe.weight is None else table[recipe.weight].to_numpy(dtype=float)


def read_instants(values: pd.Series) -> np.ndarray:
    """Return a time column as float64 in the unit of `split.embargo`.

    Dates are in seconds.
    """
    return kind_of(values).as_numbers(values)


def block_times(times: np.ndarray) -> np.ndarray:
    """Return the number of the contiguous block that each row's instant is in.

    With n instants, a block has about n^(1/3) (Hall, Horowitz and Jing 1995, On blocking rules for the bootstrap with dependent
    data), and blocks do not overlap (Carlstein 1986): a bootstrap of blocks is then one of whole clusters. The last block has
    what is left over.
    """
    instants, place = np.unique(times, return_inverse=True)
    length = max(1, int(len(instants) ** (1 / 3) + 1e-9))
    blocks: np.ndarray = np.minimum(place // length, len(instants) // length - 1)
    return blocks


def chain_folds(times: np.ndarray, n_splits: int, embargo: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (fit, score) row positions of forward-chaining folds.

    Each fold is scored on a block and fitted to the rows before it. The instants are cut into one block more than folds, of
    about equally many rows; the earliest is only fitted to. A row no more than `embargo` before a block is not fitted to.
    There are fewer folds if there are too few instants.
    """
    instants, place, sizes = np.unique(times, return_inverse=True, return_counts=True)
    blocks = min(n_splits, len(instants) - 1) + 1
    before = np.cumsum(sizes) - sizes
    block = before * blocks // len(times)
    if len(np.unique(block)) < blocks:  # an instant has more rows than a block
        block = np.repeat(np.arange(blocks), [len(part) for part in np.array_split(instants, blocks)])
    for number in range(1, blocks):
        start = instants[block == number][0]
        yield np.flatnonzero(times < start - embargo), np.flatnonzero(block[place] == number)


def group_rows(table: pd.DataFrame, recipe: Recipe) -> np.ndarray:
    """Return one uint64 per row: rows of one group are on one side of every split.

    These are copies of a row, with `split.tolerance` also its neighbours, and with `split.group` all rows of a group. Groups
    that have a copy in common are one; not over time, which keeps no copies together.
    """
    if recipe.split.group and recipe.split.time:
        return value_keys(table[recipe.split.group])
    tolerance, features = recipe.split.tolerance, list(recipe.features)
    copies = join_neighbours(table[features], tolerance) if tolerance else hash_features(table, features)
    return join_groups(value_keys(table[recipe.split.group]), copies) if recipe.split.group else copies


def join_groups(keys: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return one of `keys` per row, the same for rows linked by keys or `others`.

    Rows are linked if their keys or their `others` are equal. A joined group has the least of its keys, so that another row
    in it does not change its name.
    """
    known, group = np.unique(keys, return_inverse=True)
    _, other = np.unique(others, return_inverse=True)
    size = len(known) + int(other.max(initial=-1)) + 1
    component = find_components(group, len(known) + other, size)
    # The keys are sorted, so the first of a component is its least.
    _, least, place = np.unique(component[: len(known)], return_index=True, return_inverse=True)
    joined: np.ndarray = known[least][place][group]
    return joined


def deal_strata(groups: np.ndarray, strata: np.ndarray, n_splits: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (fit, score) row positions of folds of whole groups, drawn by `seed`.

    Each fold has about the share of each stratum that all rows have.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    _, first, group, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    if sizes.max() > len(groups) / (2 * n_splits) or np.any(strata != strata[first][group]):
        yield from StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed).split(groups, strata, group)
        return
    # Small groups of one stratum each are dealt as rows are, at a thousandth of the time.
    for _, unseen in StratifiedKFold(n_splits, shuffle=True, random_state=seed).split(first, strata[first]):
        is_unseen = np.isin(group, unseen)
        yield np.flatnonzero(~is_unseen), np.flatnonzero(is_unseen)


def deal_folds(groups: np.ndarray, n_splits: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (fit, score) row positions of folds of whole groups, drawn by `seed`.

    Folds have as many rows as the groups allow: the largest group goes first, each to the fold with the fewest rows.
    """
    unique, group = np.unique(groups, return_inverse=True)
    if n_splits > len(unique):
        raise ValueError(f"{n_splits} folds of {len(unique)} groups")
    # Groups of one size are dealt in the order of their numbers.
    shuffled = np.random.default_rng(seed).permutation(len(unique))[group]
    del unique, group
    sizes = np.bincount(shuffled)
    order = np.argsort(sizes, kind="stable")[::-1]
    fold_of = np.empty(len(order), dtype=np.int32)
    fold_of[order] = deal_sizes(sizes[order], n_splits)
    folds = fold_of[shuffled]
    del sizes, order, fold_of, shuffled
    for number in range(n_splits):
        yield np.flatnonzero(folds != number), np.flatnonzero(folds == number)


def deal_sizes(sizes: np.ndarray, n_splits: int) -> np.ndarray:
    """Return the fold of each group, whose sizes are in falling order.

    Each group goes to the fold with the fewest rows, the first of such: as scikit-learn's GroupKFold deals them one by one.
    Here groups of one size are dealt in rounds, as long as none of the other folds is due.
    """
    held, folds = np.zeros(n_splits, dtype=np.int64), np.empty(len(sizes), dtype=np.int32)
    ends = [*(np.flatnonzero(np.diff(sizes)) + 1).tolist(), len(sizes)]
    at = 0
    for end in ends:
        size = int(sizes[at])
        while at < end:
            is_due = held - held.min() < size
            due = np.flatnonzero(is_due)
            due = due[np.argsort(held[due], kind="stable")]
            rounds = (end - at) // len(due)
            if not is_due.all():
                rounds = min(rounds, int(held[~is_due].min() - held[due[-1]] - 1) // size + 1)
            if not rounds:
                due, rounds = due[:1], 1
            count = rounds * len(due)
            folds[at : at + count] = np.resize(due, count)
            held[due] += rounds * size
            at += count
    return folds
