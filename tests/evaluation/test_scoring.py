from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

from custom.red_wine import draw
from recipeline.config.recipe import Recipe
from recipeline.data.relating.grouping import row_groups
from recipeline.data.splits import split_plainly, split_rows
from recipeline.data.target_codes import NUMBERS, TargetCodes
from recipeline.engine.local import LocalWorkers
from recipeline.evaluation.results import MeasuredInterval
from recipeline.evaluation.scoring import evaluate_best, measure_leaks, predict_all, score_mean_predictor, score_random_split
from recipeline.metrics.regression import bootstrap_intervals
from recipeline.training.candidates import build_candidate
from tests.classes import class_recipe
from tests.conftest import as_recipe, small_recipe

WINES = draw()
INSIDE = MeasuredInterval(0.9, 0.8, 2.0, 4)


def with_mean() -> Recipe:
    content = small_recipe()
    content["candidates"]["Mean"] = {"alias": "mean", "members": ["ElasticNet", "DecisionTree"]}
    return as_recipe(content)


def test_each_model_predicts_the_test_rows(recipe: Recipe, wines: pd.DataFrame) -> None:
    train, test = split_rows(wines, recipe, "grouped")
    features = list(recipe.features)
    models = {
        name: build_candidate(recipe, name).fit(train[features], train["quality"])
        for name in ("ElasticNet", "LinearRegression")
    }
    predicted = predict_all(models, test, recipe, NUMBERS)
    assert list(predicted) == ["ElasticNet", "LinearRegression"]
    for name, model in models.items():
        np.testing.assert_array_equal(predicted[name], model.predict(test[features]))


def test_the_best_candidate_is_measured_by_the_recipe(recipe: Recipe, wines: pd.DataFrame) -> None:
    target = wines["quality"].to_numpy()
    predicted = target + np.random.default_rng(0).normal(0, 0.6, len(target))
    metrics = evaluate_best("a", predicted, INSIDE, wines, recipe, NUMBERS)
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
    halves = wines.assign(quality=wines["quality"] + 0.5)
    target = halves["quality"].to_numpy()
    assert evaluate_best("a", target, INSIDE, halves, as_recipe(content), NUMBERS).grades is None


def test_the_mean_predictor_predicts_the_mean_of_the_training_rows() -> None:
    recipe = as_recipe(small_recipe() | {"target": "y", "columns": {"x": {}, "y": {}}})
    train, test = pd.DataFrame({"y": [1.0, 3.0]}), pd.DataFrame({"y": [2.0, 6.0]})
    assert score_mean_predictor(train, test, recipe, NUMBERS) == {"r2": -1.0, "rmse": 8**0.5, "mae": 2.0}


def test_rows_with_and_without_a_twin_are_scored_apart(recipe: Recipe, wines: pd.DataFrame) -> None:
    train, test = wines.head(200), pd.concat([wines.head(50), wines.tail(50)])
    seen = test.merge(train.drop_duplicates(), how="left", indicator=True)["_merge"].to_numpy() == "both"
    predicted = {"memory": np.where(seen, test["quality"], 5.0), "five": np.full(len(test), 5.0)}
    leaks = measure_leaks(predicted, train, test, recipe, NUMBERS)
    assert leaks is not None
    assert leaks.leaked_rows == seen.sum() >= 50
    assert leaks.r2_with_twin["memory"] == 1.0
    assert leaks.r2_without_twin["memory"] == r2_score(test["quality"][~seen], np.full((~seen).sum(), 5.0))
    assert leaks.r2_without_twin["five"] == leaks.r2_without_twin["memory"]


def test_without_twins_there_is_nothing_to_say(recipe: Recipe, wines: pd.DataFrame) -> None:
    distinct = wines.drop_duplicates()
    train, test = distinct.head(100), distinct.tail(100)
    assert measure_leaks({"m": np.zeros(100)}, train, test, recipe, NUMBERS) is None


def test_r2_of_rows_whose_target_does_not_vary_is_not_defined(recipe: Recipe, wines: pd.DataFrame) -> None:
    distinct = wines.drop_duplicates()
    train, test = distinct.head(100), pd.concat([distinct.head(1), distinct.tail(50)])
    leaks = measure_leaks({"m": np.full(51, 5.0)}, train, test, recipe, NUMBERS)
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
    assert score_random_split(wines, models, recipe, NUMBERS, LocalWorkers(n_jobs))() == expected


def test_scoring_a_random_split_leaves_the_models_as_they_are(wines: pd.DataFrame, recipe: Recipe) -> None:
    features, target = wines.drop(columns="quality"), wines["quality"]
    model = build_candidate(recipe, "LinearRegression").fit(features.tail(200), target.tail(200))
    before = model.predict(features)
    score_random_split(wines, {"LinearRegression": model}, recipe, NUMBERS, LocalWorkers(1))()
    np.testing.assert_array_equal(model.predict(features), before)


def test_a_random_split_that_no_model_can_be_fitted_to_is_not_scored() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=60), "z": rng.normal(size=60), "y": [0, 1] * 30})
    recipe = class_recipe("binary", {"type": "integer"}, 1)
    codes = TargetCodes.learn(recipe, table)
    _, test = split_plainly(table, recipe)
    models = {"Logistic": build_candidate(recipe, "Logistic").fit(table[["x", "z"]], table["y"])}
    assert score_random_split(table, models, recipe, codes, LocalWorkers(1))() is not None
    for held in (table["y"].where(table.index.isin(test.index), 0), table["y"].where(~table.index.isin(test.index), 0)):
        assert score_random_split(table.assign(y=held), models, recipe, codes, LocalWorkers(1))() is None


def test_a_random_split_with_too_few_rows_of_a_label_to_calibrate_is_not_scored() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=60), "z": rng.normal(size=60), "y": 0})
    candidate = {"alias": "l", "estimator": "sklearn.linear_model.LogisticRegression", "calibrate": "sigmoid"}
    recipe = class_recipe("binary", {"type": "integer"}, 1, candidates={"L": candidate})
    train, test = split_plainly(table, recipe)
    table.loc[[*train.index[:4], *test.index[:6]], "y"] = 1
    model = build_candidate(recipe, "L").fit(table[["x", "z"]], table["y"])
    assert score_random_split(table, {"L": model}, recipe, TargetCodes.learn(recipe, table), LocalWorkers(1))() is None


def no_copies(true: np.ndarray, predicted: np.ndarray) -> float:
    """Return a number where no row is there twice, as in a bootstrap sample."""
    return float(np.mean(predicted)) if len(np.unique(true)) == len(true) else float("nan")


def test_a_metric_that_no_sample_has_is_without_an_interval() -> None:
    entry = {"name": "alone", "function": f"{__name__}.no_copies", "greater_is_better": True}
    recipe = as_recipe(small_recipe() | {"metrics": {"bootstrap_draws": 100, "more": [entry]}})
    rows = draw().head(60)
    rows["quality"] = np.arange(60.0)
    best = evaluate_best("A", rows["quality"].to_numpy() + 1, INSIDE, rows, recipe, NUMBERS)
    assert set(best.interval_95) == {"r2", "rmse", "mae"}
