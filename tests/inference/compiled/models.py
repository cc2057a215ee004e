"""Models of the kinds that there is a compiled form of."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
    VotingRegressor,
)
from sklearn.linear_model import BayesianRidge, HuberRegressor, Lasso, LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.svm import SVR, LinearSVR, NuSVR
from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor

from recipeline.inference.columns import Columns
from recipeline.inference.compiled.compile import compile_model
from recipeline.inference.compiled.form import Compiled
from recipeline.inference.compiled.trees import FEW_TREES

TARGET = "quality"


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


LINEAR = [
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
]
KERNELS = [
    SVR(),
    SVR(epsilon=100),  # no support vector
    make_pipeline(StandardScaler(), PCA(4), SVR()),
    make_pipeline(MinMaxScaler(), SVR(kernel="linear")),
    make_pipeline(StandardScaler(), SVR(kernel="poly", degree=4, coef0=0.5)),
    make_pipeline(StandardScaler(), NuSVR()),
]
MEANS = [
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


def label(model: object) -> str:
    return " ".join(str(model).split())[:70]


def fit(model: BaseEstimator, rows: pd.DataFrame) -> BaseEstimator:
    return model.fit(rows.drop(columns=TARGET), rows[TARGET])


def compile_known(model: BaseEstimator, names: list[str]) -> Compiled:
    compiled = compile_model(model, Columns.of_numbers(names))
    assert compiled is not None
    return compiled
