"""The training rows that models are fitted to, where these are limited."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.data.relating.grouping import row_groups, value_keys
from recipeline.data.relating.relations import read_instants, relate_rows
from recipeline.data.results import FittedRows
from recipeline.data.splits import cv_folds
from recipeline.data.stored_rows import StoredRows
from recipeline.data.target_codes import TargetCodes, fit_target
from recipeline.errors import DataError

#: Returns one value for each row of a table, of a function of some of its columns.
Each = Callable[[Callable[[pd.DataFrame], np.ndarray], Sequence[str]], np.ndarray]

#: The profile's key that limits the rows.
KEY = "engine.max_train_rows"


def choose_rows(rows: StoredRows | pd.DataFrame, recipe: Recipe, method: str, limit: int) -> np.ndarray:
    """Return a mask of at most `limit` of the rows to fit models to, (rows,).

    Stored rows are read in batches.

    They are whole groups, in the order of a hash of group and seed: the choice does not depend on the order of the rows, and
    a group that is chosen remains so when rows are added, as long as its share has room. A group is the value of
    `split.group`, else a row with its copies. With `split.time` they are the newest rows, whole instants, because later rows
    are what the model will predict.

    Parameters
    ----------
    method : of the split; after a random one time does not count.

    Raises
    ------
    DataError : no group, or no instant, is small enough.
    """
    split, each = recipe.split, rows.map if isinstance(rows, StoredRows) else _apply_to(rows)
    if split.time and method != "random":
        chosen = _newest(each(lambda table: read_instants(table[split.time]), [split.time]), limit)
        unit = f"value of '{split.time}'"
    else:
        names = [split.group] if split.group else list(recipe.features)
        keys = each(lambda table: value_keys(table[split.group]) if split.group else row_groups(table), names)
        chosen = choose_groups(keys, limit, recipe.random_state)
        unit = f"group by '{split.group}'" if split.group else "distinct row"
    if not chosen.any():
        raise DataError(f"{KEY} must have room for the rows of one {unit}.", got=limit, fix="Raise it in the profile.")
    return chosen


def _apply_to(table: pd.DataFrame) -> Each:
    return lambda function, columns: function(table[[*columns]])


def _newest(instants: np.ndarray, limit: int) -> np.ndarray:
    """Return a mask of the rows of the newest instants, at most `limit` in all."""
    if len(instants) <= limit:
        return np.ones(len(instants), dtype=bool)
    # The greatest instant that may not be in: with it there would be more.
    last = np.partition(instants, len(instants) - limit - 1)[len(instants) - limit - 1]
    chosen: np.ndarray = instants > last
    return chosen


def choose_groups(keys: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """Return a mask of the rows of whole groups, at most `limit` in all, by a hash.

    `keys` are equal for rows of a group. A group that is larger than the room left is passed over.
    """
    if len(keys) <= limit:
        return np.ones(len(keys), dtype=bool)
    order = _shuffle(keys, seed)
    groups, sizes = np.unique(order, return_counts=True)
    kept, room = [], limit
    while room and len(groups):
        groups, sizes = groups[sizes <= room], sizes[sizes <= room]
        end = int(np.searchsorted(np.cumsum(sizes), room, side="right"))
        kept.append(groups[:end])
        room -= int(sizes[:end].sum())
        groups, sizes = groups[end + 1 :], sizes[end + 1 :]
    chosen = np.sort(np.concatenate(kept)) if kept else groups[:0]
    if not len(chosen):
        return np.zeros(len(keys), dtype=bool)
    mask: np.ndarray = chosen[np.minimum(np.searchsorted(chosen, order), len(chosen) - 1)] == order
    return mask


def _shuffle(keys: np.ndarray, seed: int) -> np.ndarray:
    """Return another uint64 for each key, equal for equal keys, in an order by `seed`.

    The order has nothing to do with that by which a split chooses test rows.
    """
    salt = hashlib.blake2b(f"{seed}:{KEY}".encode(), digest_size=8).digest()
    mixed: np.ndarray = pd.util.hash_array(keys ^ np.uint64(int.from_bytes(salt, "big")))
    return mixed


def limit_rows(
    rows: StoredRows | pd.DataFrame, recipe: Recipe, method: str, limit: int | None
) -> tuple[pd.DataFrame, FittedRows | None]:
    """Return those of the rows that models are fitted to, and how many these are.

    All rows and None without a limit, or where there are no more than that. If they are stored, no others are in memory.

    Raises
    ------
    DataError : as `choose_rows` and `require_fittable`.
    """
    if limit is None or len(rows) <= limit:
        return rows.read() if isinstance(rows, StoredRows) else rows, None
    mask = choose_rows(rows, recipe, method, limit)
    chosen = rows.take(mask) if isinstance(rows, StoredRows) else rows[mask]
    target = rows.read([recipe.target]) if isinstance(rows, StoredRows) else rows
    require_fittable(chosen, TargetCodes.learn(recipe, target), recipe, method)
    return chosen, FittedRows(len(chosen), len(rows), limit)


def require_fittable(chosen: pd.DataFrame, codes: TargetCodes, recipe: Recipe, method: str) -> None:
    """Raise DataError if chosen rows do not suffice to compare candidates.

    Each fold must have rows to fit to and a target that varies, and each label of `codes`, those of all rows, as many distinct
    rows as there are folds.
    """
    raise_it = f"Raise {KEY} in the profile"
    target = fit_target(chosen, recipe)
    if codes.labels:
        groups = relate_rows(chosen, recipe).groups
        for label in codes.labels:
            found = len(np.unique(groups[target == label]))
            if found < recipe.cv.folds:
                raise DataError(
                    f"{KEY} must leave each label of '{recipe.target}' at least {recipe.cv.folds} distinct rows, one per fold.",
                    got=f"{found} of the label {label} in {len(chosen):,} rows",
                    fix=f"{raise_it}, join rare labels into one, or lower cv.folds.",
                )
    places = codes.place(target)
    try:
        folds = list(cv_folds(chosen, recipe, method, is_exact=True))
    except ValueError as error:  # scikit-learn's words for fewer groups than folds
        raise DataError(f"{KEY} leaves too few groups for the folds: {error}.".replace("..", "."), fix=f"{raise_it}.") from None
    poor = [number for number, (seen, unseen) in enumerate(folds) if not len(seen) or not np.ptp(places[unseen])]
    if poor or not folds:
        raise DataError(
            f"With {KEY}, fold {poor[0]} of {len(folds)} has no rows, or one target only."
            if poor
            else f"With {KEY}, the rows cannot be divided into folds.",
            fix=f"{raise_it}, or lower cv.folds.",
        )
