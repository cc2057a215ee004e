from __future__ import annotations

import inspect
import json
import sys
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.ensemble import (
    BaggingRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.feature_selection import SelectKBest, f_regression, mutual_info_regression, r_regression
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process import kernels as k
from sklearn.linear_model import LinearRegression, Ridge, TweedieRegressor
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, PowerTransformer, SplineTransformer, StandardScaler
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import all_estimators

from recipeline.errors import UsageError
from recipeline.inference._compat import ONLY_IN_SOME
from recipeline.inference.trust import TREES, TRUSTED, RefusedModel, read_skops, types_to_trust

GENERATOR = np.random.default_rng(0)
X = pd.DataFrame(GENERATOR.uniform(0.1, 3, (60, 3)), columns=["a", "b", "c"]).assign(d=np.arange(60.0) % 3)
Y = X["a"].to_numpy() * 2 + GENERATOR.uniform(0, 1, 60)


def double(values: np.ndarray) -> np.ndarray:
    """A function that is of no library."""
    return values * 2


OWN = make_pipeline(FunctionTransformer(double), LinearRegression()).fit(X, Y)

METRICS = ("euclidean", "manhattan", "chebyshev", "canberra", "braycurtis", "hamming", "jaccard", "dice", "russellrao")

KERNELS = (
    k.Matern(),
    k.RBF() + k.WhiteKernel(),
    k.RBF() * 2,
    k.RBF() ** 2,
    k.RationalQuadratic(),
    k.DotProduct(),
    k.PairwiseKernel(),
)

VARIANTS = [
    *(KNeighborsRegressor(metric=metric, algorithm="ball_tree") for metric in METRICS),
    *(KNeighborsRegressor(algorithm=algorithm, p=3) for algorithm in ("kd_tree", "ball_tree", "brute")),
    *(GaussianProcessRegressor(kernel) for kernel in KERNELS),
    *(HistGradientBoostingRegressor(max_iter=2, categorical_features=which) for which in (["d"], [3], "from_dtype")),
    *(HistGradientBoostingRegressor(max_iter=2, loss=loss) for loss in ("poisson", "gamma", "absolute_error")),
    *(GradientBoostingRegressor(n_estimators=2, loss=loss, init=LinearRegression()) for loss in ("huber", "quantile")),
    *(MLPRegressor(hidden_layer_sizes=(3,), max_iter=3, solver=solver) for solver in ("adam", "sgd", "lbfgs")),
    *(TweedieRegressor(power=power, link=link) for power, link in ((0, "log"), (1, "auto"), (3, "identity"))),
    *(make_pipeline(SelectKBest(score, k=2), Ridge()) for score in (f_regression, r_regression, mutual_info_regression)),
    make_pipeline(ColumnTransformer([("a", StandardScaler(), make_column_selector("[ab]"))], remainder="passthrough"), Ridge()),
    make_pipeline(OneHotEncoder(handle_unknown="ignore"), Ridge()),
    make_pipeline(SplineTransformer(), Ridge()),
    make_pipeline(FunctionTransformer(np.log1p, np.expm1), Ridge()),
    TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=np.exp),
    TransformedTargetRegressor(KNeighborsRegressor(), transformer=PowerTransformer()),
    StackingRegressor([("a", Ridge()), ("b", KNeighborsRegressor())], cv=KFold(3)),
    VotingRegressor([("a", Ridge()), ("b", DecisionTreeRegressor())]),
    BaggingRegressor(KNeighborsRegressor(), n_estimators=2),
    RandomForestRegressor(2, random_state=np.random.RandomState(0)),
    GridSearchCV(KNeighborsRegressor(), {"n_neighbors": [1, 2]}, scoring="neg_mean_absolute_error", cv=2),
]


def estimators() -> Iterator[Any]:
    """Yield each regressor and transformer that is fitted with no arguments."""
    for kind in ("regressor", "transformer"):
        for _, factory in all_estimators(type_filter=kind):
            try:
                rounds = {"n_estimators": 2, "max_iter": 20}
                known = {key: value for key, value in rounds.items() if key in factory().get_params()}
                yield factory(**known).fit(X, Y)
            except (TypeError, ValueError, AttributeError):
                continue


def check_round_trip(model: Any, path: Path) -> None:
    skops.io.dump(model, path)
    loaded = read_skops(path)
    if hasattr(model, "predict"):
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X), err_msg=repr(model))


@pytest.mark.parametrize("model", VARIANTS, ids=lambda model: type(model).__name__)
def test_a_model_of_scikit_learn_is_read_back_and_answers_as_before(model: Any, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_round_trip(model.fit(X, Y), tmp_path / "model.skops")


def test_each_regressor_and_transformer_of_scikit_learn_with_its_defaults_is_read_back(tmp_path: Path) -> None:
    unsupported = {"Birch"}  # skops writes no tree of its kind
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [model for model in estimators() if type(model).__name__ not in unsupported]
        assert len(found) > 80
        for model in found:
            check_round_trip(model, tmp_path / "model.skops")


@pytest.mark.parametrize("model", [LinearRegression(), SVR()])
def test_a_model_that_skops_knows_needs_no_trust(model: Any) -> None:
    assert types_to_trust(model.fit(X, Y)) == []


@pytest.mark.parametrize("model", [DecisionTreeRegressor(), RandomForestRegressor(2)])
def test_the_types_of_tree_models_are_what_the_constant_says(model: Any) -> None:
    assert set(types_to_trust(model.fit(X, Y))) <= set(TREES)


def test_what_is_trusted_is_there_in_the_installed_libraries() -> None:
    missing = {path for path in TRUSTED if installed(path) is None}
    assert missing <= set(ONLY_IN_SOME)
    assert len(missing) < len(ONLY_IN_SOME)


def installed(path: str) -> object | None:
    """Return the object of an import path; None where none is installed."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(import_module(module), name, None)
    except ModuleNotFoundError:
        return None


def test_no_trusted_function_takes_a_file_or_an_address() -> None:
    suspicious = {"file", "filename", "path", "url", "fname", "buf", "command", "cmd", "fid"}
    for path in TRUSTED - {"functools.partial"}:
        found = installed(path)
        if inspect.isfunction(found):
            assert not suspicious & set(inspect.signature(found).parameters), path


def functions(*modules: str) -> list[tuple[str, str]]:
    """Return the public functions of modules, by module and name."""
    return [
        (name, attribute)
        for name in modules
        for attribute, found in sorted(vars(import_module(name)).items())
        if callable(found) and not attribute.startswith("_") and not isinstance(found, np.ufunc)
    ]


HARMFUL = functions(
    "os", "shutil", "subprocess", "pickle", "joblib", "sklearn.datasets", "importlib", "runpy", "urllib.request"
)

NUMPY = [("numpy", name) for name in ("load", "save", "savetxt", "fromfile", "memmap", "loadtxt", "genfromtxt")]


def write_function(path: Path, module: str, name: str) -> None:
    """Write a model that would call the function when it is asked."""
    skops.io.dump(FunctionTransformer(double), path)
    with ZipFile(path) as file:
        schema = json.loads(file.read("schema.json"))

    def replace(node: Any) -> Any:
        if isinstance(node, dict):
            if node.get("__loader__") == "FunctionNode":
                return node | {"__module__": module, "__class__": name}
            return {key: replace(value) for key, value in node.items()}
        return [replace(value) for value in node] if isinstance(node, list) else node

    with ZipFile(path, "w") as file:
        file.writestr("schema.json", json.dumps(replace(schema)))


@given(st.sampled_from([*HARMFUL, *NUMPY, ("builtins", "eval"), ("builtins", "exec"), ("builtins", "open")]))
def test_a_function_of_another_library_is_refused_before_anything_is_built(
    tmp_path_factory: pytest.TempPathFactory, function: tuple[str, str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "harmful.skops"
    write_function(path, *function)
    with pytest.raises(RefusedModel, match="must be made of types that are trusted") as error:
        read_skops(path)
    assert ".".join(function) in error.value.sentence
    assert error.value.exit_code == 6


def test_reading_a_list_of_types_imports_nothing_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "evil_module_of_a_model.py").write_text("raise SystemExit('imported')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    write_function(tmp_path / "model.skops", "evil_module_of_a_model", "run")
    with pytest.raises(RefusedModel, match=r"Got evil_module_of_a_model\.run"):
        read_skops(tmp_path / "model.skops")
    assert "evil_module_of_a_model" not in sys.modules


@given(st.binary(max_size=300))
def test_a_file_of_any_bytes_is_refused_in_one_sentence(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.skops"
    path.write_bytes(content)
    with pytest.raises(RefusedModel, match=r"The file bytes\.skops is missing or damaged: "):
        read_skops(path)


def test_a_type_that_is_not_trusted_is_refused_by_name() -> None:
    with pytest.raises(
        UsageError, match=r"types that are trusted\. Got tests\.inference\.test_trust\.double instead\. Add them"
    ):
        types_to_trust(OWN)


def test_a_type_that_the_profile_trusts_is_trusted_and_makes_the_model_loadable(tmp_path: Path) -> None:
    own = [f"{__name__}.double"]
    assert types_to_trust(OWN, own) == own
    skops.io.dump(OWN, tmp_path / "model.skops")
    np.testing.assert_array_equal(read_skops(tmp_path / "model.skops", own).predict(X), OWN.predict(X))


@pytest.mark.parametrize(
    "trusted", ["tests", "tests.inference", "tests.inference.test_trust", "tests.inference.test_trust.doubl"]
)
def test_the_beginning_of_a_name_is_not_trusted(trusted: str) -> None:
    with pytest.raises(UsageError, match=r"Got tests\.inference\.test_trust\.double"):
        types_to_trust(OWN, [trusted])


@pytest.mark.parametrize(
    "model", [HistGradientBoostingRegressor(early_stopping=True, scoring="r2", max_iter=2).fit(X, Y), (value for value in X)]
)
def test_a_model_that_skops_cannot_write_is_refused_in_one_sentence(model: Any) -> None:
    with pytest.raises(UsageError, match="must be one that skops can save, without pickle") as error:
        types_to_trust(model)
    assert "\n" not in str(error.value)
