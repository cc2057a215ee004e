"""A trial fit of a candidate on synthetic rows, to check its types early."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone

from recipeline.config.recipe import Recipe
from recipeline.config.scoring import build_scorer
from recipeline.data.kinds.every import KINDS
from recipeline.data.target_codes import fit_target
from recipeline.data.tasks.every import TASKS
from recipeline.errors import UsageError
from recipeline.inference.trust import types_to_trust
from recipeline.training.candidates import build_candidate, components_of
from recipeline.training.weights import check_weights

_ROWS = 60

#: So many columns with missing values are named.
_NAMED = 5

#: Parameters that decide the duration of a fit, and not the parts of the model.
_ROUNDS = ("n_estimators", "max_iter")


def check_candidates(recipe: Recipe, names: Sequence[str], trusted: Collection[str]) -> None:
    """Build the candidates `names` and fit each once, to find faults early.

    Raises
    ------
    UsageError : with all faults that `find_faults` finds, or on the function of a metric.
    """
    build_scorer(recipe)
    faults = find_faults(recipe, names, trusted)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise UsageError(
            f"{recipe.path.name}: {len(faults)} candidates cannot be trained or served.",
            fix="Correct them, or select others with model=.",
            details=[fault.sentence for fault in faults],
        )


def find_faults(recipe: Recipe, names: Sequence[str], trusted: Collection[str]) -> list[UsageError]:
    """Return a fault of each of the candidates `names` that has one.

    That is an import path, a parameter or a value that is wrong, an estimator that accepts no missing values although a
    feature may have some, or no weights although the recipe has some, or a model of a type that no command loads.
    """
    faults: dict[str, UsageError] = {}
    for name in dict.fromkeys((*names, *components_of(recipe, names))):
        try:
            estimator = build_candidate(recipe, name)
            if not recipe.candidates[name].members:
                check_weights(recipe, name, estimator)
                check_types(recipe, name, estimator, trusted)
                check_missing(recipe, name, estimator)
        except UsageError as error:
            faults.setdefault(str(error), error)  # a mean has the faults of its members
    return list(faults.values())


def check_types(recipe: Recipe, name: str, estimator: BaseEstimator, trusted: Collection[str]) -> None:
    """Raise UsageError if a model of the candidate could not be saved or loaded.

    It would contain a type that no command loads. Only the fitted model shows its types: if it cannot be fitted to synthetic
    rows, the unfitted estimator is checked, and the model when it is logged.
    """
    try:
        types_to_trust(_fitted(recipe, estimator, _draw_rows(recipe)) or estimator, trusted)
    except UsageError as error:
        raise UsageError(f"{recipe.at(f'candidates.{name}')} cannot be served. {error.sentence}") from None


def check_missing(recipe: Recipe, name: str, estimator: BaseEstimator) -> None:
    """Raise UsageError if the candidate refuses missing values of its columns."""
    nullable = [column for column in recipe.features if recipe.columns[column].nullable]
    if not nullable:
        return

    def takes(gaps: Sequence[str]) -> bool:
        rows = _draw_rows(recipe)
        for column in gaps:
            rows.loc[::7, column] = None
        return _fitted(recipe, estimator, rows) is not None

    if not takes(nullable) and takes(()):
        named = [column for column in nullable if not takes([column])][:_NAMED] or nullable[:_NAMED]
        raise UsageError(
            f"{recipe.at(f'candidates.{name}')} accepts no missing values, and {', '.join(named)} may have some (nullable).",
            fix="Begin its preprocess with sklearn.impute.SimpleImputer, or choose an estimator that accepts them.",
        )


def _draw_rows(recipe: Recipe) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    rows = {name: KINDS[column.type].draw(column, generator, _ROWS) for name, column in recipe.columns.items()}
    return pd.DataFrame(rows | {recipe.target: TASKS[recipe.task].draw(recipe, generator, _ROWS)})


def _fitted(recipe: Recipe, estimator: BaseEstimator, rows: pd.DataFrame) -> BaseEstimator | None:
    """Return a copy of the estimator, fitted to synthetic rows; None if refused."""
    trial = clone(estimator)
    rounds = {
        key: min(value, 2)
        for key, value in trial.get_params(deep=True).items()
        if key.rpartition("__")[2] in _ROUNDS and isinstance(value, int)
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it did not converge in two rounds
        try:
            fitted = trial.set_params(**rounds).fit(rows[list(recipe.features)], fit_target(rows, recipe))
            fitted.predict(rows[list(recipe.features)])
        except Exception:  # whatever an estimator says of rows that nobody measured
            return None
    return fitted
