from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, mean_absolute_error, r2_score, root_mean_squared_error

from recipeline.metrics.regression import accuracy_within, bootstrap_intervals, score_grades, score_predictions

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=25, deadline=None)


def grades(seed: int, rows: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return whole targets, predictions that are about right, and groups."""
    rng = np.random.default_rng(seed)
    target = rng.integers(3, 9, rows)
    return target, target + rng.normal(0, 0.7, rows), rng.integers(0, rows // 2, rows).astype("uint64")


@few
@given(seeds)
def test_scores_are_those_of_scikit_learn(seed: int) -> None:
    target, predicted, _ = grades(seed)
    assert score_predictions(target, predicted) == {
        "r2": r2_score(target, predicted),
        "rmse": root_mean_squared_error(target, predicted),
        "mae": mean_absolute_error(target, predicted),
    }


def test_perfect_predictions_score_one_and_no_error() -> None:
    target = np.array([3.0, 5.0, 6.0])
    assert score_predictions(target, target) == {"r2": 1.0, "rmse": 0.0, "mae": 0.0}


def test_the_mean_scores_zero() -> None:
    target = np.array([3.0, 5.0, 7.0])
    assert score_predictions(target, np.full(3, 5.0))["r2"] == 0.0


def test_accuracy_counts_errors_up_to_and_including_the_tolerance() -> None:
    target, predicted = np.array([5, 5, 5, 5]), np.array([5.0, 5.5, 4.0, 6.5])
    assert accuracy_within(target, predicted, (0.25, 0.5, 1.0, 1.5)) == {"0.25": 0.25, "0.5": 0.5, "1": 0.75, "1.5": 1.0}


@given(seeds, st.lists(st.floats(0.01, 5), min_size=2, max_size=5, unique_by=lambda x: f"{x:g}").map(sorted))
def test_a_wider_tolerance_is_never_less_accurate(seed: int, tolerances: list[float]) -> None:
    target, predicted, _ = grades(seed, 30)
    shares = list(accuracy_within(target, predicted, tolerances).values())
    assert shares == sorted(shares)


def test_grades_are_scored_by_kappa_of_the_rounded_predictions_and_errors_of_the_unrounded_ones() -> None:
    target, predicted = np.array([5, 5, 6, 7]), np.array([5.4, 4.0, 6.0, 8.2])
    kappa, rows = score_grades(target, predicted)
    assert kappa == cohen_kappa_score([5, 5, 6, 7], [5, 4, 6, 8], weights="quadratic")
    assert [(grade, count) for grade, count, _, _ in rows] == [(5, 2), (6, 1), (7, 1)]
    assert [mae for _, _, mae, _ in rows] == pytest.approx([0.7, 0, 1.2])
    assert [bias for _, _, _, bias in rows] == pytest.approx([-0.3, 0, 1.2])


@few
@given(seeds)
def test_an_interval_holds_the_point_estimate_of_a_reasonable_model(seed: int) -> None:
    target, predicted, groups = grades(seed)
    scores = score_predictions(target, predicted)
    intervals = bootstrap_intervals(target, predicted, groups, draws=300, seed=seed)
    for metric in ("r2", "rmse", "mae"):
        lower, upper = intervals[metric]
        assert lower < scores[metric] < upper


@few
@given(seeds)
def test_an_interval_is_a_function_of_its_seed(seed: int) -> None:
    target, predicted, groups = grades(1)
    first, again = (bootstrap_intervals(target, predicted, groups, draws=100, seed=seed) for _ in range(2))
    assert first == again
    assert first != bootstrap_intervals(target, predicted, groups, draws=100, seed=seed + 1)


@few
@given(seeds, st.integers(2, 4))
def test_copies_of_every_row_in_its_group_leave_the_interval_as_it_is(seed: int, copies: int) -> None:
    target, predicted, groups = grades(seed)
    once = bootstrap_intervals(target, predicted, groups, draws=100, seed=seed)
    often = bootstrap_intervals(*(np.repeat(a, copies) for a in (target, predicted, groups)), draws=100, seed=seed)
    for metric in ("r2", "rmse", "mae"):
        assert often[metric] == pytest.approx(once[metric], rel=1e-9)


def test_copies_in_groups_of_their_own_make_the_interval_narrower() -> None:
    target, predicted, _ = grades(1)
    target, predicted = np.repeat(target, 4), np.repeat(predicted, 4)
    together = bootstrap_intervals(target, predicted, np.repeat(np.arange(200), 4), draws=500, seed=1)
    apart = bootstrap_intervals(target, predicted, np.arange(800), draws=500, seed=1)
    for metric in ("r2", "rmse", "mae"):
        assert np.ptp(apart[metric]) < 0.7 * np.ptp(together[metric])


@few
@given(seeds)
def test_each_draw_is_scored_as_scikit_learn_scores_the_rows_drawn(seed: int) -> None:
    target, predicted, _ = grades(seed, 40)
    groups = np.arange(40)
    rows = np.random.default_rng(seed).integers(40, size=40)
    intervals = bootstrap_intervals(target, predicted, groups, draws=1, seed=seed)
    assert intervals["r2"] == pytest.approx([r2_score(target[rows], predicted[rows])] * 2, rel=1e-9)
    assert intervals["rmse"] == pytest.approx([root_mean_squared_error(target[rows], predicted[rows])] * 2, rel=1e-9)
    assert intervals["mae"] == pytest.approx([mean_absolute_error(target[rows], predicted[rows])] * 2, rel=1e-9)


def test_an_interval_is_about_as_wide_as_theory_says() -> None:
    """The error of a mean absolute error is its standard deviation over the root of n."""
    target, predicted, _ = grades(1, 400)
    lower, upper = bootstrap_intervals(target, predicted, np.arange(400), draws=1000, seed=1)["mae"]
    expected = 2 * 1.96 * np.abs(target - predicted).std() / np.sqrt(400)
    assert upper - lower == pytest.approx(expected, rel=0.15)


def test_a_lower_level_gives_a_narrower_interval() -> None:
    target, predicted, groups = grades(1)
    wide, narrow = (bootstrap_intervals(target, predicted, groups, draws=500, seed=1, level=level) for level in (0.95, 0.5))
    for metric in ("r2", "rmse", "mae"):
        assert wide[metric][0] < narrow[metric][0] < narrow[metric][1] < wide[metric][1]


def test_draws_in_which_the_target_does_not_vary_are_left_out() -> None:
    target, predicted = np.array([5, 5, 5, 6]), np.array([5.1, 5.0, 4.9, 5.8])
    lower, upper = bootstrap_intervals(target, predicted, np.arange(4), draws=500, seed=1)["r2"]
    assert np.isfinite([lower, upper]).all()
    assert upper <= 1


#: Units and origins of a target.
units = st.floats(1e-60, 1e60)
origins = st.one_of(st.just(0.0), st.floats(-1e9, 1e9))


@settings(max_examples=15, deadline=None)
@given(seeds, units, origins)
@example(0, 1.0, 1.7e9)
def test_every_figure_moves_and_scales_with_the_target(seed: int, unit: float, origin: float) -> None:
    """The origin is counted in units.

    A figure may be off by the digits that the target itself lost there, times 1000.
    """
    target, predicted, groups = grades(seed, 60)
    moved, moved_predicted = unit * (target + origin), unit * (predicted + origin)
    rounding = max(1e-9, 1000 * np.finfo(float).eps * abs(origin))
    expected = bootstrap_intervals(target, predicted, groups, draws=100, seed=seed)
    found = bootstrap_intervals(moved, moved_predicted, groups, draws=100, seed=seed)
    scores, moved_scores = score_predictions(target, predicted), score_predictions(moved, moved_predicted)
    for metric, by in (("r2", 1.0), ("rmse", unit), ("mae", unit)):
        assert found[metric] == pytest.approx(np.multiply(expected[metric], by), rel=rounding)
        assert moved_scores[metric] == pytest.approx(scores[metric] * by, rel=rounding)
    shares, moved_shares = (
        accuracy_within(target, predicted, (0.5, 1)),
        accuracy_within(moved, moved_predicted, (unit * 0.5, unit)),
    )
    assert list(moved_shares.values()) == list(shares.values())


@few
@given(units, st.lists(st.integers(3, 8), min_size=1, max_size=30))
def test_an_error_that_is_the_tolerance_is_within_it_in_any_unit(unit: float, grades: list[int]) -> None:
    target = np.array(grades, float)
    assert list(accuracy_within(unit * target, unit * (target + 0.5), (unit * 0.5,)).values()) == [1.0]


@few
@given(units, origins, st.integers(1, 30))
def test_a_constant_target_has_no_r2_and_still_errors(unit: float, origin: float, rows: int) -> None:
    target = np.full(rows, unit * (5.1 + origin))
    intervals = bootstrap_intervals(target, target - unit, np.arange(rows), draws=100, seed=0)
    assert np.isnan(intervals["r2"]).all()
    assert intervals["mae"] == pytest.approx([unit, unit], rel=1e-4)


def test_few_clusters_make_an_interval_wider_and_many_hardly() -> None:
    target, predicted, _ = grades(1, 1200)
    widths = {}
    for count in (6, 1200):
        groups = np.arange(1200) % count
        plain, wider = (
            np.ptp(bootstrap_intervals(target, predicted, groups, draws=2000, seed=1, is_clustered=it)["mae"])
            for it in (False, True)
        )
        widths[count] = wider / plain
    assert widths[6] > 1.3
    assert widths[1200] == pytest.approx(1, abs=0.02)


def test_of_a_single_cluster_no_limit_is_known() -> None:
    target, predicted, _ = grades(1)
    found = bootstrap_intervals(target, predicted, np.zeros(200), draws=100, seed=1, is_clustered=True)
    assert np.isnan(list(found.values())).all()
