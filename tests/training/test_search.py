from __future__ import annotations

import itertools
import json
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from recipeline.config.candidate import Search
from recipeline.data.relating.grouping import row_groups
from recipeline.data.relating.relations import Relations, deal_folds
from recipeline.training.search import Found, search_params

RIDGE = make_pipeline(StandardScaler(), Ridge())


class Constant(RegressorMixin, BaseEstimator):
    """Predicts `value` whatever it learns, and counts its fits."""

    fits = 0

    def __init__(self, value: float = 0.0) -> None:
        self.value = value

    def fit(self, *_: object) -> Constant:
        type(self).fits += 1
        return self

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        return np.full(len(features), self.value)


def as_search(space: dict[str, Any], **budget: Any) -> Search:
    return Search.model_validate_json(json.dumps({"space": space} | budget))


def search(estimator: BaseEstimator, wines: pd.DataFrame, space: dict[str, Any], seed: int = 42, **budget: Any) -> Any:
    return find(estimator, wines, space, seed, **budget).params


def find(estimator: BaseEstimator, wines: pd.DataFrame, space: dict[str, Any], seed: int = 42, **budget: Any) -> Found:
    features = wines.drop(columns="quality")
    seconds = budget.pop("seconds", None)
    return search_params(
        estimator,
        as_search(space, **budget),
        features,
        wines["quality"].to_numpy(),
        Relations(row_groups(features)),
        n_splits=3,
        seed=seed,
        seconds=seconds,
    )


def test_the_parameters_with_the_highest_mean_r2_over_grouped_folds_are_found(wines: pd.DataFrame) -> None:
    choices = [1e6, 1e4, 30.0, 1.0]
    found = search(RIDGE, wines, {"ridge__alpha": {"choice": choices}}, iterations=4)
    features, target = wines.drop(columns="quality"), wines["quality"]
    folds = list(deal_folds(row_groups(features), 3, 42))
    scores = {
        alpha: cross_val_score(make_pipeline(StandardScaler(), Ridge(alpha)), features, target, cv=folds).mean()
        for alpha in choices
    }
    assert found == {"ridge__alpha": max(scores, key=lambda alpha: scores[alpha])}


def test_the_same_seed_finds_the_same_parameters(wines: pd.DataFrame) -> None:
    space = {"ridge__alpha": {"loguniform": [0.01, 100.0]}}
    first, again, other = (search(RIDGE, wines, space, seed, iterations=2) for seed in (1, 1, 2))
    assert first == again != other


def test_the_search_leaves_its_estimator_as_it_is(wines: pd.DataFrame) -> None:
    search(RIDGE, wines, {"ridge__alpha": {"choice": [7.0]}}, iterations=1)
    assert RIDGE.named_steps["ridge"].alpha == 1.0
    assert not hasattr(RIDGE.named_steps["ridge"], "coef_")


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_what_is_drawn_lies_within_its_limits(seed: int) -> None:
    rows = pd.DataFrame({"a": np.arange(12.0), "quality": np.arange(12.0) % 5})
    integer = search(Constant(), rows, {"value": {"integer": [2, 4]}}, seed, iterations=1)["value"]
    uniform = search(Constant(), rows, {"value": {"uniform": [2.0, 2.5]}}, seed, iterations=1)["value"]
    log = search(Constant(), rows, {"value": {"loguniform": [0.1, 10.0]}}, seed, iterations=1)["value"]
    assert integer in (2, 3, 4)
    assert 2.0 <= uniform <= 2.5
    assert 0.1 <= log <= 10.0


def test_both_limits_of_an_integer_can_be_drawn() -> None:
    rows = pd.DataFrame({"a": np.arange(12.0), "quality": np.arange(12.0) % 5})
    space = {"value": {"integer": [2, 3]}}
    drawn = {search(Constant(), rows, space, seed, iterations=1)["value"] for seed in range(20)}
    assert drawn == {2, 3}


@pytest.mark.parametrize("started", [1, 2, 4])
def test_where_the_time_is_up_no_further_draw_is_started_and_the_search_is_said_to_be_cut(
    started: int, wines: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    found = find(Constant(), wines, {"value": {"uniform": [0.0, 9.0]}}, iterations=4, seconds=started - 0.5)
    assert (found.draws, found.is_cut) == (started, started < 4)


def test_however_slow_the_machine_the_number_of_draws_ends_a_search_without_a_time_limit(
    wines: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = {"value": {"uniform": [0.0, 9.0]}}
    fast = find(Constant(), wines, space, iterations=5)
    hours = itertools.count(0, 3600)
    monkeypatch.setattr(time, "monotonic", lambda: float(next(hours)))
    assert find(Constant(), wines, space, iterations=5) == fast
    assert (fast.draws, fast.is_cut) == (5, False)
    assert as_search(space).seconds is None


def test_all_draws_are_tried_when_there_is_time(wines: pd.DataFrame) -> None:
    Constant.fits = 0
    search(Constant(), wines, {"value": {"uniform": [0.0, 9.0]}}, iterations=5)
    assert Constant.fits == 15


@pytest.mark.filterwarnings("error")
def test_a_space_of_fewer_choices_than_draws_is_tried_once_each_and_silently(wines: pd.DataFrame) -> None:
    Constant.fits = 0
    search(Constant(), wines, {"value": {"choice": [4.0, 5.0]}}, iterations=20)
    assert Constant.fits == 6


def test_a_fold_of_one_row_is_no_reason_to_find_nothing(wines: pd.DataFrame) -> None:
    """One row has no R2, and the mean with it would be none."""
    rows = wines.drop_duplicates().head(61)
    features, target = rows.drop(columns="quality"), rows["quality"].to_numpy()
    two = np.arange(60) % 2
    space = as_search({"ridge__alpha": {"choice": [1e-3, 1e6]}}, iterations=2)
    limits: dict[str, Any] = {"n_splits": 3, "seed": 1, "seconds": None}
    related = Relations(row_groups(features), folds=np.append(two, 7))
    found = search_params(RIDGE, space, features, target, related, **limits)
    assert (set(found.params), found.draws) == ({"ridge__alpha"}, 2)
    alone = Relations(row_groups(features.head(2)), folds=np.array([1, 2]))
    assert search_params(RIDGE, space, features.head(2), target[:2], alone, **limits) == Found({}, 0, is_cut=False)
