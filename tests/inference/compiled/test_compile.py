from __future__ import annotations

import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import make_regression
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.linear_model import BayesianRidge, HuberRegressor, Lasso, LinearRegression, MultiTaskLasso, Ridge, RidgeClassifier
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.svm import SVR, LinearSVR, NuSVR
from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor

from recipeline.inference import _compat
from recipeline.inference.compiled.check import differences, random_rows
from recipeline.inference.compiled.compile import compile_model
from recipeline.inference.compiled.form import Compiled
from recipeline.inference.compiled.trees import FEW_ROWS, FEW_ROWS_HISTOGRAM, FEW_SPLITS, FEW_TREES, MANY_ROWS
from recipeline.training.candidates import build_candidate
from tests.conftest import ROOT, as_recipe

TARGET = "quality"
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


def forest(**params: Any) -> RandomForestRegressor:
    return RandomForestRegressor(**{"n_estimators": FEW_TREES + 4, "random_state": 0} | params)


def extra(**params: Any) -> ExtraTreesRegressor:
    return ExtraTreesRegressor(**{"n_estimators": FEW_TREES + 4, "random_state": 1} | params)


def boosting(**params: Any) -> GradientBoostingRegressor:
    return GradientBoostingRegressor(**{"n_estimators": FEW_TREES + 4, "random_state": 0} | params)


def histogram(**params: Any) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(**{"max_iter": 10, "max_leaf_nodes": 6, "random_state": 0} | params)


def mean(*members: BaseEstimator | str, weights: list[float] | None = None) -> VotingRegressor:
    return VotingRegressor([(f"member {place}", member) for place, member in enumerate(members)], weights=weights)


class Doubled(LinearRegression):
    """A linear model that answers as no linear model does."""

    def predict(self, X: Any) -> Any:
        return 2 * super().predict(X)


SUMS = [
    BayesianRidge(),
    make_pipeline(StandardScaler(), HuberRegressor()),
    Lasso(alpha=0.01),
    Ridge(fit_intercept=False),
    LinearSVR(random_state=0, max_iter=20000, dual=False, loss="squared_epsilon_insensitive"),
    make_pipeline(MinMaxScaler(), LinearRegression()),
    make_pipeline(RobustScaler(), MaxAbsScaler(), Ridge()),
    make_pipeline(StandardScaler(with_std=False), PCA(4, whiten=True), LinearRegression()),
    make_pipeline(StandardScaler(with_mean=False), "passthrough", LinearRegression()),
    make_pipeline("passthrough", LinearRegression()),
    make_pipeline(StandardScaler(), make_pipeline(PCA(3), LinearRegression())),
    SVR(),
    SVR(epsilon=100),  # no support vector
    make_pipeline(StandardScaler(), PCA(4), SVR()),
    make_pipeline(MinMaxScaler(), SVR(kernel="linear")),
    make_pipeline(StandardScaler(), SVR(kernel="poly", degree=4, coef0=0.5)),
    make_pipeline(StandardScaler(), NuSVR()),
    mean(LinearRegression(), forest()),
    mean(LinearRegression(), "drop", SVR(), weights=[1, 5, 2]),
    mean(*(DecisionTreeRegressor(max_depth=depth, random_state=0) for depth in range(1, 12))),  # one row: added up in pairs
]
TREES = [
    DecisionTreeRegressor(random_state=0),
    ExtraTreeRegressor(random_state=0),
    DecisionTreeRegressor(max_leaf_nodes=2),
    forest(n_estimators=1),
    forest(n_estimators=3),
    forest(),
    forest(criterion="absolute_error", max_depth=3),
    forest(min_samples_leaf=10_000),  # each tree is one leaf
    extra(min_samples_leaf=2, max_features=0.7),
    make_pipeline(StandardScaler(), extra()),
    make_pipeline(MinMaxScaler(), RobustScaler(), "passthrough", forest()),
    boosting(),
    boosting(init="zero", subsample=0.5),
    boosting(loss="huber", learning_rate=0.3),
    boosting(loss="quantile", alpha=0.9, n_estimators=3),
    histogram(),
    histogram(loss="absolute_error", max_iter=1),
    make_pipeline(StandardScaler(), histogram()),
    mean(forest(), histogram()),
    mean(forest(), "drop", boosting(), weights=[0.3, 9, 0.1]),
    mean(*(DecisionTreeRegressor(max_depth=depth, random_state=0) for depth in range(1, 8)), weights=list(range(1, 8))),
    make_pipeline(StandardScaler(), mean(forest(), boosting())),
]
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
    RidgeClassifier(),
    RandomForestClassifier(n_estimators=2),
    Doubled(),
    make_pipeline(StandardScaler(), Doubled()),
]


def label(model: object) -> str:
    return " ".join(str(model).split())[:70]


@pytest.fixture(scope="module")
def rows(wines: pd.DataFrame) -> pd.DataFrame:
    """80 wines, every column a float."""
    return wines.head(80).astype(float)


@pytest.fixture(scope="module")
def asked(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows to ask for: random ones, and those that the models were fitted to."""
    features = rows.drop(columns=TARGET)
    drawn = random_rows(features.min().to_numpy(), features.max().to_numpy(), list(features), rows=120, seed=1)
    return pd.concat([drawn, features], ignore_index=True)


def fit(model: BaseEstimator, rows: pd.DataFrame) -> BaseEstimator:
    return model.fit(rows.drop(columns=TARGET), rows[TARGET])


def compile_known(model: BaseEstimator, names: list[str]) -> Compiled:
    compiled = compile_model(model, names)
    assert compiled is not None
    return compiled


@pytest.fixture(scope="module")
def fitted_forest(rows: pd.DataFrame) -> tuple[RandomForestRegressor, Compiled]:
    model = fit(forest(n_estimators=30), rows)
    return model, compile_known(model, list(model.feature_names_in_))


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
    assert differences(compiled, model, asked) == ""


@pytest.mark.parametrize("model", SUMS, ids=label)
def test_sums_are_answered_to_the_sixth_digit(model: BaseEstimator, rows: pd.DataFrame, asked: pd.DataFrame) -> None:
    compiled = compile_known(fit(model, rows), list(asked))
    assert not compiled.exact
    assert differences(compiled, model, asked) == ""


@pytest.mark.parametrize("model", TREES, ids=label)
def test_trees_are_answered_bit_for_bit(model: BaseEstimator, rows: pd.DataFrame, asked: pd.DataFrame) -> None:
    compiled = compile_known(fit(model, rows), list(asked))
    assert compiled.exact
    assert differences(compiled, model, asked) == ""


@pytest.mark.parametrize("model", UNKNOWN, ids=label)
def test_a_model_of_no_known_kind_is_none(model: BaseEstimator, rows: pd.DataFrame) -> None:
    whole = rows.assign(
        **{"fixed acidity": rows["fixed acidity"].round() if "categorical" in str(model) else rows["fixed acidity"]}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit(model, whole)
    assert compile_model(model, list(rows.drop(columns=TARGET))) is None


@pytest.mark.parametrize(
    "model", [LinearRegression(), forest(n_estimators=2), MultiTaskLasso(), DecisionTreeRegressor()], ids=label
)
def test_several_targets_are_none(model: BaseEstimator) -> None:
    X, y = make_regression(30, 3, n_targets=2, random_state=0)
    assert compile_model(model.fit(X, y), ["a", "b", "c"]) is None


@pytest.mark.parametrize(
    "model", [LinearRegression(), forest(), boosting(), histogram(), SVR(), mean(SVR()), Pipeline([]), None, "SVR"]
)
def test_what_is_not_fitted_or_no_model_is_none(model: Any) -> None:
    assert compile_model(model, ["a", "b"]) is None


@pytest.mark.parametrize(
    "model", [LinearRegression(), forest(n_estimators=2), make_pipeline(MinMaxScaler(), SVR()), mean(Ridge())]
)
def test_columns_of_other_names_number_or_order_are_none(model: BaseEstimator, rows: pd.DataFrame) -> None:
    names = list(fit(model, rows).feature_names_in_)
    assert compile_model(model, names) is not None
    for others in (names[::-1], names[:-1], [*names, "sweetness"], [*names[:-1], "sweetness"]):
        assert compile_model(model, others) is None


def test_a_model_that_was_fitted_to_an_array_goes_by_the_number_of_columns() -> None:
    X, y = make_regression(40, 3, random_state=0)
    for model in (LinearRegression(), forest(n_estimators=2), make_pipeline(PCA(2), SVR())):
        assert compile_model(model.fit(X, y), ["a", "b", "c"]) is not None
        assert compile_model(model, ["a", "b"]) is None


def test_parts_that_were_fitted_to_unlike_columns_are_none(rows: pd.DataFrame) -> None:
    narrow = fit(forest(n_estimators=2), rows[["alcohol", "pH", TARGET]])
    scaler = StandardScaler().fit(rows.drop(columns=TARGET).to_numpy())
    assert compile_model(Pipeline([("scaler", scaler), ("forest", narrow)]), list(rows.drop(columns=TARGET))) is None


def test_a_kernel_of_sparse_rows_is_none(rows: pd.DataFrame) -> None:
    features = rows.drop(columns=TARGET)
    assert compile_model(SVR().fit(sparse.csr_matrix(features.to_numpy()), rows[TARGET]), list(features)) is None


def refuse(*_: object) -> None:
    raise TypeError("takes other arguments")


@pytest.mark.parametrize("name", ["Tree", "predict_stages", "predict_histogram_tree"])
@pytest.mark.parametrize("stand_in", [None, refuse])
def test_where_a_private_part_of_sklearn_is_missing_or_other_the_model_is_none(
    name: str, stand_in: Any, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fit(histogram() if "histogram" in name else forest(), rows)
    monkeypatch.setattr(_compat, name, stand_in)
    assert compile_model(model, list(model.feature_names_in_)) is None


@pytest.mark.parametrize("model", [forest(), histogram(), boosting(), make_pipeline(StandardScaler(), SVR())], ids=label)
def test_any_number_of_rows_is_answered(model: BaseEstimator, rows: pd.DataFrame, asked: pd.DataFrame) -> None:
    compiled = compile_known(fit(model, rows), list(asked))
    expected = model.predict(asked)
    for number in (0, 1, 2, FEW_ROWS, FEW_ROWS + 1, FEW_ROWS_HISTOGRAM, FEW_ROWS_HISTOGRAM + 1, 200):
        answers = compiled.predict(asked.to_numpy()[:number].copy())
        assert (answers.dtype, answers.shape) == (np.float64, (number,))
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


def test_many_trees_for_many_columns_take_little_memory() -> None:
    X, y = make_regression(20, 400, random_state=0)
    model = forest(n_estimators=600, max_depth=1).fit(X, y)
    compiled = compile_known(model, [str(name) for name in range(400)])
    tracemalloc.start()
    try:
        for number in (1, FEW_ROWS):
            assert np.array_equal(compiled.predict(X[:number]), model.predict(X[:number]))
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("model", [SUMS[5], SUMS[7], SUMS[13], SUMS[15], *TREES[9:12], TREES[17], TREES[18]], ids=label)
def test_the_rows_are_left_as_they_are(model: BaseEstimator, rows: pd.DataFrame, asked: pd.DataFrame) -> None:
    compiled = compile_known(fit(model, rows), list(asked))
    for number in (1, 100):
        values = asked.to_numpy()[:number].copy()
        values.flags.writeable = False
        compiled.predict(values)
        assert np.array_equal(values, asked.to_numpy()[:number])


def test_rows_of_too_few_columns_are_refused_by_trees(fitted_forest: tuple[RandomForestRegressor, Compiled]) -> None:
    for number in (1, 100):
        with pytest.raises(ValueError, match=r"There must be 11 columns\. Got 1 instead\."):
            fitted_forest[1].predict(np.zeros((number, 1)))


def test_many_threads_get_the_answers_of_one(rows: pd.DataFrame, asked: pd.DataFrame) -> None:
    model = fit(mean(forest(), histogram(), make_pipeline(StandardScaler(), SVR())), rows)
    compiled, values = compile_known(model, list(asked)), asked.to_numpy().copy()
    blocks = [values[start : start + 1 + start % 40].copy() for start in range(200)]
    alone = [compiled.predict(block) for block in blocks]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(compiled.predict, blocks * 5))
    assert all(np.array_equal(one, other) for one, other in zip(alone * 5, together, strict=True))


def on_the_splits(thresholds: np.ndarray, features: np.ndarray, width: int) -> np.ndarray:
    """Return rows of zeros but for one value: a threshold, or one of its neighbours as float64 or as float32."""
    single = thresholds.astype(np.float32)
    beside = [np.nextafter(thresholds, sign) for sign in (-np.inf, np.inf)]
    beside += [np.nextafter(single, np.float32(sign)).astype(float) for sign in (-np.inf, np.inf)]
    # Halfway between two numbers of float32, where the cast has to choose.
    halfway = (beside[2] + single) / 2
    values = np.stack([thresholds, single.astype(float), *beside, halfway, np.nextafter(halfway, np.inf)])
    rows = np.zeros((values.shape[0], values.shape[1], width))
    rows[:, np.arange(len(features)), features] = values
    return rows.reshape(-1, width)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    decimals=st.integers(0, 9),
    trees=st.sampled_from([1, 2, FEW_TREES, FEW_TREES + 1, 37]),
    kind=st.sampled_from([forest, extra, boosting]),
    scaled=st.booleans(),
)
def test_a_row_on_a_split_falls_to_the_same_side(seed: int, decimals: int, trees: int, kind: Any, scaled: bool) -> None:
    X, y = make_regression(40, 4, noise=5, random_state=seed)
    X = np.round(X, decimals)
    tree = kind(n_estimators=trees, random_state=seed, max_depth=6)
    model = (make_pipeline(StandardScaler(), tree) if scaled else tree).fit(X, y)
    nodes = [np.ravel(member)[0].tree_ for member in tree.estimators_]
    threshold, feature = (np.concatenate([getattr(part, name) for part in nodes]) for name in ("threshold", "feature"))
    rows = on_the_splits(threshold[feature >= 0][:60], feature[feature >= 0][:60], 4)
    if scaled:
        rows = model[0].inverse_transform(rows)
    rows = np.concatenate([rows, X, np.random.default_rng(seed).normal(size=(20, 4))])
    expected, compiled = model.predict(rows), compile_known(model, list("abcd"))
    assert np.array_equal(compiled.predict(rows), expected)
    assert np.array_equal(
        np.concatenate([compiled.predict(rows[start : start + 3]) for start in range(0, len(rows), 3)]), expected
    )


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), decimals=st.integers(0, 9), trees=st.integers(1, 20), leaves=st.integers(2, 11))
def test_a_row_on_a_split_of_a_histogram_falls_to_the_same_side(seed: int, decimals: int, trees: int, leaves: int) -> None:
    X, y = make_regression(80, 4, noise=5, random_state=seed)
    X = np.round(X, decimals)
    model = histogram(max_iter=trees, max_leaf_nodes=leaves, min_samples_leaf=3, random_state=seed).fit(X, y)
    nodes = np.concatenate([tree.nodes for (tree,) in model._predictors])
    inner = nodes[nodes["is_leaf"] == 0][:60]
    rows = np.concatenate([on_the_splits(inner["num_threshold"], inner["feature_idx"], 4), X])
    expected, compiled = model.predict(rows), compile_known(model, list("abcd"))
    assert np.array_equal(compiled.predict(rows), expected)
    assert np.array_equal(
        np.concatenate([compiled.predict(rows[start : start + 9]) for start in range(0, len(rows), 9)]), expected
    )
    many = -(-MANY_ROWS // len(rows))
    assert np.array_equal(compiled.predict(np.tile(rows, (many, 1))), np.tile(expected, many))
    assert compiled.is_light == (leaves <= FEW_SPLITS + 1)


def test_a_kernel_far_from_the_origin_is_answered_to_the_sixth_digit() -> None:
    X, y = make_regression(60, 3, random_state=0)
    far = X + 1e5
    model = SVR(C=10).fit(far, y)
    assert differences(compile_known(model, list("abc")), model, pd.DataFrame(far)) == ""


def test_differences_names_the_worst_row_and_both_answers(
    fitted_forest: tuple[RandomForestRegressor, Compiled], asked: pd.DataFrame
) -> None:
    model, compiled = fitted_forest

    def off(values: np.ndarray) -> np.ndarray:
        return compiled.predict(values) + np.where(np.arange(len(values)) == 7, 0.5, 1e-12)

    sentence = differences(Compiled("trees", True, off), model, asked)
    expected = float(model.predict(asked)[7])
    assert sentence == (
        f"{len(asked)} of {len(asked)} rows, asked at once, are answered otherwise than by the model; "
        f"the worst is row 7: {expected + 0.5!r} instead of {expected!r}."
    )
    sentence = differences(Compiled("trees", False, off), model, asked)
    assert sentence.startswith(f"1 of {len(asked)} rows")


def test_differences_asks_row_by_row_too(fitted_forest: tuple[RandomForestRegressor, Compiled], asked: pd.DataFrame) -> None:
    model, compiled = fitted_forest
    lone = Compiled("trees", False, lambda values: compiled.predict(values) + (len(values) == 1))
    assert "asked one by one, are answered otherwise" in differences(lone, model, asked)


def test_no_number_is_a_difference(fitted_forest: tuple[RandomForestRegressor, Compiled], asked: pd.DataFrame) -> None:
    model, compiled = fitted_forest
    for exact in (True, False):
        nothing = Compiled(
            "trees", exact, lambda values: np.where(np.arange(len(values)) == 3, np.nan, compiled.predict(values))
        )
        assert "1 of 200 rows" in differences(nothing, model, asked)
        assert "row 3: nan instead of" in differences(nothing, model, asked)


def test_random_rows_lie_within_beyond_and_on_round_values() -> None:
    low, high = np.array([0.0, 10.0]), np.array([1.0, 30.0])
    drawn = random_rows(low, high, ["a", "b"], rows=300, seed=3)
    assert list(drawn) == ["a", "b"]
    values, span = drawn.to_numpy(), high - low
    assert ((values >= low - 0.2 * span - 0.05) & (values <= high + 0.2 * span + 0.05)).all()
    beyond = ((values < low) | (values > high)).any(axis=1)
    rounded = (values == np.round(values, 4)).all(axis=1)
    assert beyond.sum() > 30
    assert rounded.sum() == 100
    assert not (beyond & rounded).any()


def test_random_rows_are_those_of_their_seed() -> None:
    low, high = np.zeros(2), np.ones(2)
    one, same, other = (random_rows(low, high, ["a", "b"], rows=9, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, same)
    assert not one.equals(other)
