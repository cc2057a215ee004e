"""Folds inside of an estimator keep groups on one side; the fitted model has none."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import FixedThresholdClassifier, KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, TargetEncoder

from recipeline.inference.trust import types_to_trust
from recipeline.training.candidates import build_candidate
from recipeline.training.inner_folds import _parts, deal_calibration
from recipeline.training.trial import find_faults
from recipeline.training.weights import fit_weighted
from tests.classes import class_recipe
from tests.conftest import as_recipe, small_recipe

LABELS: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "words": ({"type": "category"}, ["bad", "good"]),
    "booleans": ({"type": "boolean"}, [False, True]),
    "whole numbers": ({"type": "integer"}, [1, 2]),
    "two of more words": ({"type": "category", "values": ["a", "b", "c"]}, ["a", "b"]),
    "three words": ({"type": "category"}, ["a", "b", "c"]),
}


def panel(people: int = 120, visits: int = 8, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return visits of people, two to a town; the person alone decides the target."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), visits)
    table = pd.DataFrame({"town": pd.Series([f"t{it % 60}" for it in person], dtype="str"), "x": rng.normal(size=len(person))})
    return table, rng.normal(size=people)[person], person


def recipe_of(category: Any, **more: Any) -> Any:
    columns = {"town": {"type": "category"}, "x": {}, "y": {}, "person": {"type": "integer"}}
    content = small_recipe() | {"target": "y", "columns": columns, "gates": {}, "promotion": {}, "monitoring": {}}
    candidate = {"alias": "r", "estimator": "sklearn.linear_model.LinearRegression", "preprocess": {"category": category}}
    return as_recipe(content | {"candidates": {"R": candidate}, "split": {"group": "person"}} | more)


@pytest.mark.parametrize("category", ["target", [{"estimator": "sklearn.preprocessing.TargetEncoder"}]])
def test_an_encoder_learns_nothing_of_a_group_from_its_own_rows(category: Any) -> None:
    table, target, person = panel()
    strangers, truth, _ = panel(seed=1)
    skill = {}
    for name, groups in {"torn": None, "together": person}.items():
        model = fit_weighted(build_candidate(recipe_of(category), "R"), table, target, None, groups)
        skill[name] = r2_score(truth, model.predict(strangers))
    assert skill["torn"] < skill["together"] - 0.1  # a town seems to say what its people say themselves
    assert skill["together"] > -0.1


def test_the_fitted_model_has_plain_folds_and_can_be_saved() -> None:
    table, target, person = panel()
    model = fit_weighted(build_candidate(recipe_of("target", target={"column": "y"}), "R"), table, target, None, person)
    folds = [part.cv for part in _parts(model) if isinstance(part, TargetEncoder)]
    assert len(folds) == 2  # the one in the settings, and the fitted one
    assert all(isinstance(it, KFold) for it in folds)
    types_to_trust(model, ())


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(1, 6), min_size=2, max_size=15), seed=st.integers(0, 99))
def test_folds_of_a_calibration_keep_groups_together(sizes: list[int], seed: int) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    labels = np.random.default_rng(seed).integers(2, size=len(groups))
    if np.bincount(labels, minlength=2).min() < 2:
        return
    own = StratifiedKFold(2, shuffle=True, random_state=seed)
    plain, folds = (deal_calibration(own, of, labels) for of in (None, groups))
    np.testing.assert_equal(plain, list(own.split(labels, labels)))
    assert sorted(np.concatenate([unseen for _, unseen in folds])) == list(range(len(groups)))
    is_plain = all(np.array_equal(one, other) for (_, one), (_, other) in zip(folds, plain, strict=True))
    for seen, unseen in folds:
        assert len(np.unique(labels[seen])) == len(np.unique(labels[unseen])) == 2
        assert is_plain or not set(groups[seen]) & set(groups[unseen])


@pytest.mark.parametrize("around", ["nothing", "a threshold", "a mean"])
@pytest.mark.parametrize("is_grouped", [False, True])
def test_weights_count_in_both_parts_of_a_calibrated_pipeline(is_grouped: bool, around: str) -> None:
    table, _, person = panel(people=30)
    rng = np.random.default_rng(3)
    target = (table["x"] + rng.normal(0, 0.5, len(table)) > 0).to_numpy()
    weights = np.where(target, 9.0, 1.0)
    candidate: dict[str, Any] = {"alias": "l", "estimator": "sklearn.linear_model.LogisticRegression", "calibrate": "sigmoid"}
    candidate["preprocess"] = {"number": ["sklearn.preprocessing.StandardScaler"], "category": "target"}
    parts = {"columns": {"town": {"type": "category"}, "x": {}, "y": {"type": "boolean"}}, "candidates": {"L": candidate}}
    estimator = build_candidate(class_recipe("binary", {}, **parts), "L")
    if around == "a threshold":
        estimator = FixedThresholdClassifier(estimator, pos_label=True, response_method="predict_proba")
    if around == "a mean":
        estimator = VotingClassifier([("one", estimator), ("other", clone(estimator))], voting="soft")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = fit_weighted(estimator, table, target, weights, person if is_grouped else None)
        plain = fit_weighted(clone(estimator), table, target, np.ones(len(target)), person if is_grouped else None)
    inside, unweighted = (
        [it.estimator[-1].intercept_[0] for part in _parts(of) for it in vars(part).get("calibrated_classifiers_", ())]
        for of in (model, plain)
    )
    assert min(inside) > max(unweighted) + 1  # log 9 is 2.2
    assert model.predict_proba(table)[:, 1].mean() > plain.predict_proba(table)[:, 1].mean() + 0.1
    assert model.classes_.tolist() == [False, True]
    types_to_trust(model, ())


def test_a_calibration_fitted_part_by_part_is_scikit_learns() -> None:
    table, _, _ = panel(people=30)
    target = np.array(["a", "b", "c"])[(table["x"].rank(pct=True) * 2.99).astype(int)]
    model = CalibratedClassifierCV(
        make_pipeline(StandardScaler(), LogisticRegression()), cv=StratifiedKFold(5, shuffle=True, random_state=0)
    )
    theirs = clone(model).fit(table[["x"]], target).predict_proba(table[["x"]])
    ours = fit_weighted(model, table[["x"]], target, np.ones(len(target))).predict_proba(table[["x"]])
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


@pytest.mark.parametrize("rows", [30, 40])
@pytest.mark.parametrize("is_grouped", [False, True])
def test_a_calibration_needs_no_more_rows_than_scikit_learns(rows: int, is_grouped: bool) -> None:
    table, _, _ = panel(people=rows // 2, visits=2)
    target = np.arange(rows) % 2 == 0
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    model = CalibratedClassifierCV(make_pipeline(StandardScaler(), LogisticRegression()), cv=folds)
    groups = np.arange(rows) // 2 if is_grouped else None
    assert len(fit_weighted(model, table[["x"]], target, np.ones(rows), groups).calibrated_classifiers_) == 5
    target = np.arange(rows) < 4
    with pytest.raises(ValueError, match="less than 5 examples"):
        fit_weighted(model, table[["x"]], target, np.ones(rows), groups)


@pytest.mark.parametrize("settings_", [{}, {"cv": 3}, {"cv": 3, "ensemble": False}, {"estimator": None}])
def test_a_calibration_of_the_recipes_own_writing_is_fitted_as_ever(settings_: dict[str, Any]) -> None:
    table, _, person = panel(people=30)
    target = table["x"].to_numpy() > 0
    model = CalibratedClassifierCV(**{"estimator": LogisticRegression()} | settings_)
    theirs = clone(model).fit(table[["x"]], target).predict_proba(table[["x"]])
    np.testing.assert_equal(fit_weighted(model, table[["x"]], target, None, person).predict_proba(table[["x"]]), theirs)


@pytest.mark.parametrize("name", LABELS)
def test_a_target_encoder_takes_labels_of_any_type(name: str) -> None:
    column, labels = LABELS[name]
    table, _, _ = panel()
    target = np.array(labels)[table["town"].str[1:].astype(int) % len(labels)]
    more = {"columns": {"town": {"type": "category"}, "x": {}, "y": column}}
    candidate = {"alias": "l", "estimator": "sklearn.linear_model.LogisticRegression", "preprocess": {"category": "target"}}
    positive = labels[1] if len(labels) == 2 and name != "booleans" and "more" not in name else None
    task = "binary" if len(labels) == 2 and "more" not in name else "multiclass"
    recipe = class_recipe(task, column, positive, **more, candidates={"L": candidate})
    assert find_faults(recipe, ["L"], ()) == []
    model: BaseEstimator = fit_weighted(build_candidate(recipe, "L"), table, target, None)
    assert model.classes_.tolist() == labels
    assert np.mean(model.predict(table) == target) > 0.6
    types_to_trust(model, ())
