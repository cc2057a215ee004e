"""Test scores of candidates, and the effect of twins on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import VotingRegressor

from recipeline.config.recipe import Recipe
from recipeline.data.leakage import has_twin
from recipeline.data.relations import Relations, relate_rows, weigh_rows
from recipeline.data.splits import split_rows
from recipeline.engine.local import Call, Workers
from recipeline.evaluation.results import Best, GradeErrors, Grades, Leaks, MeasuredInterval, Scores
from recipeline.inference.interval import coverage, mean_width
from recipeline.metrics.regression import accuracy_within, bootstrap_intervals, score_grades, score_predictions
from recipeline.training.candidates import mean_prediction
from recipeline.training.weights import fit_weighted


def predict_all(models: dict[str, BaseEstimator], test: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """Return predictions of the test rows by row index, one column per model."""
    features = test[list(recipe.features)]
    return pd.DataFrame({name: np.asarray(model.predict(features), float) for name, model in models.items()}, index=test.index)


def evaluate_best(
    candidate: str, target: np.ndarray, predicted: np.ndarray, inside: MeasuredInterval, test: pd.DataFrame, recipe: Recipe
) -> Best:
    """Return the metrics of the best candidate: intervals, accuracy, grades.

    `target` and `predicted` are of the rows of `test`, in the target's unit, without NaN; `inside` is the result of
    `measure_interval`. Grades are None unless the target is a whole number.
    """
    is_graded = recipe.columns[recipe.target].type == "integer"
    intervals = [
        bootstrap_intervals(
            target,
            predicted,
            way.pieces,
            draws=recipe.metrics.bootstrap_draws,
            seed=recipe.random_state,
            is_clustered=way.is_clustered,
            weights=weigh_rows(test, recipe),
        )
        for way in relate_rows(test, recipe).evidence()
    ]
    return Best(
        **score_predictions(target, predicted, weigh_rows(test, recipe)),
        candidate=candidate,
        # Where rows are pieces of evidence in two ways, what is said must hold for both.
        interval_95={
            name: (min(it[name][0] for it in intervals), max(it[name][1] for it in intervals)) for name in intervals[0]
        },
        accuracy_within=accuracy_within(target, predicted, recipe.metrics.tolerances),
        interval_90=inside,
        grades=_grades(target, predicted) if is_graded else None,
    )


def _grades(target: np.ndarray, predicted: np.ndarray) -> Grades:
    kappa, per_grade = score_grades(target, predicted)
    return Grades(kappa, tuple(GradeErrors(*it) for it in per_grade))


def measure_interval(
    target: np.ndarray, limits: tuple[np.ndarray, np.ndarray], level: float, relations: Relations
) -> MeasuredInterval:
    """Return level, coverage, mean width and rows of the interval on test rows.

    The width is in the target's unit. `target` and the lower and upper `limits` are of the test rows, of shape (rows,), without
    NaN. If rows are clustered, `coverage_std_error` is the standard error of the coverage as a mean of clusters (Cameron and
    Miller 2015, eq. 10), and `clusters` their number.
    """
    errors: list[tuple[int, float | None]] = []
    inside = (limits[0] <= target) & (target <= limits[1])
    for way in relations.evidence():
        if way.is_clustered:
            _, piece = np.unique(way.pieces, return_inverse=True)
            beyond = np.bincount(piece, weights=inside - inside.mean())
            error = math.sqrt(way.count / (way.count - 1) * (beyond**2).sum()) / len(target) if way.count > 1 else None
            errors.append((way.count, error))
    clusters, error = max(errors, key=lambda it: math.inf if it[1] is None else it[1], default=(None, None))
    return MeasuredInterval(level, coverage(target, limits), mean_width(limits), len(target), clusters, error)


def score_mean_predictor(train: pd.DataFrame, test: pd.DataFrame, recipe: Recipe) -> Scores:
    """Return the test scores of predicting the mean of the training target."""
    weights, target = weigh_rows(train, recipe), train[recipe.target]
    mean = target.mean() if weights is None else np.average(target, weights=weights)
    return Scores(**score_predictions(test[recipe.target].to_numpy(), np.full(len(test), mean), weigh_rows(test, recipe)))


def measure_leaks(predicted: pd.DataFrame, train: pd.DataFrame, test: pd.DataFrame, recipe: Recipe) -> Leaks | None:
    """Return each candidate's R2 on test rows with a twin and on the others.

    None if no test row has a twin in training.
    """
    twins = has_twin(test, train, recipe)
    if not twins.any():
        return None
    target, weights = test[recipe.target].to_numpy(), weigh_rows(test, recipe)

    def r2(rows: np.ndarray) -> dict[str, float | None]:
        enough = len(np.unique(target[rows])) > 1
        counted = None if weights is None else weights[rows]
        return {
            str(name): score_predictions(target[rows], column.to_numpy()[rows], counted)["r2"] if enough else None
            for name, column in predicted.items()
        }

    return Leaks(int(twins.sum()), r2(twins), r2(~twins))


def score_random_split(
    table: pd.DataFrame, models: Mapping[str, BaseEstimator], recipe: Recipe, workers: Workers
) -> Callable[[], dict[str, float]]:
    """Start to score refitted models on a plain `train_test_split`.

    Call the result for the scores. Copies are on both sides: these test R2 are the figures that tutorials quote. They are shown
    for comparison and not used for decisions.
    """
    train, test = split_rows(table, recipe, "random")
    features, target = list(recipe.features), test[recipe.target].to_numpy()
    learned, counted = weigh_rows(train, recipe), weigh_rows(test, recipe)
    # A mean of other models is the mean of their predictions: its members are fitted once.
    parts = {name: _members(model, models) for name, model in models.items()}
    names = [name for name in models if not parts[name]]
    calls: list[Call] = [
        (_fit_and_predict, (clone(models[name]), train[features], train[recipe.target].to_numpy(), learned, test[features]))
        for name in names
    ]
    under_way = workers.map(calls)

    def scores() -> dict[str, float]:
        predicted = dict(zip(names, under_way, strict=True))
        predicted |= {name: mean_prediction(predicted, members) for name, members in parts.items() if members}
        return {name: score_predictions(target, predicted[name], counted)["r2"] for name in models}

    return scores


def _members(model: BaseEstimator, models: Mapping[str, BaseEstimator]) -> tuple[str, ...]:
    """Return the names of the models that `model` is the mean of.

    It is empty for any other model, and for a mean of others than `models`.
    """
    if not isinstance(model, VotingRegressor) or model.weights is not None:
        return ()
    named = dict(model.estimators)
    same = all(name in models and repr(clone(models[name])) == repr(member) for name, member in named.items())
    return tuple(named) if same else ()


def _fit_and_predict(
    estimator: BaseEstimator, features: pd.DataFrame, target: np.ndarray, weights: np.ndarray | None, unseen: pd.DataFrame
) -> np.ndarray:
    return np.asarray(fit_weighted(estimator, features, target, weights).predict(unseen), dtype=float)
