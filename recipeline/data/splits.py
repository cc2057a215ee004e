"""Which rows are for testing, and which fold a row is in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, train_test_split

from recipeline.config.recipe import Recipe
from recipeline.data.relations import Relations, relate_rows
from recipeline.errors import DataError


def split_rows(table: pd.DataFrame, recipe: Recipe, method: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the training and test rows of `table`, each with the original index and in the original order.

    grouped: a row is a test row where a hash of its features and the seed falls below `test_size`, so equal rows stay
    together, the share is `test_size` up to chance, and a row stays put when others are added, removed or reordered (with
    `split.tolerance`, where they join no groups).
    With `split.group`, groups are test rows in the order of such hashes until they hold about `test_size` of the rows: there
    may be too few of them to leave it to chance.
    random: exactly `train_test_split(table, test_size=..., random_state=...)`; copies end up on both sides, in its order.

    Raises
    ------
    DataError : either side would hold too few distinct rows for the folds of the recipe, or the target does not vary in a fold.
    """
    if method == "random":
        train, test = train_test_split(table, test_size=recipe.split.test_size, random_state=recipe.random_state)
    else:
        is_test = _is_test(relate_rows(table, recipe), recipe)
        train, test = table[~is_test], table[is_test]
    related = relate_rows(train, recipe)
    distinct = len(np.unique(related.clusters())) if len(train) else 0
    if distinct < 2 * recipe.cv.folds or test[recipe.target].nunique() < 2:
        raise DataError(
            f"The split must leave at least {2 * recipe.cv.folds} {related.unit} to train on "
            "and 2 different targets to test on.",
            got=f"{distinct} and {test[recipe.target].nunique()}",
            fix="Name a larger table, or change split.test_size or cv.folds in the recipe."
            + (" Equal rows join the groups that they are in." if related.is_clustered else ""),
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


def _is_test(relations: Relations, recipe: Recipe) -> np.ndarray:
    fractions = _fractions(relations.groups, recipe.random_state)
    if not relations.is_clustered:
        return fractions < recipe.split.test_size
    order, sizes = np.unique(fractions, return_counts=True)
    held = np.cumsum(sizes) / len(relations)
    last = int(np.argmin(np.abs(held - recipe.split.test_size)))
    is_test: np.ndarray = fractions <= order[last]
    return is_test


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
        yield from relate_rows(train, recipe).deal(n_splits, seed)
