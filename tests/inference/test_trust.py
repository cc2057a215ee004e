from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeRegressor

from recipeline.errors import UsageError
from recipeline.inference.trust import TREES, types_to_trust

X = np.arange(80.0).reshape(40, 2)
Y = np.sin(X[:, 0])


def double(values: np.ndarray) -> np.ndarray:
    """A function that is of no library."""
    return values * 2


OWN = make_pipeline(FunctionTransformer(double), LinearRegression()).fit(X, Y)


@pytest.mark.parametrize("model", [LinearRegression(), SVR()])
def test_a_model_that_skops_knows_needs_no_trust(model: Any) -> None:
    assert types_to_trust(model.fit(X, Y), []) == []


@pytest.mark.parametrize(
    "model", [DecisionTreeRegressor(), RandomForestRegressor(2), HistGradientBoostingRegressor(max_iter=2)]
)
def test_the_types_of_tree_models_are_what_the_constant_says(model: Any) -> None:
    assert set(types_to_trust(model.fit(X, Y), [])) <= set(TREES)


def test_a_type_from_another_package_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"types from numpy, scipy, sklearn\. Got tests\.inference\.test_trust\.double"):
        types_to_trust(OWN, [])


def test_a_type_from_a_package_of_the_candidate_is_trusted_and_makes_the_model_loadable() -> None:
    types = types_to_trust(OWN, {"tests"})
    assert types == ["tests.inference.test_trust.double"]
    loaded = skops.io.loads(skops.io.dumps(OWN), trusted=types)
    np.testing.assert_array_equal(loaded.predict(X), OWN.predict(X))


def test_a_package_whose_name_only_begins_alike_is_not_trusted() -> None:
    with pytest.raises(UsageError, match=r"tests\.inference"):
        types_to_trust(OWN, {"test", "tests.inference"})
