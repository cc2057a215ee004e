from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

from custom.red_wine import draw
from recipeline.config.recipe import Recipe
from recipeline.data.grouping import row_groups
from recipeline.data.relations import Relations
from recipeline.data.splits import split_rows
from recipeline.engine.local import Workers
from recipeline.evaluation.results import MeasuredInterval, Scores
from recipeline.evaluation.scoring import (
    evaluate_best,
    measure_interval,
    measure_leaks,
    predict_all,
    score_mean_predictor,
    score_random_split,
)
from recipeline.metrics.regression import bootstrap_intervals
from recipeline.training.candidates import build_candidate
from tests.conftest import as_recipe, small_recipe

WINES = draw()
ROWS_APART = Relations(np.arange(4))
INSIDE = MeasuredInterval(0.9, 0.8, 2.0, 4)


def with_mean() -> Recipe:
    content = small_recipe()
    content["candidates"]["Mean"] = {"alias": "mean", "members": ["ElasticNet", "DecisionTree"]}
    return as_recipe(content)


def test_each_model_predicts_a_column_by_the_index_of_the_rows(recipe: Recipe, wines: pd.DataFrame) -> None:
    train, test = split_rows(wines, recipe, "grouped")
    features = list(recipe.features)
    models = {
        name: build_candidate(recipe, name).fit(train[features], train["quality"])
        for name in ("ElasticNet", "LinearRegression")
    }
    predicted = predict_all(models, test, recipe)
    assert list(predicted.columns) == ["ElasticNet", "LinearRegression"]
    pd.testing.assert_index_equal(predicted.index, test.index)
    for name, model in models.items():
        np.testing.assert_array_equal(predicted[name], model.predict(test[features]))


def test_the_best_candidate_is_measured_by_the_recipe(recipe: Recipe, wines: pd.DataFrame) -> None:
    target = wines["quality"].to_numpy()
    predicted = target + np.random.default_rng(0).normal(0, 0.6, len(target))
    metrics = evaluate_best("a", target, predicted, INSIDE, wines, recipe)
    groups = row_groups(wines.drop(columns="quality"))
    assert metrics.interval_95 == bootstrap_intervals(target, predicted, groups, draws=100, seed=42)
    assert metrics.accuracy_within == {
        "0.5": np.mean(np.abs(target - predicted) <= 0.5),
        "1": np.mean(np.abs(target - predicted) <= 1),
    }
    assert metrics.grades is not None
    assert sum(row.rows for row in metrics.grades.per_grade) == len(wines)
    assert (metrics.candidate, metrics.interval_90) == ("a", INSIDE)


def test_a_target_that_is_not_whole_has_no_grades(wines: pd.DataFrame) -> None:
    content = small_recipe()
    content["columns"]["quality"]["type"] = "number"
    target = wines["quality"].to_numpy() + 0.5
    assert evaluate_best("a", target, target, INSIDE, wines, as_recipe(content)).grades is None


def test_the_mean_predictor_predicts_the_mean_of_the_training_rows() -> None:
    recipe = as_recipe(small_recipe() | {"target": "y", "columns": {"x": {}, "y": {}}})
    train, test = pd.DataFrame({"y": [1.0, 3.0]}), pd.DataFrame({"y": [2.0, 6.0]})
    assert score_mean_predictor(train, test, recipe) == Scores(r2=-1.0, rmse=8**0.5, mae=2.0)


def test_rows_with_and_without_a_twin_are_scored_apart(recipe: Recipe, wines: pd.DataFrame) -> None:
    train, test = wines.head(200), pd.concat([wines.head(50), wines.tail(50)])
    seen = test.merge(train.drop_duplicates(), how="left", indicator=True)["_merge"].to_numpy() == "both"
    predicted = pd.DataFrame({"memory": np.where(seen, test["quality"], 5.0), "five": 5.0}, index=test.index)
    leaks = measure_leaks(predicted, train, test, recipe)
    assert leaks is not None
    assert leaks.leaked_rows == seen.sum() >= 50
    assert leaks.r2_with_twin["memory"] == 1.0
    assert leaks.r2_without_twin["memory"] == r2_score(test["quality"][~seen], np.full((~seen).sum(), 5.0))
    assert leaks.r2_without_twin["five"] == leaks.r2_without_twin["memory"]


def test_without_twins_there_is_nothing_to_say(recipe: Recipe, wines: pd.DataFrame) -> None:
    distinct = wines.drop_duplicates()
    train, test = distinct.head(100), distinct.tail(100)
    assert measure_leaks(pd.DataFrame({"m": np.zeros(100)}, index=test.index), train, test, recipe) is None


def test_r2_of_rows_whose_target_does_not_vary_is_not_defined(recipe: Recipe, wines: pd.DataFrame) -> None:
    distinct = wines.drop_duplicates()
    train, test = distinct.head(100), pd.concat([distinct.head(1), distinct.tail(50)])
    leaks = measure_leaks(pd.DataFrame({"m": np.full(51, 5.0)}, index=test.index), train, test, recipe)
    assert leaks is not None
    assert (leaks.leaked_rows, leaks.r2_with_twin) == (1, {"m": None})
    assert leaks.r2_without_twin["m"] is not None


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_random_split_is_scored_as_a_tutorial_would(wines: pd.DataFrame, n_jobs: int) -> None:
    recipe = with_mean()
    features, target = wines.drop(columns="quality"), wines["quality"]
    x, x_test, y, y_test = train_test_split(features, target, test_size=0.2, random_state=42)
    names = ["LinearRegression", "ElasticNet", "Mean"]
    models = {name: build_candidate(recipe, name).fit(features.tail(200), target.tail(200)) for name in names}
    expected = {name: build_candidate(recipe, name).fit(x, y).score(x_test, y_test) for name in names}
    assert score_random_split(wines, models, recipe, Workers(n_jobs))() == expected


def test_scoring_a_random_split_leaves_the_models_as_they_are(wines: pd.DataFrame, recipe: Recipe) -> None:
    features, target = wines.drop(columns="quality"), wines["quality"]
    model = build_candidate(recipe, "LinearRegression").fit(features.tail(200), target.tail(200))
    before = model.predict(features)
    score_random_split(wines, {"LinearRegression": model}, recipe, Workers(1))()
    np.testing.assert_array_equal(model.predict(features), before)


def test_the_width_that_is_measured_is_the_mean_of_the_test_rows() -> None:
    target, predicted = np.array([4.0, 6.0, 6.0, 9.0]), np.array([5.0, 5.0, 7.0, 7.0])
    measured = MeasuredInterval(level=0.9, coverage=0.75, mean_width=2.5, rows=4)
    assert measure_interval(target, (predicted - 1, predicted + 1.5), 0.9, ROWS_APART) == measured
    assert measure_interval(target, (0.9 * predicted, 1.2 * predicted), 0.9, ROWS_APART).mean_width == pytest.approx(1.8)


def test_coverage_of_clustered_rows_has_the_standard_error_of_a_mean_of_clusters() -> None:
    """Of clusters that are inside as wholes, it is the textbook's one of a mean of so many values."""
    inside = np.repeat([1, 1, 0, 1, 0], 8)
    limits = np.zeros(40) - 1, np.where(inside, 1.0, -0.5)
    found = measure_interval(np.zeros(40), limits, 0.9, Relations(np.repeat(np.arange(5), 8), "site"))
    assert (found.coverage, found.clusters) == (0.6, 5)
    assert found.coverage_std_error == pytest.approx(np.std([1, 1, 0, 1, 0], ddof=1) / np.sqrt(5))
    alone = measure_interval(np.zeros(40), limits, 0.9, Relations(np.zeros(40), "site"))
    assert alone.coverage_std_error is None
