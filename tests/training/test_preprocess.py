"""Preprocessing: a plain list for numbers, a part for each other kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import StandardScaler

from recipeline.config.recipe import Recipe
from recipeline.training.candidates import build_candidate
from tests.conftest import as_recipe, small_recipe


def with_columns(columns: dict[str, Any], preprocess: Any) -> Recipe:
    candidate = {"alias": "a", "estimator": "sklearn.linear_model.Ridge", "preprocess": preprocess}
    content = small_recipe() | {"columns": {**columns, "quality": {}}, "candidates": {"A": candidate}}
    return as_recipe(content)


def test_columns_of_numbers_go_through_the_list_alone() -> None:
    built = build_candidate(with_columns({"a": {}, "b": {"type": "boolean"}}, ["sklearn.preprocessing.StandardScaler"]), "A")
    assert [type(step).__name__ for _, step in built.steps] == ["StandardScaler", "Ridge"]


def test_a_list_is_for_numbers_and_what_is_for_all_comes_after() -> None:
    recipe = with_columns(
        {"a": {}, "c": {"type": "category"}, "t": {"type": "datetime"}},
        {"number": ["sklearn.preprocessing.StandardScaler"], "datetime": ["hour"], "all": ["sklearn.decomposition.PCA"]},
    )
    built = build_candidate(recipe, "A")
    first = built.steps[0][1]
    assert isinstance(first, ColumnTransformer)
    assert [(name, names) for name, _, names in first.transformers] == [("number", ["a"]), ("category", ["c"]), ("hour", ["t"])]
    assert isinstance(first.transformers[0][1][0], StandardScaler)
    assert type(built.steps[1][1]).__name__ == "PCA"


def test_the_model_is_fitted_to_the_typed_frame() -> None:
    recipe = with_columns({"a": {}, "c": {"type": "category"}, "t": {"type": "datetime"}}, [])
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "a": rng.random(90),
            "c": pd.Series(rng.choice(["x", "y"], 90), dtype="str"),
            "t": pd.date_range("2024-01-01", periods=90, freq="h").astype("datetime64[us]"),
        }
    )
    target = frame["a"] + 3 * (frame["c"] == "x") + frame["t"].dt.hour
    fitted = build_candidate(recipe, "A").fit(frame, target)
    assert fitted.score(frame, target) > 0.99
    assert list(fitted.feature_names_in_) == list(frame)


def test_a_difference_of_dates_whose_names_have_underscores_is_a_feature() -> None:
    dates = {name: {"type": "datetime"} for name in ("pick__up", "drop__off")}
    recipe = with_columns(
        dates, {"datetime": [{"difference": ["pick__up", "drop__off"]}, {"difference": ["drop__off", "pick__up"]}]}
    )
    begin = pd.Series(pd.date_range("2024-01-01", periods=50, freq="h").astype("datetime64[us]"))
    minutes = np.random.default_rng(0).integers(1, 60, 50)
    frame = pd.DataFrame({"pick__up": begin, "drop__off": begin + pd.to_timedelta(minutes, unit="min")})
    assert build_candidate(recipe, "A").fit(frame, minutes).score(frame, minutes) > 0.99


@pytest.mark.parametrize("encoder", ["target", [{"estimator": "sklearn.preprocessing.TargetEncoder", "params": {"cv": 3}}]])
def test_an_encoder_of_targets_learns_the_same_twice(encoder: Any) -> None:
    recipe = with_columns({"a": {}, "c": {"type": "category"}}, {"category": encoder})
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.random(90), "c": pd.Series(rng.choice(list("vwxyz"), 90), dtype="str")})
    target = rng.random(90)
    one, two = (build_candidate(recipe, "A").fit(frame, target).predict(frame) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_parameters_may_name_objects_and_components() -> None:
    recipe = with_columns(
        {"a": {}},
        [
            {
                "estimator": "sklearn.preprocessing.FunctionTransformer",
                "params": {"func": {"import": "numpy.log1p"}},
            }
        ],
    )
    built = build_candidate(recipe, "A")
    assert built.steps[0][1].func is np.log1p
    nested = small_recipe()
    nested["candidates"] = {
        "B": {
            "alias": "b",
            "estimator": "sklearn.ensemble.BaggingRegressor",
            "params": {"estimator": {"estimator": "sklearn.tree.DecisionTreeRegressor", "params": {"max_depth": 2}}},
        }
    }
    assert build_candidate(as_recipe(nested), "B").estimator.max_depth == 2
