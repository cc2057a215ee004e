"""Candidates cross-validated on the same folds, and fitted on all training rows."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone

from recipeline.config.candidate import Search
from recipeline.config.measuring.scoring import build_scorer
from recipeline.config.recipe import Recipe
from recipeline.data.relating.relations import FOLD, Relations, relate_rows, weigh_rows
from recipeline.data.splits import cv_folds
from recipeline.data.target_codes import NUMBERS, TargetCodes, fit_target, is_predicted
from recipeline.engine.workers import Call, Shared, Workers
from recipeline.errors import UsageError
from recipeline.inference.asking import ask_model
from recipeline.metrics.catalogue import Metric, skill_of
from recipeline.metrics.scorer import Scorer
from recipeline.metrics.skill import skill_score
from recipeline.training.candidates import assemble_model, average_members, build_candidate, components_of
from recipeline.training.search import Found, search_params
from recipeline.training.tasks.every import TASKS
from recipeline.training.weights import TrainingRows, fit_weighted

#: The metric that ranks candidates where a recipe names no other.
SKILL = skill_of(NUMBERS.task)
#: So many columns are named in an error.
_NAMED = 5

#: The fold number of the fit on all training rows.
ALL_ROWS = -1


@dataclass(frozen=True)
class Fit:
    """One fit: on a fold, with `predictions` of its other rows, or on all rows.

    A fit on all rows has the `model`. `search` is None for a candidate without one.
    """

    name: str
    fold: int
    seconds: float
    search: Found | None
    predict_seconds: float = 0.0
    predictions: np.ndarray | None = None
    model: BaseEstimator | None = None


@dataclass(frozen=True)
class Result:
    """A candidate after all its fits.

    `fold_scores` is `metric` per fold: the skill (R2; of classes the Brier skill) unless the recipe has another primary metric.
    `out_of_fold` is the prediction of each training row by the fold that did not see it, shaped as `codes` (NaN where it is in
    no fold, as the earliest over time), all of them in `predict_seconds`; `model` is fitted on all training rows in
    `fit_seconds`; `found` are the searched parameters, the best of `settings_tried`; `cut_searches` is the number of its
    searches that ran out of time, `empty_searches` of those that had no folds.
    """

    name: str
    fold_scores: np.ndarray
    out_of_fold: np.ndarray
    model: BaseEstimator
    fit_seconds: float
    predict_seconds: float
    found: dict[str, Any]
    settings_tried: int = 1
    cut_searches: int = 0
    codes: TargetCodes = NUMBERS
    metric: Metric = SKILL
    empty_searches: int = 0

    @property
    def cv_mean_score(self) -> float:
        """The mean of `metric` over the folds."""
        return float(np.mean(self.fold_scores))

    @property
    def warning(self) -> str:
        """Return a warning of searches that were cut or could not begin, or "".

        Where one was cut, results may differ on another machine.
        """
        warnings = []
        if self.cut_searches:
            warnings.append(
                f"its time was over in {self.cut_searches} searches before all draws were tried; "
                "on another machine the result may differ. Raise seconds, or lower iterations, in its search."
            )
        if self.empty_searches:
            warnings.append(
                f"in {self.empty_searches} of its fits nothing was searched, and its own params were used: rows there have too "
                "few groups, times or labels to be divided into folds. Lower cv.folds or split.embargo, or name a larger table."
            )
        return f"{self.name}: {' '.join(warnings)}" if warnings else ""

    @property
    def note(self) -> str:
        """Return a note of the number of rows without an out-of-fold prediction, or "".

        Over time these are the earliest.
        """
        early = int((~is_predicted(self.out_of_fold)).sum())
        return f"the {early} earliest rows have no out-of-fold prediction: no fold is fitted to older ones" if early else ""

    @property
    def cv_std(self) -> float:
        """The standard deviation of `metric` over the folds.

        It is divided by n, as `cross_val_score(...).std()`.
        """
        return float(np.std(self.fold_scores))


def count_fits(recipe: Recipe, names: Iterable[str], train: pd.DataFrame | None = None) -> int:
    """Return how many fits a comparison of the candidates `names` takes."""
    folds = recipe.cv.folds if train is None or FOLD not in train else train[FOLD].nunique()
    return len(components_of(recipe, names)) * (folds + 1)


def compare_candidates(
    recipe: Recipe, names: Iterable[str], train: pd.DataFrame, method: str, workers: Workers
) -> Iterator[tuple[str, list[Result]]]:
    """Yield the name of each fit, with the Results that it completes.

    All candidates have the same folds (of the split `method`). A mean of candidates is made of their fits. Training rows with
    NaN are passed on: an estimator that accepts none refuses them.

    Raises
    ------
    UsageError : a candidate cannot be built or refuses its parameters or the rows.
    """
    features, target, codes = train[list(recipe.features)], fit_target(train, recipe), TargetCodes.learn(recipe, train)
    relations, weights = relate_rows(train, recipe), weigh_rows(train, recipe)
    scorer = build_scorer(recipe, codes.labels)
    folds = list(cv_folds(train, recipe, method))
    everything = np.arange(len(train))
    rows = Shared((TrainingRows(features, target, weights, relations.together), relations))
    # The last candidates of a recipe tend to be the heavy ones: started first, they do not run on alone at the end.
    waiting = list(reversed(list(names)))
    calls: list[Call] = []
    for name in components_of(recipe, waiting):
        estimator = build_candidate(recipe, name)
        for fold, (seen, unseen) in ((ALL_ROWS, (everything, everything[:0])), *enumerate(folds)):
            calls.append((_fit, (estimator, recipe, name, fold, rows, seen, unseen, codes)))
    done: dict[str, dict[int, Fit]] = {}
    for fit in workers.map(calls, ordered=False):
        done.setdefault(fit.name, {})[fit.fold] = fit
        ready = [
            name for name in waiting if all(len(done.get(part, ())) == len(folds) + 1 for part in components_of(recipe, [name]))
        ]
        waiting = [name for name in waiting if name not in ready]
        yield fit.name, [_collect(recipe, name, done, codes.encode(target), weights, folds, codes, scorer) for name in ready]


def _fit(
    estimator: BaseEstimator,
    recipe: Recipe,
    name: str,
    fold: int,
    table: tuple[TrainingRows, Relations],
    seen: np.ndarray,
    others: np.ndarray,
    codes: TargetCodes,
) -> Fit:
    """Fit one candidate to the rows `seen` in a worker process; predict `others`.

    The model is returned instead for a fit on all rows.
    """
    search, rows, relations = recipe.candidates[name].search, table[0].take(seen), table[1].take(seen)
    features, target, weights = rows.features, rows.target, rows.weights
    unseen = table[0].features.iloc[others]
    start = time.perf_counter()
    try:
        found = _search(estimator, search, recipe, features, target, relations, weights, codes) if search else None
        drawn = clone(estimator).set_params(**found.params if found else {})
        prepared = TASKS[codes.task].prepare(drawn, target, recipe.predicted.transform)
        model = fit_weighted(prepared, features, target, weights, rows.groups)
    # Scikit-learn's words for parameters or rows that an estimator refuses.
    except (ValueError, TypeError, AttributeError) as error:
        raise _refused(recipe, name, features, error) from None
    seconds = time.perf_counter() - start
    if fold == ALL_ROWS:
        return Fit(name, fold, seconds, found, model=model)
    start = time.perf_counter()
    predictions = ask_model(model, unseen, codes)
    predict_seconds = time.perf_counter() - start
    try:
        TASKS[codes.task].check_labels(model, unseen, predictions, codes)
    except ValueError as error:
        raise _refused(recipe, name, features, error) from None
    return Fit(name, fold, seconds, found, predict_seconds, predictions=predictions)


def _refused(recipe: Recipe, name: str, features: pd.DataFrame, error: Exception) -> UsageError:
    """Return what an estimator says of rows, with columns that hold no value."""
    reason, where = " ".join(str(error).split()).rstrip("."), recipe.at(f"candidates.{name}")
    empty = [str(column) for column in features if features[column].isna().all()]
    if not empty:
        return UsageError(
            f"{where} cannot be fitted to the training rows: {reason}.",
            fix=f"Correct it in {recipe.path}.",
        )
    shown = ", ".join(empty[:_NAMED]) + f" and {len(empty) - _NAMED} others" * (len(empty) > _NAMED)
    return UsageError(
        f"{where} cannot be fitted to rows without any value of {shown}: {reason}.",
        fix=f"Set role: ignore for such columns in {recipe.path}, or begin its preprocess with sklearn.impute.SimpleImputer.",
    )


def _search(
    estimator: BaseEstimator,
    search: Search,
    recipe: Recipe,
    features: pd.DataFrame,
    target: np.ndarray,
    relations: Relations,
    weights: np.ndarray | None,
    codes: TargetCodes,
) -> Found:
    # The budget is the candidate's: each of its fits has a share.
    seconds = None if search.seconds is None else search.seconds / (recipe.cv.folds + 1)
    return search_params(
        estimator,
        search,
        features,
        target,
        relations,
        n_splits=recipe.cv.folds,
        seed=recipe.random_state,
        seconds=seconds,
        weights=weights,
        transform=recipe.predicted.transform,
        codes=codes,
    )


def _collect(
    recipe: Recipe,
    name: str,
    done: Mapping[str, Mapping[int, Fit]],
    target: np.ndarray,
    weights: np.ndarray | None,
    folds: list[tuple[np.ndarray, np.ndarray]],
    codes: TargetCodes,
    scorer: Scorer,
) -> Result:
    """Return the candidate's result from its fits, or from those of its members.

    `target` are its codes.
    """
    parts = components_of(recipe, [name])
    full = {part: done[part][ALL_ROWS] for part in parts}
    out_of_fold = np.full(target.shape, np.nan)
    for fold, (_, unseen) in enumerate(folds):
        predictions = {part: done[part][fold].predictions for part in parts}
        out_of_fold[unseen] = average_members(recipe, name, predictions)  # type: ignore[arg-type]
    searches = {part: fit.search for part, fit in full.items() if fit.search}
    found = {
        key if len(parts) == 1 else f"{part}.{key}": value for part, it in searches.items() for key, value in it.params.items()
    }
    tried = [fit.search for part in parts for fit in done[part].values() if fit.search]
    task, model = TASKS[codes.task], assemble_model(recipe, name, {part: fit.model for part, fit in full.items()})
    decided = task.decide(model, codes, target, out_of_fold, recipe, weights)
    return Result(
        name,
        _score_folds(recipe, name, scorer, target, out_of_fold, weights, folds, task.threshold(decided)),
        out_of_fold,
        decided,
        sum(fit.seconds for fit in full.values()),
        sum(done[part][fold].predict_seconds for part in parts for fold in range(len(folds))),
        found,
        max(1, sum(it.draws for it in searches.values())),
        sum(it.is_cut for it in tried),
        codes,
        recipe.ranked_by,
        sum(not it.draws for it in tried),
    )


def _score_folds(
    recipe: Recipe,
    name: str,
    scorer: Scorer,
    target: np.ndarray,
    out_of_fold: np.ndarray,
    weights: np.ndarray | None,
    folds: list[tuple[np.ndarray, np.ndarray]],
    threshold: float,
) -> np.ndarray:
    """Return the metric that ranks the candidates, by fold."""
    is_skill = recipe.ranked_by == skill_of(recipe.task)
    scores = np.empty(len(folds))
    for fold, (_, rows) in enumerate(folds):
        counted = None if weights is None else weights[rows]
        if is_skill:  # without the other metrics of the task
            scores[fold] = skill_score(target[rows], out_of_fold[rows], counted)
        else:
            whose = f"the candidate {name} in fold {fold}"
            scores[fold] = scorer.value(recipe.ranked_by.name, target[rows], out_of_fold[rows], counted, threshold, whose=whose)
    return scores


def rank(results: Iterable[Result]) -> list[Result]:
    """Return the results, best `cv_mean_score` first, equal ones by name.

    The best is the greatest one, or the least of a metric of which less is better.
    """
    return sorted(results, key=lambda it: (it.metric.worsening(it.cv_mean_score, 0.0), it.name))
