"""A candidate fitted to a few made-up rows, to know what its model will be made of before any work starts."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone

from recipeline.config.recipe import Recipe
from recipeline.data.kinds.every import KINDS
from recipeline.errors import UsageError
from recipeline.inference.trust import types_to_trust
from recipeline.training.candidates import build_candidate, components_of
from recipeline.training.weights import check_weights

_ROWS = 60

#: What decides how long a fit takes, and not what the model is made of.
_ROUNDS = ("n_estimators", "max_iter")


def check_candidates(recipe: Recipe, names: Sequence[str], trusted: Collection[str]) -> None:
    """Build the candidates `names` and fit each once, to find what cannot be before any work starts.

    Raises
    ------
    UsageError : an import path, a parameter or a value is wrong, a candidate takes no weights where the recipe has some, or a
        model would hold a type that no command loads.
    """
    components = components_of(recipe, names)
    built = {name: build_candidate(recipe, name) for name in (*names, *components)}
    for name in components:
        check_weights(recipe, name, built[name])
        check_types(recipe, name, built[name], trusted)


def check_types(recipe: Recipe, name: str, estimator: BaseEstimator, trusted: Collection[str]) -> None:
    """Raise UsageError where a model of the candidate could not be saved, or holds a type that no command would load.

    What it is made of shows in the fitted model only. Where it cannot be fitted to rows that were made up, the estimator as it
    is built is looked at, and the model when it is logged.
    """
    try:
        types_to_trust(_fitted(recipe, estimator), trusted)
    except UsageError as error:
        raise UsageError(f"{recipe.at(f'candidates.{name}')} cannot be served. {error.sentence}") from None


def _fitted(recipe: Recipe, estimator: BaseEstimator) -> BaseEstimator:
    trial = clone(estimator)
    rounds = {
        key: min(value, 2)
        for key, value in trial.get_params(deep=True).items()
        if key.rpartition("__")[2] in _ROUNDS and isinstance(value, int)
    }
    generator = np.random.default_rng(0)
    rows = pd.DataFrame({name: KINDS[column.type].draw(column, generator, _ROWS) for name, column in recipe.columns.items()})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it did not converge in two rounds
        try:
            return trial.set_params(**rounds).fit(rows[list(recipe.features)], rows[recipe.target])
        except Exception:  # whatever an estimator says of rows that nobody measured
            return estimator
