from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from custom.red_wine import draw
from recipeline.config.recipe import Recipe
from recipeline.data.target_codes import NUMBERS, TargetCodes
from recipeline.inference.columns import Columns
from recipeline.inference.golden import answers_golden, choose_golden, golden_features, has_limits, limits_golden
from recipeline.inference.interval import Interval
from recipeline.training.candidates import build_candidate
from tests.conftest import as_recipe, small_recipe

WINES = draw()


def around(lower: np.ndarray, upper: np.ndarray) -> dict[str, np.ndarray]:
    return {"prediction_lower": lower, "prediction_upper": upper}


def test_a_model_answers_its_golden_rows_and_another_one_does_not(wines: pd.DataFrame, recipe: Recipe) -> None:
    features, target = wines.drop(columns="quality"), wines["quality"]
    model = build_candidate(recipe, "LinearRegression").fit(features, target)
    predicted = model.predict(features)
    golden = choose_golden(wines, predicted, around(predicted - 1, predicted + 1), recipe, NUMBERS)
    assert answers_golden(model, golden, NUMBERS)
    assert answers_golden(model, golden.drop(columns=["prediction_lower", "prediction_upper"]), NUMBERS)
    assert not answers_golden(build_candidate(recipe, "ElasticNet").fit(features, target), golden, NUMBERS)
    model.intercept_ += 1e-6
    assert not answers_golden(model, golden, NUMBERS)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 400), st.integers(0, 2**32 - 1))
def test_golden_rows_span_the_predictions_and_carry_their_own(rows: int, seed: int) -> None:
    recipe = as_recipe(small_recipe())
    test = WINES.head(rows)
    predicted = np.random.default_rng(seed).normal(5, 1, rows)
    golden = choose_golden(test, predicted, around(predicted - 1, predicted + 2), recipe, NUMBERS)
    assert len(golden) == min(rows, 20)
    assert list(golden.columns) == [*recipe.features, "prediction", "prediction_lower", "prediction_upper"]
    assert (golden["prediction_lower"] == golden["prediction"] - 1).all()
    assert (golden["prediction_upper"] == golden["prediction"] + 2).all()
    assert list(golden.index) == list(range(len(golden)))
    assert (golden["prediction"].min(), golden["prediction"].max()) == (predicted.min(), predicted.max())
    assert golden["prediction"].is_unique
    of_row = dict(zip(predicted, test[list(recipe.features)].itertuples(index=False), strict=True))
    for row in golden.itertuples(index=False):
        assert tuple(of_row[row[-3]]) == tuple(row[:-3])


def test_golden_rows_know_whether_they_say_what_the_interval_must_be(wines: pd.DataFrame, recipe: Recipe) -> None:
    predicted = wines["quality"].to_numpy(dtype=float)
    golden = choose_golden(wines, predicted, around(predicted - 1, predicted + 1), recipe, NUMBERS)
    assert has_limits(golden)
    assert not has_limits(golden.drop(columns="prediction_upper"))
    assert list(golden_features(golden)) == list(golden_features(golden_features(golden))) == list(recipe.features)


def test_an_interval_limits_its_golden_rows_and_a_wider_one_does_not(wines: pd.DataFrame, recipe: Recipe) -> None:
    predicted = wines["quality"].to_numpy(dtype=float)
    golden = choose_golden(wines, predicted, around(predicted - 1, predicted + 2), recipe, NUMBERS)
    assert limits_golden(Interval(0.9, "constant", -1.0, 2.0), golden, Columns.of_numbers(recipe.features))
    assert not limits_golden(Interval(0.9, "constant", -1.0, 2.0 + 1e-6), golden, Columns.of_numbers(recipe.features))


@pytest.mark.parametrize(("unit", "origin"), [(1.0, 1.7e9), (1e-6, 0.0), (1e6, -3e7)])
def test_golden_rows_know_another_model_whatever_the_unit_and_origin_of_the_target(
    wines: pd.DataFrame, recipe: Recipe, unit: float, origin: float
) -> None:
    features, target = wines.drop(columns="quality"), unit * wines["quality"] + origin
    model = build_candidate(recipe, "LinearRegression").fit(features, target)
    predicted = model.predict(features)
    golden = choose_golden(wines, predicted, around(predicted - unit, predicted + unit), recipe, NUMBERS)
    assert answers_golden(model, golden, NUMBERS)
    assert limits_golden(Interval(0.9, "constant", -unit, unit), golden, Columns.of_numbers(recipe.features))
    assert not limits_golden(Interval(0.9, "constant", -unit, 1.001 * unit), golden, Columns.of_numbers(recipe.features))
    model.intercept_ += unit / 1000
    assert not answers_golden(model, golden, NUMBERS)


def test_golden_rows_of_classes_carry_the_probability_of_each_label(wines: pd.DataFrame, recipe: Recipe) -> None:
    features = wines.drop(columns="quality")
    labels = np.where(wines["quality"] <= 5, "low", np.where(wines["quality"] == 6, "mean", "high"))
    codes = TargetCodes("multiclass", ("high", "low", "mean"))
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(features, labels)
    golden = choose_golden(wines, model.predict_proba(features), {}, recipe, codes)
    assert list(golden)[-3:] == ["prediction: high", "prediction: low", "prediction: mean"]
    assert list(golden_features(golden)) == list(recipe.features)
    assert answers_golden(model, golden, codes)
    model[-1].intercept_ += [1e-5, 0, 0]
    assert not answers_golden(model, golden, codes)
