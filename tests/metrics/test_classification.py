from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as theirs

from recipeline.metrics.classification import bootstrap_classes, log_losses, score_classes, score_confusion
from tests.metrics.labels import Rows, labelled_rows

few = settings(max_examples=100, deadline=None)


def by_scikit_learn(rows: Rows) -> dict[str, float]:
    """Return the metrics of `score_classes` by scikit-learn's functions."""
    size = rows.probabilities.shape[1]
    of_labels = {"y_true": rows.truth, "y_pred": rows.decided, "sample_weight": rows.weights}
    average = {"average": "binary"} if size == 2 else {"average": "macro"}
    positive = [1] if size == 2 else range(size)
    there = [label for label in positive if 0 < rows.target[:, label].sum() < len(rows.truth)]
    ranked = [(rows.target[:, it], rows.probabilities[:, it]) for it in there]

    def mean(score: Callable[..., float]) -> float:
        found = [score(*it, sample_weight=rows.weights) for it in ranked]
        return float(np.mean(found)) if found else math.nan

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "log_loss": theirs.log_loss(
                rows.truth, rows.probabilities, labels=range(size), sample_weight=rows.weights, normalize=True
            ),
            "roc_auc": mean(theirs.roc_auc_score),
            "average_precision": mean(theirs.average_precision_score),
            "accuracy": theirs.accuracy_score(**of_labels),
            "balanced_accuracy": theirs.balanced_accuracy_score(**of_labels),
            "f1": theirs.f1_score(**of_labels, **average, zero_division=0),
            "precision": theirs.precision_score(**of_labels, **average, zero_division=0),
            "recall": theirs.recall_score(**of_labels, **average, zero_division=0),
            "mcc": theirs.matthews_corrcoef(**of_labels),
            "kappa": theirs.cohen_kappa_score(rows.truth, rows.decided, labels=range(size), sample_weight=rows.weights),
        }


@few
@given(labelled_rows())
def test_every_metric_of_classes_is_that_of_scikit_learn(rows: Rows) -> None:
    found = score_classes(rows.target, rows.probabilities, rows.decided, rows.weights)
    assert {name: value for name, value in found.items() if name != "brier_skill"} == pytest.approx(
        by_scikit_learn(rows), rel=1e-9, abs=1e-9, nan_ok=True
    )


def test_weights_of_one_label_leave_no_rounding_in_its_metrics() -> None:
    """A difference of two sums of weights is seldom exactly 0."""
    weights = np.random.default_rng(0).uniform(0.1, 3, (500, 8))
    truth, one = np.array([0, 2, 2, 1, 2, 3, 1, 3]), np.zeros(8, dtype=int)

    def cells(true: np.ndarray, said: np.ndarray) -> np.ndarray:
        return np.array([np.bincount(true * 4 + said, weights=it, minlength=16) for it in weights])

    for said in (cells(truth, one), cells(one, truth)):
        assert (score_confusion(said, 4)["mcc"] == 0).all()
        assert score_confusion(said, 4)["kappa"] == pytest.approx(0, abs=1e-9)
    alone = score_confusion(np.column_stack([weights.sum(axis=1), np.zeros((500, 3))]), 2)
    assert np.isnan(alone["kappa"]).all()
    assert (alone["mcc"] == 0).all()


@few
@given(labelled_rows())
def test_the_brier_skill_is_one_minus_the_brier_score_over_that_of_the_shares(rows: Rows) -> None:
    found = score_classes(rows.target, rows.probabilities, rows.decided, rows.weights)["brier_skill"]
    shares = np.broadcast_to(np.average(rows.target, axis=0, weights=rows.weights), rows.target.shape)
    brier, of_shares = (
        float(np.average(((rows.target - said) ** 2).sum(axis=1), weights=rows.weights))
        for said in (rows.probabilities, shares)
    )
    assert found == (pytest.approx(1 - brier / of_shares) if len(set(rows.truth)) > 1 else float(brier == 0))


@few
@given(labelled_rows())
def test_weights_count_rows_as_often_as_they_say(rows: Rows) -> None:
    often = np.random.default_rng(len(rows.truth)).integers(1, 4, len(rows.truth))
    written_out = (np.repeat(it, often, axis=0) for it in (rows.target, rows.probabilities, rows.decided))
    assert score_classes(rows.target, rows.probabilities, rows.decided, often.astype(float)) == pytest.approx(
        score_classes(*written_out), nan_ok=True
    )


def test_a_label_that_got_no_probability_costs_a_finite_log_loss() -> None:
    assert log_losses(np.eye(2), np.array([[0.0, 1.0], [0.0, 1.0]])) == pytest.approx([-math.log(np.finfo(float).eps), 0])


@few
@given(labelled_rows(), st.floats(1e-6, 1e6))
def test_metrics_of_decisions_do_not_depend_on_the_unit_of_weights(rows: Rows, unit: float) -> None:
    size = rows.probabilities.shape[1]
    cells = np.bincount(rows.truth * size + rows.decided, weights=rows.weights, minlength=size * size)
    before, after = (score_confusion(cells[None, :] * it, size) for it in (1.0, unit))
    assert {name: it[0] for name, it in after.items()} == pytest.approx(
        {name: it[0] for name, it in before.items()}, rel=1e-6, abs=1e-6, nan_ok=True
    )


@settings(max_examples=15, deadline=None)
@given(labelled_rows(most_labels=3))
def test_the_limits_of_a_bootstrap_are_in_order_and_of_every_metric(rows: Rows) -> None:
    groups = np.arange(len(rows.truth)) // 2
    found = bootstrap_classes(
        rows.target, rows.probabilities, rows.decided, groups, draws=50, seed=1, weights=rows.weights, is_clustered=True
    )
    assert set(found) == set(score_classes(rows.target, rows.probabilities, rows.decided))
    assert all(low <= high or (math.isnan(low) and math.isnan(high)) for low, high in found.values())


def test_an_interval_holds_the_metric_and_has_about_the_width_of_the_textbook() -> None:
    rng, rows = np.random.default_rng(3), 400
    truth = rng.integers(2, size=rows)
    decided = np.where(rng.random(rows) < 0.8, truth, 1 - truth)
    said = np.column_stack([1 - decided, decided]) * 0.8 + 0.1
    found = bootstrap_classes(np.eye(2)[truth], said, decided, np.arange(rows), draws=1000, seed=0)
    scores = score_classes(np.eye(2)[truth], said, decided)
    assert all(low < scores[name] < high for name, (low, high) in found.items())
    low, high = found["accuracy"]
    share = scores["accuracy"]
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(share * (1 - share) / rows), rel=0.15)


def test_copies_of_rows_in_groups_make_no_interval_narrower() -> None:
    rng = np.random.default_rng(5)
    truth, score = rng.integers(2, size=60), rng.random(60)
    said = np.column_stack([1 - score, score])
    decided = (score > 0.5).astype(int)
    once = bootstrap_classes(np.eye(2)[truth], said, decided, np.arange(60), draws=400, seed=0)
    four = np.repeat(np.arange(60), 4)
    often = bootstrap_classes(np.eye(2)[truth][four], said[four], decided[four], four, draws=400, seed=0)
    for name, (low, high) in once.items():
        assert often[name] == pytest.approx((low, high), abs=1e-9)


def test_a_single_group_has_no_limits() -> None:
    found = bootstrap_classes(np.eye(2), np.eye(2), np.array([0, 1]), np.array([7, 7]), draws=50, seed=0, is_clustered=True)
    assert all(math.isnan(low) and math.isnan(high) for low, high in found.values())
