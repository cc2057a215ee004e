"""Folds inside of an estimator that keep the groups of a recipe together.

A TargetEncoder and a calibration are fitted by folds of their own: rows of one group on both sides would let an encoded
category, or a probability, know the target of its group.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.preprocessing import TargetEncoder

from recipeline.data.relating.grouping import count_distinct
from recipeline.data.relating.relations import deal_folds, deal_strata

Folds = list[tuple[np.ndarray, np.ndarray]]


class _Dealt:
    """Folds of certain rows, in the place of `own`, which deals any other ones."""

    def __init__(self, folds: Folds, own: KFold) -> None:
        self.folds, self.own = folds, own
        self.rows = sum(len(unseen) for _, unseen in folds)

    def get_n_splits(self, *_: Any, **__: Any) -> int:
        return len(self.folds)

    def split(self, rows: Any, target: Any = None, *_: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return iter(self.folds) if len(rows) == self.rows else self.own.split(rows, target)


def give_folds(model: BaseEstimator, groups: np.ndarray) -> bool:
    """Set folds inside of encoders of `model` that keep `groups`, (rows,), together.

    `groups` has one value for each row, (rows,). Only plain folds are replaced: those of a TargetEncoder of scikit-learn from
    1.9 on. Return whether there are any.
    """
    changed = False
    for part in model.get_params(deep=True).values():
        if isinstance(part, TargetEncoder) and isinstance(part.cv, KFold):
            count = min(part.cv.n_splits, count_distinct(groups))
            if count > 1:
                part.set_params(cv=_Dealt(list(deal_folds(groups, count, part.cv.random_state or 0)), part.cv))
                changed = True
    return changed


def deal_calibration(own: StratifiedKFold, groups: np.ndarray | None, target: np.ndarray) -> Folds:
    """Return the folds of a calibration: its own, or such that keep `groups` together.

    Its own where groups are too few, or a fold would lack a label.
    """
    plain = list(own.split(target, target))
    if groups is None:
        return plain
    labels, strata = np.unique(target, return_inverse=True)
    count = min(own.n_splits, count_distinct(groups))
    if count < 2 or np.bincount(strata).max() < count:
        return plain
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer rows of a label than folds
        folds = list(deal_strata(groups, strata, count, own.random_state or 0))
    is_whole = all(len(np.unique(strata[side])) == len(labels) for fold in folds for side in fold)
    return folds if is_whole else plain


def take_folds(model: BaseEstimator) -> None:
    """Put the plain folds back inside a fitted model: it is saved with these."""
    for part in _parts(model):
        if isinstance(getattr(part, "cv", None), _Dealt):
            part.cv = part.cv.own


def _parts(value: Any) -> Iterator[BaseEstimator]:
    """Yield estimators inside a fitted one, at any depth, and itself."""
    if isinstance(value, BaseEstimator):
        yield value
    if isinstance(value, list | tuple):
        inside = [*value]
    elif isinstance(value, BaseEstimator):
        inside = [*vars(value).values()]
    else:
        inside = [*value.values()] if isinstance(value, dict) else []
    for it in inside:
        yield from _parts(it)
