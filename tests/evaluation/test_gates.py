from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.config.rules import Criterion as Threshold
from recipeline.config.rules import Gates
from recipeline.evaluation.gates import failures, judge
from recipeline.evaluation.results import Criterion, Verdict
from recipeline.metrics.catalogue import Metric

SCORES = {"r2": 0.25, "rmse": 0.7, "mae": 0.5}
MEAN = {"r2": 0.0, "rmse": 0.8, "mae": 0.6}
finite = st.floats(-10, 10)


def gates(beats_mean_predictor: bool = False, **thresholds: float) -> Gates:
    criteria = tuple(Threshold(metric=metric, threshold=value) for metric, value in thresholds.items())
    return Gates(validation_criteria=criteria, beats_mean_predictor=beats_mean_predictor)


def verdict_of(scores: dict[str, float], mean_predictor: dict[str, float], rules: Gates) -> str:
    return judge(scores, mean_predictor, rules)[0]


@pytest.mark.parametrize("metric", ["r2", "rmse", "mae"])
def test_a_threshold_that_is_just_met_passes(metric: str) -> None:
    assert verdict_of(SCORES, MEAN, gates(**{metric: SCORES[metric]})) == "VALIDATED"


@pytest.mark.parametrize(("metric", "towards"), [("r2", math.inf), ("rmse", -math.inf), ("mae", -math.inf)])
def test_a_threshold_that_is_missed_by_the_last_bit_rejects(metric: str, towards: float) -> None:
    threshold = math.nextafter(SCORES[metric], towards)
    assert verdict_of(SCORES, MEAN, gates(**{metric: threshold})) == "REJECTED"


@given(finite, finite)
def test_r2_must_be_at_least_and_errors_at_most_their_threshold(value: float, threshold: float) -> None:
    scores = dict.fromkeys(SCORES, value)
    assert (verdict_of(scores, MEAN, gates(r2=threshold)) == "VALIDATED") == (value >= threshold)
    assert (verdict_of(scores, MEAN, gates(mae=threshold)) == "VALIDATED") == (value <= threshold)


@pytest.mark.parametrize(("rmse", "verdict"), [(0.79, "VALIDATED"), (0.8, "REJECTED"), (0.81, "REJECTED")])
def test_only_a_smaller_error_beats_the_mean_predictor(rmse: float, verdict: str) -> None:
    assert verdict_of(SCORES | {"rmse": rmse}, MEAN, gates(beats_mean_predictor=True)) == verdict
    assert verdict_of(SCORES | {"rmse": rmse}, MEAN, gates()) == "VALIDATED"


def test_a_score_that_is_no_number_rejects() -> None:
    nothing = dict.fromkeys(SCORES, math.nan)
    _, criteria = judge(nothing, MEAN, gates(beats_mean_predictor=True, r2=0.1, mae=1.0))
    assert [criterion.passed for criterion in criteria] == [False, False, False]


def test_every_criterion_is_kept_with_its_value_rule_and_threshold() -> None:
    verdict, criteria = judge(SCORES, MEAN, gates(beats_mean_predictor=True, r2=0.2))
    assert criteria == (
        Criterion("r2 at least 0.2", "r2", value=0.25, rule="at least", threshold=0.2, passed=True),
        Criterion("beats the mean predictor", "rmse", value=0.7, rule="below", threshold=0.8, passed=True),
    )
    assert failures(Verdict("a", "", "", verdict, criteria)) == []


def test_a_rejected_model_lists_the_criteria_that_failed_and_no_others() -> None:
    given = gates(beats_mean_predictor=True, r2=0.3, rmse=0.9, mae=0.4)
    verdict, criteria = judge(SCORES, MEAN | {"rmse": 0.6}, given)
    assert verdict == "REJECTED"
    assert failures(Verdict("a", "", "", verdict, criteria)) == [
        "r2 must be at least 0.3. Got 0.25 instead.",
        "mae must be at most 0.4. Got 0.5 instead.",
        "rmse must be below 0.6. Got 0.7 instead.",
    ]


def test_gates_without_criteria_let_everything_through() -> None:
    assert judge(dict.fromkeys(SCORES, -5.0), MEAN, gates()) == ("VALIDATED", ())


def test_classes_must_have_more_skill_than_the_shares_of_their_labels() -> None:
    share = {"brier_skill": -0.01, "roc_auc": 0.5}
    for skill, expected in ((0.2, "VALIDATED"), (-0.01, "REJECTED")):
        verdict, (criterion,) = judge({"brier_skill": skill}, share, gates(beats_mean_predictor=True), "binary")
        assert (verdict, criterion.rule, criterion.metric) == (expected, "above", "brier_skill")
    assert judge({"roc_auc": 0.9}, share, gates(roc_auc=0.9), "binary")[0] == "VALIDATED"


def test_a_further_metric_is_a_gate_in_its_own_direction() -> None:
    more = [Metric("profit", "profit"), Metric("rmsle", "RMSLE", greater_is_better=False)]
    scores = SCORES | {"profit": 10.0, "rmsle": 0.2}
    verdict, criteria = judge(scores, MEAN, gates(profit=9, rmsle=0.1), "regression", more)
    assert verdict == "REJECTED"
    assert [(it.criterion, it.passed) for it in criteria] == [("profit at least 9", True), ("rmsle at most 0.1", False)]
