from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeRegressor
from skops.io import dumps, loads

from recipeline.config.candidate import Candidate
from recipeline.data.target_codes import TargetCodes
from recipeline.inference.asking import ask_model, say
from recipeline.inference.columns import Columns
from recipeline.inference.compiled.compile import compile_model
from recipeline.inference.trust import types_to_trust
from recipeline.training.tasks.every import TASKS
from recipeline.training.tasks.regression import TRANSFORMS, Regression, standardise_target
from recipeline.training.weights import fit_weighted
from tests.conftest import as_recipe, small_recipe

TREES = [
    DecisionTreeRegressor(min_samples_leaf=10, random_state=0),
    RandomForestRegressor(3, min_samples_leaf=10, random_state=0),
    ExtraTreesRegressor(3, min_samples_leaf=10, random_state=0),
    GradientBoostingRegressor(n_estimators=3, min_samples_leaf=10, random_state=0),
    make_pipeline(StandardScaler(), DecisionTreeRegressor(min_samples_leaf=10, random_state=0)),
]


@pytest.mark.parametrize("model", TREES, ids=lambda model: type(model).__name__)
@settings(max_examples=5, deadline=None)
@given(unit=st.floats(1e-12, 1e12), origin=st.floats(-1e9, 1e9))
@example(unit=1e-12, origin=0.0)
@example(unit=1.0, origin=1.7e9)
def test_trees_learn_the_same_whatever_the_unit_and_origin_of_the_target(
    model: BaseEstimator, unit: float, origin: float
) -> None:
    """To 0.05 in R2: of equally good splits the last bit chooses one."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 2))
    target = features @ [1.0, 0.5] + rng.normal(0, 0.3, 200)

    def r2(target: np.ndarray) -> float:
        fitted = standardise_target(clone(model), target[:150]).fit(features[:150], target[:150])
        return float(r2_score(target[150:], fitted.predict(features[150:])))

    assert r2(unit * (target + origin)) == pytest.approx(r2(target), abs=0.05)


@pytest.mark.parametrize(
    "model", [LinearRegression(), SVR(), DecisionTreeRegressor(ccp_alpha=0.1), RandomForestRegressor(min_impurity_decrease=0.1)]
)
def test_what_has_a_parameter_in_the_unit_of_the_target_is_left_as_it_is(model: BaseEstimator) -> None:
    assert standardise_target(model, np.arange(10) + 1.7e9) is model


@pytest.mark.parametrize("model", TREES, ids=lambda model: type(model).__name__)
def test_a_target_of_an_ordinary_unit_is_left_as_it_is(model: BaseEstimator, wines: pd.DataFrame) -> None:
    assert standardise_target(model, wines["quality"].to_numpy(dtype=float)) is model


# --- a function of the target ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transform", [*TRANSFORMS, None])
@pytest.mark.parametrize(
    "model", [LinearRegression(), make_pipeline(StandardScaler(), SVR()), DecisionTreeRegressor(max_depth=3)]
)
def test_a_model_of_a_function_of_the_target_answers_in_the_targets_own_unit(
    model: BaseEstimator, transform: str | None
) -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(80, 2)), columns=["a", "b"])
    target = np.exp(rows["a"] + rng.normal(0, 0.1, 80)).to_numpy()
    function, inverse = TRANSFORMS[transform] if transform else (np.asarray, np.asarray)
    expected = inverse(clone(model).fit(rows, function(target)).predict(rows))
    prepared = Regression().prepare(clone(model), target, transform).fit(rows, target)
    np.testing.assert_allclose(prepared.predict(rows), expected)
    np.testing.assert_allclose(inverse(function(target)), target)
    restored = loads(dumps(prepared), trusted=types_to_trust(prepared))
    np.testing.assert_array_equal(restored.predict(rows), prepared.predict(rows))
    compiled = compile_model(prepared, Columns.of_numbers(["a", "b"]))
    assert compiled is not None
    np.testing.assert_allclose(compiled.predict(rows.to_numpy()), prepared.predict(rows), rtol=1e-12)


def test_a_tree_of_a_function_of_the_target_is_standardised_by_that_function() -> None:
    rng = np.random.default_rng(0)
    alone = 1e100 * (1 + 2e-4 * rng.normal(size=50))  # far enough from its neighbours, and its logarithms are not
    tree = DecisionTreeRegressor()
    assert standardise_target(tree, alone) is tree
    assert isinstance(Regression().prepare(tree, alone, "log").regressor, TransformedTargetRegressor)


# --- classes --------------------------------------------------------------------------------------------------------------

ROWS = pd.DataFrame(np.random.default_rng(0).normal(size=(90, 3)), columns=["a", "b", "c"])
LABELS = np.array(["x", "y", "z"])[np.digitize(ROWS["a"] + np.random.default_rng(1).normal(0, 0.5, 90), [-0.4, 0.5])]
MEMBERS = {"one": LogisticRegression(), "other": RandomForestClassifier(5, random_state=0)}


def test_a_mean_of_classifiers_is_assembled_as_a_fit_would_leave_it() -> None:
    task = TASKS["multiclass"]
    whole = task.mean_of([*MEMBERS.items()]).fit(ROWS, LABELS)
    fitted = {name: clone(model).fit(ROWS, LABELS) for name, model in MEMBERS.items()}
    assembled = task.assemble(fitted)
    np.testing.assert_array_equal(assembled.predict_proba(ROWS), whole.predict_proba(ROWS))
    np.testing.assert_array_equal(assembled.predict(ROWS), whole.predict(ROWS))
    np.testing.assert_array_equal(task.average(it.predict_proba(ROWS) for it in fitted.values()), whole.predict_proba(ROWS))
    restored = loads(dumps(assembled), trusted=types_to_trust(assembled))
    np.testing.assert_array_equal(restored.predict(ROWS), whole.predict(ROWS))


@pytest.mark.parametrize("positive", [0, 1])
def test_two_labels_are_decided_by_a_threshold_that_is_part_of_the_model(positive: int) -> None:
    words = np.where(LABELS == "x", "no", "yes")
    labels = ("no", "yes") if positive else ("yes", "no")
    recipe = as_recipe(
        small_recipe()
        | {
            "task": "binary",
            "target": {"column": "y", "positive": labels[1]},
            "gates": {},
            "promotion": {},
            "monitoring": {},
            "metrics": {},
            "decision": {"recall": 0.99},
            "candidates": {"L": {"alias": "l", "estimator": "sklearn.linear_model.LogisticRegression"}},
            "columns": {"a": {}, "b": {}, "c": {}, "y": {"type": "category"}},
        }
    )
    codes = TargetCodes("binary", labels)
    model = LogisticRegression().fit(ROWS, words)
    out_of_fold = ask_model(model, ROWS, codes)
    decided = TASKS["binary"].decide(model, codes, codes.encode(words), out_of_fold, recipe, None)
    said = decided.predict(ROWS)
    np.testing.assert_array_equal(said, say(out_of_fold, codes, decided.threshold))
    assert (said[words == labels[1]] == labels[1]).mean() >= 0.99
    assert decided.threshold != 0.5
    np.testing.assert_array_equal(ask_model(decided, ROWS, codes), out_of_fold)
    restored = loads(dumps(decided), trusted=types_to_trust(decided))
    np.testing.assert_array_equal(restored.predict(ROWS), said)
    again = fit_weighted(clone(decided), ROWS, words, np.full(len(words), 2.0))
    np.testing.assert_array_equal(again.predict(ROWS), said)


def test_a_calibrated_candidate_gives_probabilities_of_a_model_that_has_none() -> None:
    calibrated = TASKS["multiclass"].complete(SVC(), Candidate(alias="s", estimator="sklearn.svm.SVC", calibrate="sigmoid"), 3)
    said = calibrated.fit(ROWS, LABELS).predict_proba(ROWS)
    assert said.shape == (90, 3)
    np.testing.assert_allclose(said.sum(axis=1), 1)
    assert (calibrated.predict(ROWS) == LABELS).mean() > 0.6


def test_labels_that_do_not_follow_from_probabilities_are_refused() -> None:
    class Contrary(LogisticRegression):
        def predict(self, rows: pd.DataFrame) -> np.ndarray:
            return np.roll(super().predict(rows), 1)

    codes = TargetCodes("multiclass", ("x", "y", "z"))
    model = Contrary().fit(ROWS, LABELS)
    with pytest.raises(ValueError, match=r"not the likeliest ones .* set calibrate: sigmoid"):
        TASKS["multiclass"].check_labels(model, ROWS, ask_model(model, ROWS, codes), codes)
    honest = LogisticRegression().fit(ROWS, LABELS)
    TASKS["multiclass"].check_labels(honest, ROWS, ask_model(honest, ROWS, codes), codes)
