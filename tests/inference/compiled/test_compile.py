from __future__ import annotations

import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import make_regression
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    RandomForestClassifier,
    StackingRegressor,
)
from sklearn.linear_model import LinearRegression, MultiTaskLasso, Ridge, RidgeClassifier
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeRegressor

from recipeline.inference import _compat
from recipeline.inference.columns import Columns
from recipeline.inference.compiled.check import differences
from recipeline.inference.compiled.compile import compile_model
from recipeline.inference.compiled.trees import FEW_ROWS, FEW_ROWS_HISTOGRAM
from recipeline.training.candidates import build_candidate
from tests.conftest import ROOT, as_recipe
from tests.inference.compiled.models import (
    KERNELS,
    LINEAR,
    MEANS,
    TARGET,
    TREES,
    Doubled,
    boosting,
    compile_known,
    fit,
    forest,
    histogram,
    label,
    mean,
)

KINDS = {
    "LinearRegression": "linear",
    "DecisionTree": "trees",
    "RandomForest": "trees",
    "ElasticNet": "linear",
    "PCA_LinearRegression": "linear",
    "ExtraTrees": "trees",
    "HistGradientBoosting": "boosted trees",
    "SVR": "kernel",
    "MeanOfThree": "mean of trees, boosted trees, kernel",
}
UNKNOWN = [
    KNeighborsRegressor(),
    make_pipeline(PCA(3), forest(n_estimators=2)),
    make_pipeline(StandardScaler(), PCA(3), histogram()),
    make_pipeline(MinMaxScaler(clip=True), LinearRegression()),
    make_pipeline(FunctionTransformer(), LinearRegression()),
    make_pipeline(StandardScaler(), "passthrough"),
    make_pipeline(StandardScaler(), KNeighborsRegressor()),
    SVR(kernel="sigmoid"),
    histogram(loss="poisson"),
    histogram(categorical_features=[0]),
    boosting(init=LinearRegression()),
    mean(LinearRegression(), KNeighborsRegressor()),
    mean(LinearRegression(), Ridge(), weights=[1, -1]),
    StackingRegressor([("line", LinearRegression())], Ridge()),
    TransformedTargetRegressor(LinearRegression()),
    TransformedTargetRegressor(LinearRegression(), transformer=StandardScaler(with_mean=False)),
    RidgeClassifier(),
    RandomForestClassifier(n_estimators=2),
    Doubled(),
    make_pipeline(StandardScaler(), Doubled()),
]


@pytest.mark.parametrize("name", KINDS)
def test_every_candidate_of_the_recipe_is_answered_for(name: str, rows: pd.DataFrame, asked: pd.DataFrame) -> None:
    content = yaml.safe_load((ROOT / "recipe.yaml").read_text(encoding="utf-8"))
    for candidate in content["candidates"].values():
        if "n_estimators" in candidate.get("params", {}):
            candidate["params"]["n_estimators"] = 25
    model = fit(build_candidate(as_recipe(content), name), rows)
    compiled = compile_known(model, list(asked))
    assert set(content["candidates"]) == set(KINDS)
    assert (compiled.kind, compiled.exact) == (KINDS[name], "trees" in KINDS[name] and "kernel" not in KINDS[name])
    assert differences(compiled, model, asked, Columns.of_numbers(list(asked))) == ""


@pytest.mark.parametrize("model", MEANS, ids=label)
def test_means_are_answered_to_the_sixth_digit(model: BaseEstimator, rows: pd.DataFrame, asked: pd.DataFrame) -> None:
    compiled = compile_known(fit(model, rows), list(asked))
    assert not compiled.exact
    assert differences(compiled, model, asked, Columns.of_numbers(list(asked))) == ""


@pytest.mark.parametrize("model", [forest(), boosting(), make_pipeline(StandardScaler(), DecisionTreeRegressor())], ids=label)
def test_trees_of_a_standardised_target_are_answered_bit_for_bit(
    model: BaseEstimator, rows: pd.DataFrame, asked: pd.DataFrame
) -> None:
    far = rows.assign(**{TARGET: rows[TARGET] + 1.7e9})
    compiled = compile_known(fit(TransformedTargetRegressor(model, transformer=StandardScaler()), far), list(asked))
    assert compiled.exact


@pytest.mark.parametrize("model", UNKNOWN, ids=label)
def test_a_model_of_no_known_kind_is_none(model: BaseEstimator, rows: pd.DataFrame) -> None:
    whole = rows.assign(
        **{"fixed acidity": rows["fixed acidity"].round() if "categorical" in str(model) else rows["fixed acidity"]}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit(model, whole)
    assert compile_model(model, Columns.of_numbers(list(rows.drop(columns=TARGET)))) is None


@pytest.mark.parametrize(
    "model", [LinearRegression(), forest(n_estimators=2), MultiTaskLasso(), DecisionTreeRegressor()], ids=label
)
def test_several_targets_are_none(model: BaseEstimator) -> None:
    X, y = make_regression(30, 3, n_targets=2, random_state=0)
    assert compile_model(model.fit(X, y), Columns.of_numbers("abc")) is None


@pytest.mark.parametrize(
    "model", [LinearRegression(), forest(), boosting(), histogram(), SVR(), mean(SVR()), Pipeline([]), None, "SVR"]
)
def test_what_is_not_fitted_or_no_model_is_none(model: Any) -> None:
    assert compile_model(model, Columns.of_numbers("ab")) is None


@pytest.mark.parametrize(
    "model", [LinearRegression(), forest(n_estimators=2), make_pipeline(MinMaxScaler(), SVR()), mean(Ridge())]
)
def test_columns_of_other_names_number_or_order_are_none(model: BaseEstimator, rows: pd.DataFrame) -> None:
    names = list(fit(model, rows).feature_names_in_)
    assert compile_model(model, Columns.of_numbers(names)) is not None
    for others in (names[::-1], names[:-1], [*names, "sweetness"], [*names[:-1], "sweetness"]):
        assert compile_model(model, Columns.of_numbers(others)) is None


def test_a_model_that_was_fitted_to_an_array_goes_by_the_number_of_columns() -> None:
    X, y = make_regression(40, 3, random_state=0)
    for model in (LinearRegression(), forest(n_estimators=2), make_pipeline(PCA(2), SVR())):
        assert compile_model(model.fit(X, y), Columns.of_numbers("abc")) is not None
        assert compile_model(model, Columns.of_numbers("ab")) is None


def test_parts_that_were_fitted_to_unlike_columns_are_none(rows: pd.DataFrame) -> None:
    narrow = fit(forest(n_estimators=2), rows[["alcohol", "pH", TARGET]])
    scaler = StandardScaler().fit(rows.drop(columns=TARGET).to_numpy())
    assert (
        compile_model(Pipeline([("scaler", scaler), ("forest", narrow)]), Columns.of_numbers(list(rows.drop(columns=TARGET))))
        is None
    )


def refuse(*_: object) -> None:
    raise TypeError("takes other arguments")


@pytest.mark.parametrize("name", ["Tree", "predict_stages", "predict_histogram_tree"])
@pytest.mark.parametrize("stand_in", [None, refuse])
def test_where_a_private_part_of_sklearn_is_missing_or_other_the_model_is_none(
    name: str, stand_in: Any, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fit(histogram() if "histogram" in name else forest(), rows)
    monkeypatch.setattr(_compat, name, stand_in)
    assert compile_model(model, Columns.of_numbers(list(model.feature_names_in_))) is None


@pytest.mark.parametrize("model", [forest(), histogram(), boosting(), make_pipeline(StandardScaler(), SVR())], ids=label)
def test_any_number_of_rows_is_answered(model: BaseEstimator, rows: pd.DataFrame, asked: pd.DataFrame) -> None:
    compiled = compile_known(fit(model, rows), list(asked))
    expected = model.predict(asked)
    for number in (0, 1, 2, FEW_ROWS, FEW_ROWS + 1, FEW_ROWS_HISTOGRAM, FEW_ROWS_HISTOGRAM + 1, 200):
        answers = compiled.predict(asked.to_numpy()[:number].copy())
        assert (answers.dtype, answers.shape) == (np.dtype(np.float64), (number,))
        np.testing.assert_allclose(answers, expected[:number], rtol=0 if compiled.exact else 1e-9)


@pytest.mark.parametrize("model", [forest(), histogram(), mean(forest(), histogram(), SVR())], ids=label)
def test_many_rows_take_little_more_memory_than_themselves(model: BaseEstimator, rows: pd.DataFrame) -> None:
    names = list(fit(model, rows).feature_names_in_)
    compiled, many = compile_known(model, names), np.tile(rows[names].to_numpy(), (200, 1))
    tracemalloc.start()
    try:
        compiled.predict(many)
        assert tracemalloc.get_traced_memory()[1] < many.nbytes + 10e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("model", [LINEAR[5], LINEAR[7], KERNELS[2], KERNELS[4], *TREES[9:12], TREES[17], TREES[18]], ids=label)
def test_the_rows_are_left_as_they_are(model: BaseEstimator, rows: pd.DataFrame, asked: pd.DataFrame) -> None:
    compiled = compile_known(fit(model, rows), list(asked))
    for number in (1, 100):
        values = asked.to_numpy()[:number].copy()
        values.flags.writeable = False
        compiled.predict(values)
        assert np.array_equal(values, asked.to_numpy()[:number])


def test_many_threads_get_the_answers_of_one(rows: pd.DataFrame, asked: pd.DataFrame) -> None:
    model = fit(mean(forest(), histogram(), make_pipeline(StandardScaler(), SVR())), rows)
    compiled, values = compile_known(model, list(asked)), asked.to_numpy().copy()
    blocks = [values[start : start + 1 + start % 40].copy() for start in range(200)]
    alone = [compiled.predict(block) for block in blocks]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(compiled.predict, blocks * 5))
    assert all(np.array_equal(one, other) for one, other in zip(alone * 5, together, strict=True))
