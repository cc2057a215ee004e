from __future__ import annotations

import numpy as np
import pytest

from recipeline.config.rules import Cost, Decision
from recipeline.evaluation.classes import draw_curves, draw_thresholds, measure_sets
from recipeline.training.decision import choose_threshold

ROWS = 300


def draw(seed: int = 0, share: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = (rng.random(ROWS) < share).astype(float)
    target[:2] = [0, 1]
    return target, np.clip(share / 2 + share * target + 0.15 * rng.normal(size=ROWS), 0, 1)


@pytest.mark.parametrize(
    "decision",
    [Decision(cost=Cost(fp=1, fn=5)), Decision(metric="f1"), Decision(metric="mcc"), Decision(), Decision(recall=0.9)],
)
def test_the_threshold_that_is_chosen_is_the_best_of_the_curve_that_chose_it(decision: Decision) -> None:
    target, predicted = draw()
    threshold = choose_threshold(target, predicted, decision)
    curve = draw_thresholds((target, predicted, None), (*draw(1), None), decision, threshold)
    assert curve is not None
    value = dict(zip(curve.thresholds, curve.out_of_fold, strict=True))[threshold]
    if decision.cost:
        assert value == min(curve.out_of_fold)
        said = predicted >= threshold
        assert value == pytest.approx((((target == 0) & said) + 5 * ((target == 1) & ~said)).mean())
    elif decision.metric:
        assert value == max(curve.out_of_fold)
    elif decision.recall:
        assert value >= 0.9
        assert all(it < 0.9 for at, it in zip(curve.thresholds, curve.out_of_fold, strict=True) if at > threshold + 0.05)
    assert curve.thresholds[0] == 0
    assert curve.thresholds[-1] == 1


def test_small_probabilities_have_thresholds_of_their_own() -> None:
    target, predicted = draw(share=0.04)
    curve = draw_thresholds((target, predicted, None), (target, predicted, None), Decision(metric="f1"), 0.05)
    assert curve is not None
    assert sum(at <= predicted.max() for at in curve.thresholds) > 30
    assert curve.out_of_fold == curve.test


def test_of_a_constant_score_all_or_none_is_said() -> None:
    target = np.array([1.0, 0, 0, 0] * 5)
    flat = np.full(20, 0.25)
    curve = draw_thresholds((target, flat, None), (target, flat, None), Decision(cost=Cost(fp=1, fn=1)), 0.5)
    assert curve is not None
    assert {round(value, 9) for value in curve.test} == {0.75, 0.25}


def test_one_label_has_no_choice() -> None:
    target, predicted = draw()
    assert draw_thresholds((target, predicted, None), (np.zeros(ROWS), predicted, None), Decision(), 0.5) is None


def test_a_label_without_rows_has_no_curves_and_no_sets() -> None:
    truth = np.eye(3)[np.array([0, 1] * 30)]
    said = np.abs(truth * 0.8 + 0.1)
    labels = [(place, name) for place, name in enumerate("abc")]
    found = draw_curves(truth, said, labels, np.arange(60), seed=0, weights=None)
    assert [it.label for it in found] == ["a", "b"]
    assert [it.rows for it in found] == [30, 30]
    assert all(value == 1 for value in found[0].roc.y)
    sets = measure_sets(truth, np.ones(60, dtype=bool), np.ones(60, dtype=int), "abc", np.arange(60), seed=0)
    assert [(it.label, it.coverage, it.mean_size) for it in sets] == [("a", 1, 1), ("b", 1, 1)]


def test_a_single_group_has_curves_without_bands() -> None:
    target, predicted = draw()
    both = np.column_stack([1 - target, target])
    (found,) = draw_curves(both, np.column_stack([1 - predicted, predicted]), [(1, "b")], np.zeros(ROWS), seed=0, weights=None)
    assert found.roc.low == ()
    assert len(found.roc.x) == len(found.roc.y) > 10


def test_sets_are_measured_by_the_label_that_is_true() -> None:
    truth, inside = np.eye(2)[np.array([0] * 30 + [1] * 10)], np.array([True] * 30 + [False] * 8 + [True] * 2)
    sizes = np.array([1] * 30 + [2] * 10)
    first, second = measure_sets(truth, inside, sizes, ["no", "yes"], np.arange(40), seed=0)
    assert (first.rows, first.coverage, first.mean_size) == (30, 1, 1)
    assert (second.rows, second.coverage, second.mean_size) == (10, 0.2, 2)
    assert second.interval_95 is not None
    assert second.interval_95[0] < 0.2 < second.interval_95[1] < 0.7
