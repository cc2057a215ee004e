"""Which rows are for testing, and which fold a row is in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, KFold, train_test_split

from recipeline.config.recipe import Recipe
from recipeline.data.grouping import row_groups
from recipeline.errors import DataError


def split_rows(table: pd.DataFrame, recipe: Recipe, method: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the training and test rows of `table`, each with the original index and in the original order.

    grouped: a row is a test row where a hash of its features and the seed falls below `test_size`, so equal rows stay
    together, the share is `test_size` up to chance, and a row stays put when others are added, removed or reordered.
    random: exactly `train_test_split(table, test_size=..., random_state=...)`; copies end up on both sides, in its order.

    Raises
    ------
    DataError : either side would hold too few distinct rows for the folds of the recipe.
    """
    if method == "random":
        train, test = train_test_split(table, test_size=recipe.split.test_size, random_state=recipe.random_state)
    else:
        is_test = _fractions(row_groups(table[list(recipe.features)]), recipe.random_state) < recipe.split.test_size
        train, test = table[~is_test], table[is_test]
    distinct = len(np.unique(row_groups(train[list(recipe.features)]))) if len(train) else 0
    if distinct < 2 * recipe.cv.folds or test[recipe.target].nunique() < 2:
        raise DataError(
            f"The split must leave at least {2 * recipe.cv.folds} distinct training rows and 2 different targets to test on.",
            got=f"{distinct} and {test[recipe.target].nunique()}",
            fix="Name a larger table, or change split.test_size in the recipe.",
        )
    return train, test


def _fractions(groups: np.ndarray, seed: int) -> np.ndarray:
    """Return a number in [0, 1) per row, a function of its group and the seed alone."""
    unique, inverse = np.unique(groups, return_inverse=True)
    digests = (hashlib.blake2b(f"{seed}:{key}".encode(), digest_size=8).digest() for key in unique.tolist())
    fractions: np.ndarray = np.fromiter((int.from_bytes(d, "big") / 2**64 for d in digests), float, len(unique))
    return fractions[inverse]


def cv_folds(train: pd.DataFrame, recipe: Recipe, method: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (fit, score) row positions of each fold, with the same grouping as the split that made `train`."""
    n_splits, seed = recipe.cv.folds, recipe.random_state
    if method == "random":
        yield from KFold(n_splits, shuffle=True, random_state=seed).split(train)
    else:
        groups = row_groups(train[list(recipe.features)])
        yield from GroupKFold(n_splits, shuffle=True, random_state=seed).split(train, groups=groups)
