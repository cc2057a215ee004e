from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from sklearn.metrics import confusion_matrix, recall_score, roc_curve

from recipeline.metrics.curves import count_by_threshold
from tests.metrics.labels import Rows, labelled_rows

few = settings(max_examples=60, deadline=None)
two_labels = labelled_rows(most_labels=2, both=True)


@few
@given(two_labels)
def test_counts_at_a_threshold_are_those_of_the_labels_that_it_decides(rows: Rows) -> None:
    target, said = rows.truth, rows.probabilities[:, 1]
    curve = count_by_threshold(target, said, rows.weights)
    for place, threshold in enumerate(curve.thresholds):
        decided = (said >= threshold).astype(int)
        (tn, fp), (fn, tp) = confusion_matrix(target, decided, labels=[0, 1], sample_weight=rows.weights)
        found = [
            getattr(curve, name)[place] for name in ("true_negatives", "false_positives", "false_negatives", "true_positives")
        ]
        assert found == pytest.approx([tn, fp, fn, tp], rel=1e-9, abs=1e-9)
        assert curve.recall[place] == pytest.approx(recall_score(target, decided, sample_weight=rows.weights), abs=1e-9)


@few
@given(two_labels)
def test_every_decision_that_a_threshold_can_make_is_there_once(rows: Rows) -> None:
    said = rows.probabilities[:, 1]
    curve = count_by_threshold(rows.truth, said, rows.weights)
    assert curve.thresholds[0] == 0
    assert (np.diff(curve.thresholds) > 0).all()
    assert ((curve.thresholds >= 0) & (curve.thresholds <= 1)).all()
    decisions = {tuple(said >= it) for it in curve.thresholds}
    assert len(decisions) == len(curve.thresholds)
    assert decisions == {tuple(said >= it) for it in [0.0, *said, *np.nextafter(said, 2), 1.0]} - (
        {tuple(said > 1)} if said.max() == 1 else set()
    )


@few
@given(two_labels)
def test_the_curve_has_the_corners_of_scikit_learn_s_roc(rows: Rows) -> None:
    curve = count_by_threshold(rows.truth, rows.probabilities[:, 1], rows.weights)
    ours = {
        (round(it[0], 9), round(it[1], 9))
        for it in zip(
            curve.false_positives / (curve.false_positives + curve.true_negatives), curve.recall.tolist(), strict=True
        )
    }
    fpr, tpr, _ = roc_curve(rows.truth, rows.probabilities[:, 1], sample_weight=rows.weights, drop_intermediate=False)
    theirs = {(round(it[0], 9), round(it[1], 9)) for it in zip(fpr.tolist(), tpr.tolist(), strict=True)}
    assert ours | {(0.0, 0.0)} == theirs


def test_neighbouring_numbers_are_told_apart() -> None:
    low = 0.3
    high = float(np.nextafter(low, 1))
    curve = count_by_threshold(np.array([0, 1]), np.array([low, high]))
    assert curve.true_positives.tolist() == [1, 1, 0]
    assert curve.false_positives.tolist() == [1, 0, 0]
    assert (np.array([low, high]) >= curve.thresholds[1]).tolist() == [False, True]


def test_a_probability_of_one_is_always_said() -> None:
    curve = count_by_threshold(np.array([0, 1]), np.array([0.5, 1.0]))
    assert curve.thresholds.tolist() == [0.0, 0.75]


@pytest.mark.parametrize("seed", range(20))
def test_counts_of_weights_are_exactly_0_where_there_is_no_row(seed: int) -> None:
    """A residue of rounding would be divided by."""
    rng = np.random.default_rng(seed)
    curve = count_by_threshold(np.arange(40) % 2, rng.random(40), rng.uniform(0.5, 3, 40))
    assert (curve.false_negatives[0], curve.true_negatives[0]) == (0, 0)
    assert (curve.true_positives[-1], curve.false_positives[-1]) == (0, 0)
