"""Folds inside of an estimator: groups on one side, and nothing of it in the fitted model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.preprocessing import TargetEncoder

from recipeline.inference.trust import types_to_trust
from recipeline.training.candidates import build_candidate
from recipeline.training.inner_folds import _parts, find_torn, give_folds, take_folds
from recipeline.training.weights import fit_weighted
from tests.classes import class_recipe
from tests.conftest import as_recipe, small_recipe

LABELS: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "words": ({"type": "category"}, ["bad", "good"]),
    "booleans": ({"type": "boolean"}, [False, True]),
    "whole numbers": ({"type": "integer"}, [1, 2]),
    "three words": ({"type": "category"}, ["a", "b", "c"]),
}


def panel(people: int = 120, visits: int = 8, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return visits of people, two to a town; nothing but the person decides the target."""
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
    own = StratifiedKFold(5, shuffle=True, random_state=seed)
    model = CalibratedClassifierCV(cv=own)
    if len(np.unique(labels)) > 1 and give_folds(model, groups, labels):
        for seen, unseen in model.cv.split(groups):
            assert not set(groups[seen]) & set(groups[unseen])
            assert len(np.unique(labels[seen])) == 2
        if np.bincount(labels[1:], minlength=2).min() >= own.n_splits:
            others = [[len(it) for _, it in folds.split(groups[1:], labels[1:])] for folds in (model.cv, own)]
            assert others[0] == others[1]  # of other rows: those of a fit inside
        take_folds(model)
    assert model.cv is own


@pytest.mark.parametrize("name", LABELS)
def test_a_target_encoder_takes_labels_of_any_type(name: str) -> None:
    column, labels = LABELS[name]
    table, _, _ = panel()
    target = np.array(labels)[table["town"].str[1:].astype(int) % len(labels)]
    more = {"columns": {"town": {"type": "category"}, "x": {}, "y": column}}
    candidate = {"alias": "l", "estimator": "sklearn.linear_model.LogisticRegression", "preprocess": {"category": "target"}}
    positive = labels[1] if len(labels) == 2 and name != "booleans" else None
    task = "binary" if len(labels) == 2 else "multiclass"
    recipe = class_recipe(task, column, positive, **more, candidates={"L": candidate})
    model: BaseEstimator = fit_weighted(build_candidate(recipe, "L"), table, target, None)
    assert model.classes_.tolist() == labels
    assert np.mean(model.predict(table) == target) > 0.6
    types_to_trust(model, ())


def test_an_encoder_inside_of_a_calibration_is_warned_of_where_there_are_groups() -> None:
    candidate = {"alias": "l", "estimator": "sklearn.svm.SVC", "calibrate": "sigmoid", "preprocess": {"category": "target"}}
    columns = {"x": {"type": "category"}, "z": {}, "g": {"type": "category"}, "y": {"type": "boolean"}}
    parts = {"columns": columns, "candidates": {"L": candidate}}
    (warning,) = find_torn(class_recipe("binary", {}, **parts, split={"group": "g"}))
    assert warning.startswith("candidates.L: its TargetEncoder is fitted anew inside of its calibration")
    assert find_torn(class_recipe("binary", {}, **parts)) == []
    parts["candidates"] = {"L": candidate | {"preprocess": {"category": "onehot"}}}
    assert find_torn(class_recipe("binary", {}, **parts, split={"group": "g"})) == []
