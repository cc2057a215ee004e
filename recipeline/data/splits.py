"""Which rows are for testing, and which fold a row is in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, KFold, train_test_split

from recipeline.config.recipe import Recipe
from recipeline.data.neighbours import join_neighbours
from recipeline.errors import DataError


def split_rows(table: pd.DataFrame, recipe: Recipe, method: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the training and test rows of `table`, with index and order kept.

    grouped: a row is a test row if a hash of its features and the seed is below `test_size`, so equal rows stay
    together, the share is `test_size` up to chance, and a row keeps its side when others are added, removed or reordered (with
    `split.tolerance`, if they join no groups).
    random: exactly `train_test_split(table, test_size=..., random_state=...)`; copies end up on both sides, in its order.

    Raises
    ------
    DataError : either side has too few distinct rows for the folds of the recipe, or the target does not vary in a fold.
    """
    if method == "random":
        train, test = train_test_split(table, test_size=recipe.split.test_size, random_state=recipe.random_state)
    else:
        is_test = _fractions(group_rows(table, recipe), recipe.random_state) < recipe.split.test_size
        train, test = table[~is_test], table[is_test]
    distinct = len(np.unique(group_rows(train, recipe))) if len(train) else 0
    if distinct < 2 * recipe.cv.folds or test[recipe.target].nunique() < 2:
        raise DataError(
            f"The split must leave at least {2 * recipe.cv.folds} distinct training rows and 2 different targets to test on.",
            got=f"{distinct} and {test[recipe.target].nunique()}",
            fix="Name a larger table, or change split.test_size in the recipe.",
        )
    target = train[recipe.target].to_numpy()
    for fold, (_, unseen) in enumerate(cv_folds(train, recipe, method)):
        if len(unseen) < 2 or np.ptp(target[unseen]) == 0:
            raise DataError(
                f"Fold {fold} of the cross-validation has no R2: its target must vary.",
                got=f"{target[unseen][0]:g} in each of its {len(unseen)} rows",
                fix="Lower cv.folds or change random_state in the recipe, or name a larger table.",
            )
    return train, test


def group_rows(table: pd.DataFrame, recipe: Recipe) -> np.ndarray:
    """Return one uint64 per row: rows of one group are one observation.

    These are copies of a row, and with `split.tolerance` also its neighbours.
    """
    return join_neighbours(table[list(recipe.features)], recipe.split.tolerance)


def _fractions(groups: np.ndarray, seed: int) -> np.ndarray:
    """Return a number in [0, 1) per row, a function of its group and the seed alone."""
    unique, inverse = np.unique(groups, return_inverse=True)
    digests = (hashlib.blake2b(f"{seed}:{key}".encode(), digest_size=8).digest() for key in unique.tolist())
    fractions: np.ndarray = np.fromiter((int.from_bytes(d, "big") / 2**64 for d in digests), float, len(unique))
    return fractions[inverse]


def cv_folds(train: pd.DataFrame, recipe: Recipe, method: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (fit, score) row positions of each fold, grouped as the split `method`."""
    n_splits, seed = recipe.cv.folds, recipe.random_state
    if method == "random":
        yield from KFold(n_splits, shuffle=True, random_state=seed).split(train)
    else:
        yield from deal_folds(group_rows(train, recipe), n_splits, seed)


def deal_folds(groups: np.ndarray, n_splits: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (fit, score) row positions of folds of whole groups, drawn by `seed`.

    Folds have as many rows as the groups allow: the largest group goes first, each to the fold with the fewest rows.
    """
    unique, group = np.unique(groups, return_inverse=True)
    # Without its own shuffling, which deals groups and not rows; groups of one size are dealt in the order of their numbers.
    shuffled = np.random.default_rng(seed).permutation(len(unique))[group]
    yield from GroupKFold(n_splits).split(shuffled, groups=shuffled)
