"""A trial fit of a candidate on synthetic rows, to check its types early."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone

from recipeline.config.measuring.scoring import build_scorer
from recipeline.config.recipe import Recipe
from recipeline.data.kinds.every import KINDS
from recipeline.data.target_codes import fit_target
from recipeline.data.tasks.every import TASKS
from recipeline.errors import UsageError
from recipeline.inference.trust import types_to_trust
from recipeline.training.candidates import build_candidate, components_of
from recipeline.training.weights import check_weights

#: So many rows are made up, and so many columns for each pattern of the recipe.
_ROWS, _COLUMNS = 60, 200

#: As many where a candidate refuses these: it may need more.
_MORE = 2_000

#: So many columns with missing values are named.
_NAMED = 5

_LONGEST = 300

#: Parameters that decide the duration of a fit, and not the parts of the model.
_ROUNDS = ("n_estimators", "max_iter")


def check_candidates(recipe: Recipe, names: Sequence[str], trusted: Collection[str]) -> None:
    """Build the candidates `names` and fit each once, to find faults early.

    A candidate that refuses made-up rows may accept the real ones: it is no fault here.

    Raises
    ------
    UsageError : with all faults that `find_faults` finds, or on the function of a metric.
    """
    build_scorer(recipe)
    faults = find_faults(recipe, names, trusted, must_fit=False)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise UsageError(
            f"{recipe.path.name}: {len(faults)} candidates cannot be trained or served.",
            fix="Correct them, or select others with model=.",
            details=[fault.sentence for fault in faults],
        )


def find_faults(recipe: Recipe, names: Sequence[str], trusted: Collection[str], *, must_fit: bool = True) -> list[UsageError]:
    """Return a fault of each of the candidates `names` that has one.

    That is an import path, a parameter or a value that is wrong, an estimator that refuses made-up rows (if it `must_fit`), or
    missing values although a feature may have some, or weights although the recipe has some, or a model of a type that no
    command loads.
    """
    faults: dict[str, UsageError] = {}
    recipe = recipe.with_stand_ins(_COLUMNS) if recipe.patterns else recipe
    for name in dict.fromkeys((*names, *components_of(recipe, names))):
        try:
            estimator = build_candidate(recipe, name)
            if not recipe.candidates[name].members:
                check_weights(recipe, name, estimator)
                check_types(recipe, name, estimator, trusted)
                if must_fit:
                    check_fit(recipe, name, estimator)
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
        types_to_trust(_try(recipe, estimator, _draw_rows(recipe))[0], trusted)
    except UsageError as error:
        raise UsageError(f"{recipe.at(f'candidates.{name}')} cannot be served. {error.sentence}") from None


def check_fit(recipe: Recipe, name: str, estimator: BaseEstimator) -> None:
    """Raise UsageError with the estimator's own words if it refuses made-up rows.

    It is asked again with more of them, from the middle of each range: some estimators need as many neighbours or components,
    and some refuse a value such as 0, which a range has and real rows may not have.
    """
    if _try(recipe, estimator, _draw_rows(recipe))[1] is None:
        return
    wide = recipe.with_stand_ins(_MORE) if recipe.stated.patterns else recipe
    refusal = _try(wide, build_candidate(wide, name), _draw_rows(_narrowed(wide), _MORE))[1]
    if refusal is None:
        return
    reason = " ".join(str(refusal).split())[:_LONGEST].rstrip(".")
    raise UsageError(
        f"{recipe.at(f'candidates.{name}')} cannot be fitted to made-up rows of the recipe's columns: "
        f"{type(refusal).__name__}: {reason}.",
        fix="Correct its preprocess, estimator or params; or, where real rows are none like these, the columns' type, min, max "
        "and values, which the rows are drawn from.",
    )


def check_missing(recipe: Recipe, name: str, estimator: BaseEstimator) -> None:
    """Raise UsageError if the candidate refuses missing values of its columns."""
    nullable = [column for column in recipe.features if recipe.columns[column].nullable]
    if not nullable:
        return

    def takes(gaps: Sequence[str]) -> bool:
        rows = _draw_rows(recipe)
        for column in gaps:
            rows.loc[::7, column] = None
        return _try(recipe, estimator, rows)[1] is None

    if not takes(nullable) and takes(()):
        named = [column for column in nullable if not takes([column])][:_NAMED] or nullable[:_NAMED]
        raise UsageError(
            f"{recipe.at(f'candidates.{name}')} accepts no missing values, and {', '.join(named)} may have some (nullable).",
            fix="Begin its preprocess with sklearn.impute.SimpleImputer, or choose an estimator that accepts them.",
        )


def _draw_rows(recipe: Recipe, rows: int = _ROWS) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    drawn = {name: KINDS[column.type].draw(column, generator, rows) for name, column in recipe.columns.items()}
    return pd.DataFrame(drawn | {recipe.target: TASKS[recipe.task].draw(recipe, generator, rows)})


def _narrowed(recipe: Recipe) -> Recipe:
    """Return the recipe with the middle half of the range of each column of numbers."""
    columns = dict(recipe.columns)
    for name, column in columns.items():
        if KINDS[column.type].is_numeric:
            low = 0.0 if column.min is None else column.min
            high = max(low, low + 10 if column.max is None else column.max)
            columns[name] = column.model_copy(update={"min": low + (high - low) / 4, "max": high - (high - low) / 4})
    return recipe.model_copy(update={"columns": columns})


def _try(recipe: Recipe, estimator: BaseEstimator, rows: pd.DataFrame) -> tuple[BaseEstimator, Exception | None]:
    """Return a copy of the estimator, fitted to synthetic rows; what it says of them."""
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
        except Exception as error:  # whatever an estimator says of rows that nobody measured
            return estimator, error
    return fitted, None
