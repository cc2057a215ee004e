from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import partial_dependence as by_sklearn
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeRegressor

from recipeline.config.recipe import Recipe
from recipeline.engine.local import LocalWorkers
from recipeline.engine.workers import Workers
from recipeline.evaluation.inspection import SHARES, learning_curve, partial_dependence, score_file_order
from recipeline.inference.columns import Columns
from recipeline.training.candidates import build_candidate
from tests.classes import class_recipe


@pytest.fixture(scope="module")
def workers() -> Workers:
    return LocalWorkers(1)


def say_nothing(*_: object) -> None:
    pass


def test_more_rows_are_learned_from_at_each_step_of_the_curve_and_all_of_them_at_the_last(
    wines: pd.DataFrame, recipe: Recipe, workers: Workers
) -> None:
    curve = learning_curve(LinearRegression(), wines, recipe, "random", workers, say_nothing)
    assert list(curve.rows) == sorted(curve.rows)
    assert curve.rows[-1] == pytest.approx(len(wines) * (1 - 1 / recipe.cv.folds), abs=1)
    assert len(curve.test) == len(curve.train) == len(SHARES)
    assert all(len(folds) == recipe.cv.folds for folds in curve.test)


def test_a_tree_knows_by_heart_what_it_learned_from_and_only_that(
    wines: pd.DataFrame, recipe: Recipe, workers: Workers
) -> None:
    rows = wines.drop_duplicates(list(recipe.features))
    curve = learning_curve(DecisionTreeRegressor(random_state=0), rows, recipe, "grouped", workers, say_nothing)
    assert np.allclose(curve.train, 1)
    assert np.max(curve.test) < 0.9


def test_the_progress_of_the_curve_is_told_fit_by_fit(wines: pd.DataFrame, recipe: Recipe, workers: Workers) -> None:
    told: list[tuple[int, int]] = []
    learning_curve(LinearRegression(), wines, recipe, "grouped", workers, lambda _, done, total: told.append((done, total)))
    total = len(SHARES) * recipe.cv.folds
    assert told == [(done, total) for done in range(1, total + 1)]


def test_a_drift_along_the_file_shows_in_its_order_and_not_in_shuffled_rows(
    wines: pd.DataFrame, recipe: Recipe, workers: Workers
) -> None:
    place = np.linspace(0, 1, len(wines))
    drifting = wines.assign(**{"quality": 5.0 + 3 * place + 0.1 * wines["alcohol"], "density": 0.99 + 0.01 * place**3})
    found = score_file_order(DecisionTreeRegressor(random_state=0), drifting, recipe, workers)
    assert found is not None
    assert found.shuffled.mean > 0.9
    assert found.in_order.mean < 0


def test_blocks_in_the_files_order_are_those_of_kfold_without_shuffling(
    wines: pd.DataFrame, recipe: Recipe, workers: Workers
) -> None:
    found = score_file_order(LinearRegression(), wines, recipe, workers)
    assert found is not None
    rows = wines.drop_duplicates(list(recipe.features))
    X, y = rows[list(recipe.features)], rows[recipe.target]
    expected = [
        r2_score(y.iloc[test], LinearRegression().fit(X.iloc[train], y.iloc[train]).predict(X.iloc[test]))
        for train, test in KFold(recipe.cv.folds).split(X)
    ]
    assert found.in_order.folds == pytest.approx(expected)


@pytest.mark.parametrize("calibrate", [{}, {"calibrate": "sigmoid"}])
def test_a_file_that_is_sorted_by_a_rare_label_has_no_blocks_to_learn_from(calibrate: dict[str, str], workers: Workers) -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"x": rng.normal(size=60), "z": rng.normal(size=60), "y": [1] * 22 + [0] * 38})
    candidate = {"alias": "l", "estimator": "sklearn.linear_model.LogisticRegression"}
    recipe = class_recipe("binary", {"type": "integer"}, 1, candidates={"L": candidate | calibrate}, cv={"folds": 3})
    model = build_candidate(recipe, "L")
    assert score_file_order(model, rows.assign(y=[1] * 10 + [0] * 50), recipe, workers) is None
    assert (score_file_order(model, rows, recipe, workers) is None) == bool(calibrate)
    assert score_file_order(model, rows.assign(x=rows["y"] * 1.0, z=0.0), recipe, workers) is None  # two distinct rows
    assert score_file_order(model, rows.sample(frac=1, random_state=0, ignore_index=True), recipe, workers) is not None


def test_partial_dependence_is_scikit_learns(wines: pd.DataFrame, recipe: Recipe) -> None:
    features = wines[list(recipe.features)]
    model = RandomForestRegressor(20, random_state=0).fit(features, wines[recipe.target])
    curve = partial_dependence(model, features, ["alcohol"], Columns.of_numbers(list(features)))["alcohol"]
    expected = by_sklearn(model, features, ["alcohol"], custom_values={"alcohol": np.array(curve.values)}, method="brute")
    assert curve.mean == pytest.approx(expected["average"][0].tolist())


def test_a_column_that_does_not_matter_has_a_flat_curve(wines: pd.DataFrame, recipe: Recipe) -> None:
    features = wines[list(recipe.features)]
    model = LinearRegression().fit(features.assign(density=1.0), features["alcohol"])
    curve = partial_dependence(model, features, ["density", "alcohol"], Columns.of_numbers(list(features)))
    assert np.ptp(curve["density"].mean) < 1e-6
    assert np.ptp(curve["alcohol"].mean) > 1


@pytest.mark.filterwarnings("error")
def test_a_column_without_values_has_no_curve(wines: pd.DataFrame, recipe: Recipe) -> None:
    features = wines[list(recipe.features)].assign(density=np.nan)
    model = DecisionTreeRegressor(max_depth=2).fit(features, wines[recipe.target])
    assert list(partial_dependence(model, features, ["density", "alcohol"], Columns.of_numbers(list(features)))) == ["alcohol"]


def test_too_few_rows_for_a_model_are_left_out_of_its_curve(wines: pd.DataFrame, recipe: Recipe, workers: Workers) -> None:
    curve = learning_curve(KNeighborsRegressor(30), wines.head(200), recipe, "grouped", workers, say_nothing)
    assert len(curve.rows) == len(curve.test) == len(SHARES) - 2
    assert curve.rows[0] >= 30
