"""From a recipe's candidates to scikit-learn estimators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import VotingRegressor
from sklearn.pipeline import make_pipeline

from pipeline.errors import UsageError
from pipeline.importing import import_object
from pipeline.recipe import Recipe


def build_candidate(recipe: Recipe, name: str) -> BaseEstimator:
    """Return the candidate `name` of the recipe, unfitted, with the recipe's seed wherever it takes one and has none.

    Raises
    ------
    UsageError : an import path leads nowhere, or a parameter is not the estimator's.
    """
    candidate = recipe.candidates[name]
    if candidate.members:
        return VotingRegressor([(member, build_candidate(recipe, member)) for member in candidate.members])
    assert candidate.estimator is not None
    where = f"candidates.{name}"
    parts = [_construct(part.estimator, part.params, f"{where}.preprocess") for part in candidate.preprocess]
    estimator = _construct(candidate.estimator, candidate.params, where)
    if not hasattr(estimator, "predict"):
        raise UsageError(
            f"'{where}.estimator' must be an estimator that predicts.",
            got=f"'{candidate.estimator}'",
            fix="Name a transformer under preprocess.",
        )
    return seed_estimator(make_pipeline(*parts, estimator) if parts else estimator, recipe.random_state)


def components_of(recipe: Recipe, names: Iterable[str]) -> list[str]:
    """Return the candidates that must be fitted for `names`: themselves, and instead of a mean its members; each once."""
    parts = (part for name in names for part in recipe.candidates[name].members or (name,))
    return list(dict.fromkeys(parts))


def average_members(recipe: Recipe, name: str, predictions: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the predictions of candidate `name`: its own, or its members' mean, computed as VotingRegressor computes it."""
    members = recipe.candidates[name].members
    return mean_prediction(predictions, members) if members else predictions[name]


def mean_prediction(predictions: Mapping[str, np.ndarray], members: Iterable[str]) -> np.ndarray:
    """Return the mean of the members' predictions, computed as VotingRegressor computes it, to the last digit."""
    mean: np.ndarray = np.asarray([predictions[member] for member in members]).T.mean(axis=1)
    return mean


def assemble_model(recipe: Recipe, name: str, fitted: Mapping[str, BaseEstimator]) -> BaseEstimator:
    """Return the fitted model of candidate `name`: its own, or a VotingRegressor of its members' as `fit` would leave it.

    The members are fitted to the same rows anyway; fitted once more inside of the ensemble, they would take as long again.
    """
    members = recipe.candidates[name].members
    if not members:
        return fitted[name]
    ensemble = VotingRegressor([(member, clone(fitted[member])) for member in members])
    # All that `fit` sets, but for `named_estimators_`: skops would write every member a second time.
    ensemble.estimators_ = [fitted[member] for member in members]
    if hasattr(ensemble.estimators_[0], "feature_names_in_"):
        ensemble.feature_names_in_ = ensemble.estimators_[0].feature_names_in_
    return ensemble


def _construct(path: str, params: dict[str, Any], where: str) -> BaseEstimator:
    factory = import_object(path, where=where)
    try:
        estimator = factory(**params)
    except TypeError as error:
        raise UsageError(
            f"'{where}.params' must be parameters of {path}.", got=f"'{error}'", fix="Correct them in the recipe."
        ) from None
    if not hasattr(estimator, "fit") or not hasattr(estimator, "get_params"):
        raise UsageError(
            f"'{where}' must name a scikit-learn estimator.",
            got=f"'{path}'",
            fix="Name a class that has fit and get_params.",
        )
    return estimator


def seed_estimator(estimator: BaseEstimator, seed: int) -> BaseEstimator:
    """Return `estimator` with every `random_state` that is None, at any depth, set to `seed`."""
    unset = {
        key: seed
        for key, value in estimator.get_params(deep=True).items()
        if (key == "random_state" or key.endswith("__random_state")) and value is None
    }
    seeded: BaseEstimator = estimator.set_params(**unset)
    return seeded


def packages_of(recipe: Recipe, name: str) -> set[str]:
    """Return the top-level packages that the candidate `name` and its members are imported from."""
    specs = [recipe.candidates[part] for part in components_of(recipe, [name])]
    paths = [path for spec in specs for path in (spec.estimator, *(part.estimator for part in spec.preprocess)) if path]
    return {path.split(".")[0] for path in paths}
