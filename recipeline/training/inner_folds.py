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
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.preprocessing import TargetEncoder

from recipeline.config.recipe import Recipe
from recipeline.data.relating.grouping import count_distinct
from recipeline.data.relating.relations import deal_folds, deal_strata

_FITTED_BY_FOLDS = (TargetEncoder, CalibratedClassifierCV)


class _Dealt:
    """Folds of certain rows, in the place of `own`, which deals any other ones."""

    def __init__(self, folds: list[tuple[np.ndarray, np.ndarray]], own: KFold | StratifiedKFold) -> None:
        self.folds, self.own = folds, own
        self.rows = sum(len(unseen) for _, unseen in folds)

    def get_n_splits(self, *_: Any, **__: Any) -> int:
        return len(self.folds)

    def split(self, rows: Any, target: Any = None, *_: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return iter(self.folds) if len(rows) == self.rows else self.own.split(rows, target)


def give_folds(model: BaseEstimator, groups: np.ndarray, target: np.ndarray) -> bool:
    """Set folds that keep `groups` of the rows, (rows,), together inside `model`.

    Only plain folds are replaced: those of a TargetEncoder of scikit-learn from 1.9 on, and of a calibration. Rows of other
    fits inside of a calibration have plain folds. Return whether there are any.
    """
    changed = False
    for part in [model, *model.get_params(deep=True).values()]:
        if isinstance(part, _FITTED_BY_FOLDS) and isinstance(part.cv, KFold | StratifiedKFold):
            folds = _deal(part, groups, target)
            if folds:
                part.set_params(cv=_Dealt(folds, part.cv))
                changed = True
    return changed


def _deal(part: BaseEstimator, groups: np.ndarray, target: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return folds of whole groups; none where groups are too few, or a fold would lack a label."""
    count, seed = min(part.cv.n_splits, count_distinct(groups)), part.cv.random_state or 0
    if count < 2:
        return []
    if isinstance(part, TargetEncoder):
        return list(deal_folds(groups, count, seed))
    labels, strata = np.unique(target, return_inverse=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer rows of a label than folds
        folds = list(deal_strata(groups, strata, count, seed)) if np.bincount(strata).max() >= count else []
    is_whole = all(len(np.unique(strata[side])) == len(labels) for fold in folds for side in fold)
    return folds if is_whole else []


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
    elif isinstance(value, BaseEstimator) or hasattr(value, "calibrators"):
        inside = [*vars(value).values()]
    else:
        inside = [*value.values()] if isinstance(value, dict) else []
    for it in inside:
        yield from _parts(it)


def find_torn(recipe: Recipe) -> list[str]:
    """Return a warning for each candidate with folds inside of it that tear groups."""
    if recipe.split.group is None:
        return []
    return [
        f"candidates.{name}: its TargetEncoder is fitted anew inside of its calibration, in folds that tear apart rows of "
        f"one {recipe.split.group}. Take calibrate away, or choose another encoder."
        for name, candidate in recipe.candidates.items()
        if candidate.calibrate is not None and _has_encoder(candidate.preprocess.category)
    ]


def _has_encoder(chosen: Any) -> bool:
    parts = [chosen] if isinstance(chosen, str) else [part.estimator for part in chosen]
    return any(part == "target" or part.endswith(".TargetEncoder") for part in parts)
