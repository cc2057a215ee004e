from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, VotingClassifier, VotingRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from recipeline.data.relating.relations import Relations
from recipeline.data.splits import cv_folds
from recipeline.engine.local import LocalWorkers
from recipeline.errors import UsageError
from recipeline.metrics.regression import bootstrap_intervals, score_predictions
from recipeline.promotion.gain import Answers, cross_validate, measure_gain
from recipeline.promotion.results import CHALLENGER, CHAMPION
from recipeline.training.candidates import build_candidate
from recipeline.training.cross_validation import compare_candidates
from recipeline.training.weights import check_weights, fit_weighted, takes_weights
from tests.conftest import as_recipe
from tests.panels import draw_series, series_content

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=10, deadline=None)
TAKERS: list[BaseEstimator] = [
    LinearRegression(),
    make_pipeline(StandardScaler(), Ridge(10)),
    DecisionTreeRegressor(max_depth=3, random_state=0),
    TransformedTargetRegressor(make_pipeline(StandardScaler(), SVR(C=2)), transformer=StandardScaler()),
    VotingRegressor(
        [("line", LinearRegression()), ("tree", make_pipeline(DecisionTreeRegressor(max_depth=2, random_state=0)))]
    ),
    HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=3, early_stopping=False),
]
OTHERS: list[BaseEstimator] = [KNeighborsRegressor(), make_pipeline(StandardScaler(), KNeighborsRegressor())]


def draw(seed: int = 0, rows: int = 90) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return features, a target, and whole weights of 1 to 3."""
    rng = np.random.default_rng(seed)
    features = pd.DataFrame(rng.normal(size=(rows, 2)), columns=["a", "b"])
    return features, features["a"].to_numpy() ** 2 + rng.normal(0, 0.3, rows), rng.integers(1, 4, rows).astype(float)


def weighted_content() -> dict[str, Any]:
    content = series_content()
    content["columns"]["exposure"] = {"role": "weight"}
    return content | {"split": {}, "columns": content["columns"] | {"moment": {"role": "id"}}}


def weighted_series() -> pd.DataFrame:
    return draw_series().assign(exposure=np.random.default_rng(5).uniform(0.1, 9, 240))


@pytest.mark.parametrize("model", TAKERS, ids=repr)
def test_weights_reach_the_estimator_wherever_it_is(model: BaseEstimator) -> None:
    features, target, weights = draw()
    assert takes_weights(model)
    weighted = fit_weighted(model, features, target, weights).predict(features)
    scaled = fit_weighted(model, features, target, 1000 * weights).predict(features)
    plain = fit_weighted(model, features, target, None).predict(features)
    assert np.abs(weighted - plain).max() > 1e-3
    np.testing.assert_allclose(weighted, scaled, rtol=1e-6)


@few
@given(seeds)
def test_a_weight_of_two_is_the_row_twice(seed: int) -> None:
    features, target, weights = draw(seed)
    twice = np.repeat(np.arange(len(target)), weights.astype(int))
    weighted = fit_weighted(LinearRegression(), features, target, weights).predict(features)
    repeated = LinearRegression().fit(features.iloc[twice], target[twice]).predict(features)
    np.testing.assert_allclose(weighted, repeated)
    assert score_predictions(target, weighted, weights) == pytest.approx(score_predictions(target[twice], weighted[twice]))


@few
@given(seeds)
def test_intervals_and_the_gain_count_a_row_as_often_as_its_weight_says(seed: int) -> None:
    _, target, weights = draw(seed)
    rng, rows = np.random.default_rng(seed), np.arange(len(target))
    twice = np.repeat(rows, weights.astype(int))
    predicted = {arm: target + rng.normal(0, 0.5, len(target)) for arm in (CHALLENGER, CHAMPION)}
    one = bootstrap_intervals(target, predicted[CHAMPION], rows, draws=50, seed=1, weights=weights)
    other = bootstrap_intervals(target[twice], predicted[CHAMPION][twice], twice, draws=50, seed=1)
    for name, limits in one.items():
        assert limits == pytest.approx(other[name])
    folds = (rows % 3)[:, None]
    columns = {arm: values[:, None] for arm, values in predicted.items()}
    counted = measure_gain(Answers(target, Relations(rows), columns, folds, weights=weights), level=0.95, draws=50, seed=1)
    repeated = {arm: values[twice] for arm, values in columns.items()}
    listed = measure_gain(Answers(target[twice], Relations(twice), repeated, folds[twice]), level=0.95, draws=50, seed=1)
    for name in ("gain", "lower", "bootstrap_std_error", "corrected_std_error", "r2"):
        assert getattr(counted, name) == pytest.approx(getattr(listed, name)), name
    assert counted.rows == len(target)


def test_the_folds_of_train_and_of_the_gate_are_fitted_and_scored_with_weights() -> None:
    recipe, rows = as_recipe(weighted_content()), weighted_series()
    (result,) = [
        it for _, done in compare_candidates(recipe, ["LinearRegression"], rows, "random", LocalWorkers(1)) for it in done
    ]
    weights, target, features = rows["exposure"].to_numpy(), rows["load"].to_numpy(), rows[["warmth"]]
    whole = LinearRegression().fit(features, target, sample_weight=weights)
    np.testing.assert_allclose(result.model.predict(features), whole.predict(features))
    for score, (seen, unseen) in zip(result.fold_scores, cv_folds(rows, recipe, "random"), strict=True):
        fold = LinearRegression().fit(features.iloc[seen], target[seen], sample_weight=weights[seen])
        assert score == pytest.approx(
            r2_score(target[unseen], fold.predict(features.iloc[unseen]), sample_weight=weights[unseen])
        )
    arms = {arm: (LinearRegression(), features) for arm in (CHALLENGER, CHAMPION)}
    relations = Relations(np.arange(240))
    answers = cross_validate(arms, target, relations, folds=3, repeats=1, seed=0, workers=LocalWorkers(1), weights=weights)
    assert answers.folds is not None
    rest = answers.folds[:, 0] != 0
    fold = LinearRegression().fit(features[rest], target[rest], sample_weight=weights[rest])
    np.testing.assert_allclose(answers.predicted[CHAMPION][~rest, 0], fold.predict(features[~rest]))


@pytest.mark.parametrize("model", OTHERS, ids=repr)
def test_an_estimator_that_takes_no_weights_is_known(model: BaseEstimator) -> None:
    assert not takes_weights(model)
    assert not takes_weights(VotingRegressor([("a", LinearRegression()), ("b", model)]))


def test_a_candidate_that_takes_no_weights_is_refused_by_name_and_only_where_there_are_some() -> None:
    content = weighted_content()
    content["candidates"] = {"Near": {"alias": "knn", "estimator": "sklearn.neighbors.KNeighborsRegressor"}}
    recipe = as_recipe(content)
    with pytest.raises(UsageError, match=r"'candidates.Near' must accept weights of rows: columns.exposure.role is weight"):
        check_weights(recipe, "Near", build_candidate(recipe, "Near"))
    content["columns"]["exposure"]["role"] = "ignore"
    recipe = as_recipe(content)
    check_weights(recipe, "Near", build_candidate(recipe, "Near"))


class Numbered(DecisionTreeClassifier):
    """A classifier that takes the labels 0, 1, 2 and on only, as XGBoost's."""

    def fit(self, rows: Any, target: Any, sample_weight: Any = None) -> Numbered:
        assert sorted(set(target)) == [0, 1]
        self.weights = sample_weight
        return super().fit(rows, target, sample_weight)


@pytest.mark.parametrize("in_a_pipeline", [False, True])
@pytest.mark.parametrize("in_a_mean", [False, True])
def test_a_mean_of_one_numbers_the_labels_with_weights_too(in_a_pipeline: bool, in_a_mean: bool) -> None:
    rows = pd.DataFrame({"a": np.arange(6.0)})
    target, weights = np.array(["no", "yes"] * 3), np.array([1.0, 3.0, 1.0, 3.0, 1.0, 3.0])
    one = VotingClassifier([("xgboost", Numbered())], voting="soft")
    one = make_pipeline(StandardScaler(), one) if in_a_pipeline else one
    assert takes_weights(one)
    model = VotingClassifier([("a", one), ("b", DecisionTreeClassifier())], voting="soft") if in_a_mean else one
    fitted = fit_weighted(model, rows, target, weights)
    assert fitted.predict(rows).tolist() == target.tolist()
    found = fitted.estimators_[0] if in_a_mean else fitted
    found = found[-1] if hasattr(found, "steps") else found
    np.testing.assert_allclose(found.estimators_[0].weights, weights / weights.mean())
