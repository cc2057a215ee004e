from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, brier_score_loss, mean_absolute_error

from recipeline.errors import UsageError
from recipeline.metrics.catalogue import METRICS, Metric
from recipeline.metrics.scorer import MOST_DRAWS, Measure, Scorer

NUMBERS = np.arange(1.0, 41)
few = settings(max_examples=20, deadline=None)


def own(function: Any, needs: str = "numbers", name: str = "own") -> Measure:
    return Measure(Metric(name, name), function, needs, "recipe.yaml: 'metrics.more.0'")


def test_scores_are_those_of_the_task_and_further_ones() -> None:
    scorer = Scorer(more=(own(lambda true, said: np.max(np.abs(true - said))),))
    scores = scorer.score(NUMBERS, NUMBERS + 2)
    assert list(scores) == [*(it.name for it in METRICS["regression"]), "own"]
    assert scores["own"] == scorer.value("own", NUMBERS, NUMBERS + 2) == 2
    assert scorer.value("mae", NUMBERS, NUMBERS + 2) == 2
    assert [it.name for it in scorer.further] == ["own"]


def test_weights_go_to_a_function_that_takes_them_and_to_no_other() -> None:
    weights = np.where(NUMBERS > 20, 3.0, 1.0)
    said = np.where(NUMBERS > 20, NUMBERS + 1, NUMBERS)
    scorer = Scorer(
        more=(
            own(mean_absolute_error, name="theirs"),
            own(lambda _, __, weights=None: float(np.sum(weights)) if weights is not None else -1.0, name="named"),
            own(lambda true, said: float(np.mean(said - true)), name="without"),
        )
    )
    found = scorer.score(NUMBERS, said, weights)
    assert (found["theirs"], found["named"], found["without"]) == (0.75, 80.0, 0.5)
    assert scorer.score(NUMBERS, said)["named"] == -1


def test_labels_and_probabilities_are_given_as_asked() -> None:
    target, said = np.array([0.0, 1.0, 1.0, 0.0]), np.array([0.2, 0.4, 0.9, 0.6])
    scorer = Scorer(
        "binary",
        ("no", "yes"),
        (
            own(lambda true, said: accuracy_score(true, said) if set(true) == {"no", "yes"} else -1, "labels", "labels"),
            own(brier_score_loss, "probabilities", "probabilities"),
        ),
    )
    assert scorer.score(target, said, threshold=0.3)["labels"] == 0.75
    assert scorer.score(target, said, threshold=0.3)["probabilities"] == pytest.approx(brier_score_loss(target, said))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda _, __: 1 / 0, "cannot be computed of the candidate A: ZeroDivisionError: division by zero."),
        (lambda _, __: math.nan, "must be a number of the candidate A. Got nan instead."),
        (lambda _, __: math.inf, "must be a number of the candidate A. Got inf instead."),
        (lambda _, __: "good", "cannot be computed of the candidate A: ValueError: could not convert string to float"),
        (lambda _, __: None, "cannot be computed of the candidate A: TypeError"),
    ],
)
def test_a_metric_that_fails_is_named_in_a_sentence(function: Any, words: str) -> None:
    scorer = Scorer(more=(own(function),))
    with pytest.raises(UsageError) as caught:
        scorer.score(NUMBERS, NUMBERS, whose="the candidate A")
    assert f"The metric own in recipe.yaml: 'metrics.more.0' {words}" in str(caught.value)
    assert "take it out of metrics.more" in str(caught.value)


def test_a_metric_of_the_task_that_is_not_defined_is_named_where_it_decides() -> None:
    with pytest.raises(UsageError, match="The metric roc_auc of the candidate A is not defined for 3 rows"):
        Scorer("binary", (0, 1)).value("roc_auc", np.ones(3), np.ones(3), whose="the candidate A")


@few
@given(st.integers(0, 1000), st.booleans(), st.integers(2, 40))
def test_the_interval_of_an_own_metric_is_that_of_its_twin_in_the_catalogue(seed: int, is_weighted: bool, groups: int) -> None:
    """Both draw whole groups, and few of them make both wider."""
    rng = np.random.default_rng(seed)
    said, group = NUMBERS + rng.normal(size=40), np.arange(40) % groups
    weights = rng.uniform(0.5, 2, 40) if is_weighted else None
    scorer = Scorer(more=(own(mean_absolute_error),))
    found = scorer.intervals(NUMBERS, said, group, draws=2000, seed=seed, is_clustered=True, weights=weights)
    (low, high), (least, most) = found["own"], found["mae"]
    assert low <= high
    if groups >= 10:
        assert (low, high) == pytest.approx((least, most), abs=0.35 * (most - least) + 1e-9)


def test_a_failing_draw_is_left_out_and_draws_are_bounded() -> None:
    calls = []

    def sometimes(true: np.ndarray, said: np.ndarray) -> float:
        calls.append(len(true))
        if 40.0 not in true:
            raise ValueError("no greatest row")
        return float(np.mean(said))

    scorer = Scorer(more=(own(sometimes),))
    low, high = scorer.intervals(NUMBERS, NUMBERS, np.arange(40), draws=4000, seed=0)["own"]
    assert len(calls) == MOST_DRAWS
    assert 10 < low < 20.5 < high < 31
    drawn = scorer.resample("own", NUMBERS, NUMBERS, np.arange(40), draws=100, seed=0)
    assert len(drawn) == 100
    assert 0 < np.isnan(drawn).sum() < 80


def test_a_single_group_has_no_limits_and_equal_seeds_draw_the_same_rows() -> None:
    scorer = Scorer(more=(own(mean_absolute_error),))
    found = scorer.intervals(NUMBERS, NUMBERS, np.zeros(40), draws=100, seed=0, is_clustered=True)
    assert all(math.isnan(low) and math.isnan(high) for low, high in found.values())
    once, again = (scorer.resample("r2", NUMBERS, NUMBERS + NUMBERS % 3, np.arange(40), draws=60, seed=4) for _ in range(2))
    assert once.tolist() == again.tolist()


def test_what_a_function_writes_into_its_arrays_changes_no_other_metric() -> None:
    def spoil(true: np.ndarray, said: np.ndarray, weights: np.ndarray) -> float:
        for values in (true, said, weights):
            values *= 0
        return 1.0

    target, said, weights = NUMBERS.copy(), NUMBERS + NUMBERS % 3, 1 + NUMBERS % 2
    for needs, task in (("numbers", "regression"), ("probabilities", "binary")):
        scorer = Scorer(task, (0, 1), (own(spoil, needs), own(lambda true, _: float(np.sum(true)), needs, "sum")))
        true, predicted = (target, said) if needs == "numbers" else ((NUMBERS % 2), said / 50)
        before = [it.copy() for it in (true, predicted, weights)]
        assert (
            scorer.score(true, predicted, weights)["sum"] == scorer.attempt(true, predicted, weights)["sum"] == true.sum() > 0
        )
        for now, then in zip((true, predicted, weights), before, strict=True):
            assert now.tolist() == then.tolist()


def test_a_function_that_needs_weights_gets_equal_ones_of_rows_without() -> None:
    def weighted(true: np.ndarray, said: np.ndarray, sample_weight: np.ndarray) -> float:
        return float(np.average(np.abs(true - said), weights=sample_weight))

    scorer, said, weights = Scorer(more=(own(weighted),)), NUMBERS + NUMBERS % 3, 1 + NUMBERS
    for given_ in (None, weights):
        assert scorer.score(NUMBERS, said, given_)["own"] == pytest.approx(scorer.value("mae", NUMBERS, said, given_))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_draw_of_which_a_metric_is_no_number_is_left_out(value: float) -> None:
    scorer = Scorer(more=(own(lambda true, _: float(np.mean(true)) if 40.0 in true else value),))
    low, high = scorer.intervals(NUMBERS, NUMBERS, np.arange(40), draws=200, seed=0)["own"]
    assert 10 < low < high < 31
    nowhere = Scorer(more=(own(lambda *_: value),))
    assert np.isnan(nowhere.intervals(NUMBERS, NUMBERS, np.arange(40), draws=50, seed=0)["own"]).all()
    assert math.isnan(nowhere.attempt(NUMBERS, NUMBERS)["own"])
