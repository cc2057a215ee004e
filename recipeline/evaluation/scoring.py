"""Test scores of candidates, and the effect of twins on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import VotingClassifier, VotingRegressor

from recipeline.config.measuring.scoring import build_scorer
from recipeline.config.recipe import Recipe
from recipeline.data.leakage import has_twin
from recipeline.data.relating.held_out import HeldOut
from recipeline.data.relating.relations import relate_rows, weigh_rows
from recipeline.data.splits import split_plainly
from recipeline.data.target_codes import TargetCodes, fit_target
from recipeline.engine.workers import Call, Shared, Workers
from recipeline.evaluation.results import Best, Leaks, MeasuredInterval
from recipeline.evaluation.tasks.every import TASKS
from recipeline.inference.asking import ask_model
from recipeline.metrics.skill import skill_score
from recipeline.metrics.tasks.every import TASKS as METRIC_TASKS
from recipeline.metrics.two_labels import HALF
from recipeline.training.tasks.every import TASKS as TRAINING_TASKS
from recipeline.training.weights import fit_weighted


def predict_all(
    models: Mapping[str, BaseEstimator], test: pd.DataFrame | HeldOut, recipe: Recipe, codes: TargetCodes
) -> dict[str, np.ndarray]:
    """Return each model's predictions of the test rows, shaped as the target's codes."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in models}
    for _, features in HeldOut.of(test).parts(recipe.features):
        for name, model in models.items():
            parts[name].append(ask_model(model, features, codes))
    return {name: found[0] if len(found) == 1 else np.concatenate(found) for name, found in parts.items()}


def evaluate_best(
    candidate: str,
    predicted: np.ndarray,
    inside: MeasuredInterval,
    test: pd.DataFrame,
    recipe: Recipe,
    codes: TargetCodes,
    threshold: float = HALF,
) -> Best:
    """Return the measurements of the best candidate: intervals, and those of its task.

    `predicted` are of the rows of `test`, without NaN; `inside` is the coverage of its interval or set of labels. `threshold`
    is the probability from which on it says the positive of two labels.
    """
    target, scorer = codes.of(test, recipe), build_scorer(recipe, codes.labels)
    intervals = [
        scorer.intervals(
            target,
            predicted,
            way.pieces,
            draws=recipe.metrics.bootstrap_draws,
            seed=recipe.random_state,
            is_clustered=way.is_clustered,
            weights=weigh_rows(test, recipe),
            threshold=threshold,
        )
        for way in relate_rows(test, recipe).evidence()
    ]
    return Best(
        candidate=candidate,
        # Where rows are pieces of evidence in two ways, what is said must hold for both. A metric of the project's own may be
        # defined in no sample.
        interval_95={
            name: (min(it[name][0] for it in intervals), max(it[name][1] for it in intervals))
            for name in intervals[0]
            if np.isfinite([it[name] for it in intervals]).all()
        },
        interval_90=inside,
        **vars(TASKS[recipe.task].describe(target, predicted, recipe, codes, threshold)),
    )


def score_mean_predictor(
    train: pd.DataFrame, test: pd.DataFrame, recipe: Recipe, codes: TargetCodes, threshold: float = HALF
) -> dict[str, float]:
    """Return the test scores of predicting the mean of the training target.

    For classes it is the share of each label.
    """
    weights, target, truth = weigh_rows(train, recipe), codes.of(train, recipe), codes.of(test, recipe)
    mean = target.mean(axis=0) if weights is None else np.average(target, axis=0, weights=weights)
    predicted = np.broadcast_to(mean, truth.shape)
    return METRIC_TASKS[recipe.task].score(truth, predicted, weigh_rows(test, recipe), threshold)


def measure_leaks(
    predicted: Mapping[str, np.ndarray], train: pd.DataFrame, test: pd.DataFrame, recipe: Recipe, codes: TargetCodes
) -> Leaks | None:
    """Return each candidate's skill on test rows with a twin and on the others.

    None if no test row has a twin in training.
    """
    twins = has_twin(test, train, recipe)
    if not twins.any():
        return None
    target, weights = codes.of(test, recipe), weigh_rows(test, recipe)

    def skill(rows: np.ndarray) -> dict[str, float | None]:
        enough = len(np.unique(target[rows], axis=0)) > 1
        counted = None if weights is None else weights[rows]
        return {name: skill_score(target[rows], said[rows], counted) if enough else None for name, said in predicted.items()}

    return Leaks(int(twins.sum()), skill(twins), skill(~twins))


def score_random_split(
    table: pd.DataFrame, models: Mapping[str, BaseEstimator], recipe: Recipe, codes: TargetCodes, workers: Workers
) -> Callable[[], dict[str, float] | None]:
    """Start to score refitted models on a plain `train_test_split`.

    Call the result for the scores. Copies are on both sides: these test scores are the figures that tutorials quote. They are
    shown for comparison and not used for decisions. They are None where that split leaves a label without training rows, or
    only one target to test on, or a model cannot be fitted to it.
    """
    train, test = split_plainly(table, recipe)
    features, target = list(recipe.features), codes.of(test, recipe)
    if len(np.unique(target, axis=0)) < 2 or not set(codes.labels) <= {*np.unique(fit_target(train, recipe)).tolist()}:
        return lambda: None
    learned, counted = weigh_rows(train, recipe), weigh_rows(test, recipe)
    # A mean of other models is the mean of their predictions: its members are fitted once.
    parts = {name: _members(model, models) for name, model in models.items()}
    names = [name for name in models if not parts[name]]
    rows = Shared((train[features], fit_target(train, recipe), learned, test[features]))
    calls: list[Call] = [(_fit_and_predict, (clone(models[name]), rows, codes)) for name in names]
    under_way = workers.map(calls)
    average = TRAINING_TASKS[recipe.task].average

    def scores() -> dict[str, float] | None:
        found = [*under_way]
        predicted = {name: it for name, it in zip(names, found, strict=True) if it is not None}
        if len(predicted) < len(found):
            return None
        predicted |= {name: average(predicted[it] for it in members) for name, members in parts.items() if members}
        return {name: skill_score(target, predicted[name], counted) for name in models}

    return scores


def _members(model: BaseEstimator, models: Mapping[str, BaseEstimator]) -> tuple[str, ...]:
    """Return the names of the models that `model` is the mean of.

    It is empty for any other model, and for a mean of others than `models`.
    """
    if not isinstance(model, VotingRegressor | VotingClassifier) or model.weights is not None:
        return ()
    named = dict(model.estimators)
    same = all(name in models and repr(clone(models[name])) == repr(member) for name, member in named.items())
    return tuple(named) if same else ()


def _fit_and_predict(
    estimator: BaseEstimator,
    rows: tuple[pd.DataFrame, np.ndarray, np.ndarray | None, pd.DataFrame],
    codes: TargetCodes,
) -> np.ndarray | None:
    features, target, weights, unseen = rows
    try:
        return ask_model(fit_weighted(estimator, features, target, weights), unseen, codes)
    except ValueError:  # too few rows of a label for a calibration
        return None
