from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier

from recipeline.config.rules import Cost, Decision
from recipeline.training.decision import choose_threshold, find_changed_threshold
from tests.metrics.labels import Rows, labelled_rows

few = settings(max_examples=80, deadline=None)
two_labels = labelled_rows(most_labels=2, both=True)
BY_NAME = {
    "accuracy": metrics.accuracy_score,
    "balanced_accuracy": metrics.balanced_accuracy_score,
    "f1": metrics.f1_score,
    "mcc": metrics.matthews_corrcoef,
    "kappa": metrics.cohen_kappa_score,
}


def every_threshold(said: np.ndarray) -> np.ndarray:
    return np.unique([0.0, *said, *np.nextafter(said, 2).clip(max=1), 1.0])


def choose(rows: Rows, decision: Decision) -> float:
    return choose_threshold(rows.truth, rows.probabilities[:, 1], decision, rows.weights)


@few
@given(two_labels, st.floats(0.01, 100), st.floats(0.01, 100))
def test_no_threshold_costs_less(rows: Rows, fp: float, fn: float) -> None:
    said, counted = rows.probabilities[:, 1], np.ones(len(rows.truth)) if rows.weights is None else rows.weights

    def cost(threshold: float) -> float:
        decided = said >= threshold
        return float(counted @ (fp * (decided & (rows.truth == 0)) + fn * (~decided & (rows.truth == 1))))

    assert cost(choose(rows, Decision(cost=Cost(fp=fp, fn=fn)))) == pytest.approx(
        min(map(cost, every_threshold(said))), rel=1e-9, abs=1e-9
    )


@few
@given(two_labels, st.sampled_from(sorted(BY_NAME)))
def test_no_threshold_has_a_greater_metric(rows: Rows, name: str) -> None:
    said = rows.probabilities[:, 1]

    def value(threshold: float) -> float:
        decided = (said >= threshold).astype(int)
        return float(np.nan_to_num(BY_NAME[name](rows.truth, decided, sample_weight=rows.weights), nan=-np.inf))

    assert value(choose(rows, Decision(metric=name))) == pytest.approx(max(map(value, every_threshold(said))), abs=1e-9)


@few
@given(two_labels, st.floats(0.01, 1))
def test_no_greater_threshold_finds_the_share_of_positive_rows(rows: Rows, share: float) -> None:
    said, positive = rows.probabilities[:, 1], rows.truth == 1

    def recall(threshold: float) -> float:
        weights = None if rows.weights is None else rows.weights[positive]
        return float(np.average(said[positive] >= threshold, weights=weights))

    found = choose(rows, Decision(recall=share))
    assert recall(found) >= share - 1e-9
    assert all(recall(it) < share + 1e-9 for it in every_threshold(said) if (said[said < it] >= found).any())


@few
@given(two_labels, st.sampled_from([Decision(cost=Cost(fp=1, fn=1)), Decision(metric="f1"), Decision(recall=0.5)]))
def test_the_threshold_is_no_prediction_that_rounding_could_move(rows: Rows, decision: Decision) -> None:
    found, said = choose(rows, decision), np.unique(rows.probabilities[:, 1])
    assert 0 <= found <= 1
    if (np.diff(said) > 1e-12).all() and found > 0:
        assert found not in said


def test_the_least_cost_is_near_the_one_of_true_probabilities() -> None:
    """Elkan 2001: fp / (fp + fn)."""
    rng = np.random.default_rng(0)
    said = rng.random(40_000)
    target = (rng.random(40_000) < said).astype(float)
    assert choose_threshold(target, said, Decision(cost=Cost(fp=1, fn=4))) == pytest.approx(0.2, abs=0.03)


def test_without_a_rule_the_likelier_label_is_said() -> None:
    target, said = np.array([0.0, 1.0]), np.array([0.1, 0.2])
    assert choose_threshold(target, said, Decision()) == 0.5
    assert choose_threshold(target, said, Decision(threshold=0.3)) == 0.3


def test_of_equally_good_thresholds_it_is_the_one_nearest_to_a_half() -> None:
    target, said = np.array([0.0, 1.0, 1.0, 0.0]), np.array([0.1, 0.2, 0.7, 0.8])
    assert choose_threshold(target, said, Decision(cost=Cost(fp=1, fn=1))) in (pytest.approx(0.45), pytest.approx(0.15))


@pytest.mark.parametrize("label", [0.0, 1.0])
@pytest.mark.parametrize("decision", [Decision(recall=0.9), Decision(metric="f1"), Decision(cost=Cost(fp=1, fn=5))])
def test_rows_of_one_label_alone_give_a_threshold_all_the_same(label: float, decision: Decision) -> None:
    """Over time the rows with an out-of-fold prediction may lack one."""
    assert 0 <= choose_threshold(np.full(3, label), np.array([0.2, 0.4, 0.9]), decision) <= 1


def test_models_that_differ_in_their_threshold_alone_are_told_apart_from_others() -> None:
    one = FixedThresholdClassifier(LogisticRegression(C=2.0), threshold=0.3, pos_label=1)
    for other, expected in (
        (clone(one).set_params(threshold=0.4), (0.3, 0.4)),
        (clone(one), None),
        (clone(one).set_params(threshold=0.4, estimator__C=3.0), None),
        (clone(one).set_params(threshold=0.4, pos_label=0), None),
        (LogisticRegression(C=2.0), None),
    ):
        assert find_changed_threshold(one, other) == expected
