from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, RidgeClassifier
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC, NuSVC
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from recipeline.data.target_codes import TargetCodes
from recipeline.inference.asking import ask_model, say
from recipeline.inference.columns import Columns
from recipeline.inference.compiled.check import differences
from recipeline.inference.compiled.compile import compile_model
from recipeline.inference.compiled.form import Compiled
from recipeline.inference.compiled.trees import FEW_ROWS, FEW_ROWS_HISTOGRAM, FEW_TREES
from tests.inference.compiled.models import TARGET, label

#: The labels of a target by their number; of two each is the positive one once.
CODES = [
    TargetCodes("binary", ("bad", "good")),
    TargetCodes("binary", ("good", "bad")),
    TargetCodes("binary", (False, True)),
    TargetCodes("multiclass", ("bad", "good")),
    TargetCodes("multiclass", (3, 5, 7)),
]


def forest(**params: Any) -> RandomForestClassifier:
    return RandomForestClassifier(**{"n_estimators": FEW_TREES + 4, "random_state": 0} | params)


def boosting(**params: Any) -> GradientBoostingClassifier:
    return GradientBoostingClassifier(**{"n_estimators": FEW_TREES + 4, "random_state": 0} | params)


def histogram(**params: Any) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(**{"max_iter": 8, "max_leaf_nodes": 6, "random_state": 0} | params)


def mean(*members: BaseEstimator, **params: Any) -> VotingClassifier:
    return VotingClassifier([(f"member {place}", it) for place, it in enumerate(members)], voting="soft", **params)


def calibrated(model: BaseEstimator, method: str = "sigmoid") -> CalibratedClassifierCV:
    return CalibratedClassifierCV(model, method=method, cv=3)


#: Models, what each computes, and whether it does so bit for bit for two labels.
MODELS: list[tuple[BaseEstimator, str, bool]] = [
    (make_pipeline(StandardScaler(), LogisticRegression()), "linear", False),
    (make_pipeline(MinMaxScaler(), PCA(3), LogisticRegression(fit_intercept=False)), "linear", False),
    (make_pipeline(StandardScaler(), LogisticRegressionCV(cv=3)), "linear", False),
    (DecisionTreeClassifier(random_state=0, max_depth=3), "trees", True),
    (ExtraTreeClassifier(random_state=0), "trees", True),
    (forest(), "trees", True),
    (forest(n_estimators=3, min_samples_leaf=10_000), "trees", True),
    (make_pipeline(StandardScaler(), ExtraTreesClassifier(FEW_TREES + 2, random_state=0)), "trees", True),
    (boosting(), "boosted trees", True),
    (boosting(init="zero", n_estimators=3), "boosted trees", True),
    (make_pipeline(StandardScaler(), histogram()), "boosted trees", True),
    (mean(forest(), histogram(), weights=[0.3, 2]), "mean of trees, boosted trees", True),
    (mean(*(DecisionTreeClassifier(max_depth=depth) for depth in range(1, 10))), "mean of trees", True),
    (make_pipeline(StandardScaler(), mean(LogisticRegression(), "drop", forest())), "mean of linear, trees", False),
    (calibrated(forest(), "isotonic"), "calibrated trees", True),
    (calibrated(histogram()), "calibrated boosted trees", True),
    (calibrated(make_pipeline(StandardScaler(), LogisticRegression())), "calibrated linear", False),
]
KERNELS = [calibrated(make_pipeline(StandardScaler(), it)) for it in (SVC(), SVC(kernel="linear"), NuSVC(nu=0.2))]


def fitted(model: BaseEstimator, rows: pd.DataFrame, codes: TargetCodes, threshold: float = 0.4) -> BaseEstimator:
    """Return a classifier of parts of the target's range, as it is logged."""
    order = rows[TARGET].rank(method="first").to_numpy()
    place = (order * len(codes.labels) / (len(rows) + 1)).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(rows.drop(columns=TARGET), np.array(codes.labels)[place])
    if codes.is_matrix:
        return model
    decided = FixedThresholdClassifier(model, threshold=threshold, pos_label=codes.labels[1], response_method="predict_proba")
    decided.estimator_ = model
    return decided


def compiled_of(model: BaseEstimator, names: list[str], codes: TargetCodes) -> Compiled | None:
    return compile_model(model, Columns.of_numbers(names), codes)


@pytest.mark.parametrize("codes", CODES, ids=str)
@pytest.mark.parametrize(("model", "kind", "is_exact"), MODELS, ids=label)
def test_a_classifier_is_answered_for_with_its_labels(
    model: BaseEstimator, kind: str, is_exact: bool, codes: TargetCodes, rows: pd.DataFrame, asked: pd.DataFrame
) -> None:
    fit = fitted(model, rows, codes)
    compiled = compiled_of(fit, list(asked), codes)
    assert compiled is not None
    assert compiled.kind == kind
    if not codes.is_matrix:
        assert compiled.exact == is_exact
    assert differences(compiled, fit, asked, Columns.of_numbers(list(asked)), codes) == ""
    answers = compiled.predict(asked.to_numpy().copy())
    assert say(answers, codes, 0.4).tolist() == np.asarray(fit.predict(asked)).tolist()
    sums = answers.sum(axis=1) if codes.is_matrix else answers + (1 - answers)
    np.testing.assert_allclose(sums, 1, rtol=1e-12)


@pytest.mark.parametrize("model", KERNELS, ids=label)
def test_a_calibrated_support_vector_machine_of_two_labels_is_answered_for(
    model: BaseEstimator, rows: pd.DataFrame, asked: pd.DataFrame
) -> None:
    for codes in CODES[:2]:
        fit = fitted(model, rows, codes)
        compiled = compiled_of(fit, list(asked), codes)
        assert compiled is not None
        assert differences(compiled, fit, asked, Columns.of_numbers(list(asked)), codes) == ""
    assert compiled_of(fitted(model, rows, CODES[-1]), list(asked), CODES[-1]) is None


UNKNOWN = [
    SVC(),
    AdaBoostClassifier(n_estimators=3),
    RidgeClassifier(),
    VotingClassifier([("a", LogisticRegression()), ("b", forest())], voting="hard"),
    boosting(loss="exponential"),
    boosting(init=LogisticRegression()),
    make_pipeline(PCA(3), forest(n_estimators=2)),
    mean(LogisticRegression(), LogisticRegression(), weights=[1, -1]),
    calibrated(AdaBoostClassifier(n_estimators=2)),
    make_pipeline(MinMaxScaler(clip=True), LogisticRegression()),
]


@pytest.mark.parametrize("model", UNKNOWN, ids=label)
def test_a_classifier_of_no_known_kind_is_none(model: BaseEstimator, rows: pd.DataFrame) -> None:
    assert compiled_of(fitted(model, rows, CODES[0]), list(rows.drop(columns=TARGET)), CODES[0]) is None


def test_classes_that_are_not_the_labels_are_none(rows: pd.DataFrame) -> None:
    names = list(rows.drop(columns=TARGET))
    for codes, others in (
        (CODES[0], TargetCodes("binary", ("bad", "best"))),
        (CODES[4], TargetCodes("multiclass", (5, 3, 7))),
        (CODES[4], TargetCodes("multiclass", (3, 5, 7, 9))),
    ):
        model = fitted(forest(n_estimators=2), rows, codes)
        assert compiled_of(model, names, codes) is not None
        assert compiled_of(model, names, others) is None
        assert compiled_of(model, names[::-1], codes) is None


@pytest.mark.parametrize("codes", CODES[-2:] + CODES[:1], ids=str)
@pytest.mark.parametrize("model", [forest(), histogram(), calibrated(forest(n_estimators=3), "isotonic")], ids=label)
def test_any_number_of_rows_is_answered(
    model: BaseEstimator, codes: TargetCodes, rows: pd.DataFrame, asked: pd.DataFrame
) -> None:
    fit = fitted(model, rows, codes)
    compiled = compiled_of(fit, list(asked), codes)
    assert compiled is not None
    expected = ask_model(fit, asked, codes)
    for number in (0, 1, FEW_ROWS, FEW_ROWS + 1, FEW_ROWS_HISTOGRAM + 1, 200):
        np.testing.assert_allclose(compiled.predict(asked.to_numpy()[:number].copy()), expected[:number], rtol=1e-9)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    labels=st.integers(2, 5),
    kind=st.sampled_from([forest, boosting, histogram]),
    calibrate=st.sampled_from([None, "sigmoid", "isotonic"]),
    threshold=st.sampled_from([0.25, 0.5, 0.9]),
)
def test_labels_on_a_threshold_and_of_equal_probability_are_those_of_the_model(
    seed: int, labels: int, kind: Any, calibrate: str | None, threshold: float
) -> None:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.integers(0, 3, (60, 3)).astype(float), columns=list("abc"))
    place = np.append(rng.integers(labels, size=60 - 4 * labels), np.repeat(np.arange(labels), 4))
    codes = TargetCodes("binary" if labels == 2 else "multiclass", tuple(f"l{it}" for it in range(labels)))
    inner = kind(**{"max_iter" if kind is histogram else "n_estimators": 4, "random_state": seed})
    model = CalibratedClassifierCV(inner, method=calibrate, cv=2) if calibrate else inner
    model.fit(table, np.array(codes.labels)[place])
    if labels == 2:
        wrapped = FixedThresholdClassifier(model, threshold=threshold, pos_label="l1", response_method="predict_proba")
        wrapped.estimator_ = model
        model = wrapped
    compiled = compiled_of(model, ["a", "b", "c"], codes)
    assert compiled is not None
    for values in (table.to_numpy(), table.to_numpy()[:1]):
        said = say(compiled.predict(values.copy()), codes, threshold)
        assert said.tolist() == model.predict(pd.DataFrame(values, columns=["a", "b", "c"])).tolist()
