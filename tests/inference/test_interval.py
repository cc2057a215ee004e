from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from recipeline.inference.interval import (
    FittedInterval,
    Interval,
    are_inside,
    both,
    fit_constant,
    fit_quantile,
    group_quantiles,
    interval_score,
    tail_quantiles,
)
from recipeline.records import read_record, to_plain

finite = st.floats(-1e6, 1e6)
levels = st.floats(0.05, 0.99)
pairs = st.integers(1, 200).flatmap(
    lambda rows: st.tuples(arrays.arrays(float, rows, elements=finite), arrays.arrays(float, rows, elements=finite))
)
FIRST, SECOND = (lambda rows: rows[:, 0]), (lambda rows: rows[:, 1])
constants = st.builds(Interval, levels, st.just("constant"), finite, finite)
intervals = constants | st.builds(Interval, levels, st.just("quantile"), finite, finite, st.just(both(FIRST, SECOND)))
NO_FEATURES = np.empty((0, 0))


@given(pairs, levels)
def test_of_the_rows_it_was_fitted_on_at_least_the_level_lies_inside(pair: tuple[np.ndarray, np.ndarray], level: float) -> None:
    target, out_of_fold = pair
    interval = fit_constant(target, out_of_fold, level=level)
    assert are_inside(target, interval.around(out_of_fold, NO_FEATURES)).mean() >= level


@given(pairs, levels)
def test_of_the_rows_that_quantile_models_were_moved_for_at_least_the_level_lies_inside(
    pair: tuple[np.ndarray, np.ndarray], level: float
) -> None:
    target, low = pair
    rows = np.column_stack([low, low + 1])
    interval = fit_quantile(target, *rows.T, both(FIRST, SECOND), level=level)
    assert are_inside(target, interval.around(low + 0.5, rows)).mean() >= level


@given(st.lists(st.integers(3, 8), min_size=20, max_size=200), st.floats(3, 8))
def test_grades_that_tie_on_a_limit_are_inside(grades: list[int], predicted: float) -> None:
    target = np.array(grades, float)
    out_of_fold = np.full(len(target), predicted)
    assert are_inside(target, fit_constant(target, out_of_fold).around(out_of_fold, NO_FEATURES)).mean() >= 0.9
    by_quantile = fit_quantile(target, out_of_fold, out_of_fold, both(FIRST, FIRST))
    assert are_inside(target, by_quantile.around(out_of_fold, out_of_fold[:, None])).mean() >= 0.9


@given(intervals, arrays.arrays(float, st.tuples(st.integers(1, 30), st.just(3)), elements=finite))
def test_the_prediction_is_between_the_limits(interval: Interval, rows: np.ndarray) -> None:
    predicted = rows[:, 2]
    lower, upper = interval.around(predicted, rows)
    assert lower.shape == upper.shape == predicted.shape
    assert (lower <= predicted).all()
    assert (predicted <= upper).all()


@given(intervals)
def test_an_interval_survives_json(interval: Interval) -> None:
    assert (
        Interval.restore(read_record(FittedInterval, json.loads(json.dumps(to_plain(interval.describe())))), interval.tails)
        == interval
    )


@pytest.mark.parametrize(("method", "tails"), [("quantile", None), ("constant", both(FIRST, SECOND))])
def test_an_interval_without_the_tails_it_needs_is_none(method: str, tails: object) -> None:
    known = FittedInterval(0.9, method, lower=-1.0, upper=1.0)
    with pytest.raises(ValueError, match=f"'{method}' must come with"):
        Interval.restore(known, tails)


def test_what_else_is_said_of_an_interval_is_ignored() -> None:
    interval = Interval(0.9, "constant", -1.0, 1.5)
    assert Interval.restore(interval.describe(0.91, 299)) == interval


def test_limits_are_what_the_tails_say_of_the_features_moved() -> None:
    interval = Interval(0.9, "quantile", -0.5, 0.25, both(FIRST, SECOND))
    lower, upper = interval.around(np.array([4.0, 8.0]), np.array([[3.0, 5.0], [7.0, 7.5]]))
    np.testing.assert_allclose(lower, [2.5, 6.5])
    np.testing.assert_allclose(upper, [5.25, 8.0], err_msg="the second is the prediction itself")


def test_tails_that_say_too_much_are_moved_inwards() -> None:
    target = np.arange(100.0)
    interval = fit_quantile(target, target - 5, target + 5, both(FIRST, SECOND))
    np.testing.assert_allclose([interval.lower, interval.upper], [5, -5])


def test_a_limit_on_the_wrong_side_of_the_prediction_is_moved_to_it() -> None:
    """All residuals of a model that predicts too little are above 0."""
    interval = fit_constant(np.arange(50.0) + 1, np.arange(50.0))
    assert interval.lower > 0
    lower, upper = interval.around(np.array([3.0]), NO_FEATURES)
    np.testing.assert_allclose([lower[0], upper[0]], [3.0, 4.0])


def test_limits_are_not_cut_to_the_range_of_the_target() -> None:
    target = np.tile([0.0, 10.0], 20)
    lower, upper = fit_constant(target, np.full(40, 5.0)).around(np.array([9.0]), NO_FEATURES)
    np.testing.assert_allclose([lower[0], upper[0]], [4.0, 14.0])


def test_no_prediction_has_no_limits() -> None:
    lower, upper = fit_constant(np.arange(30.0), np.zeros(30)).around(np.array([np.nan]), NO_FEATURES)
    assert np.isnan([lower[0], upper[0]]).all()


@pytest.mark.parametrize(("rows", "k"), [(5, 1), (19, 1), (38, 1), (39, 2), (59, 3), (99, 5), (1300, 65)])
def test_each_tail_cuts_off_the_rank_of_the_textbooks(rows: int, k: int) -> None:
    """floor((n + 1) * 0.05), and the extremes where that is none."""
    assert tail_quantiles(np.arange(rows, 0, -1.0), 0.9) == (k, rows + 1 - k)


def test_the_tails_of_a_skewed_residual_are_apart() -> None:
    residual = np.random.default_rng(0).exponential(size=2000) - 1
    interval = fit_constant(residual, np.zeros(2000))
    np.testing.assert_allclose(interval.lower, np.log(1 / 0.95) - 1, atol=0.1)
    np.testing.assert_allclose(interval.upper, np.log(1 / 0.05) - 1, atol=0.2)


def test_new_rows_are_held_at_the_level() -> None:
    """The mean coverage of 400 fits on 60 rows is sure to about 0.003.

    Without the correction it would be near 0.87.
    """
    rng = np.random.default_rng(1)
    held = [
        are_inside(new, fit_constant(rng.normal(size=60), np.zeros(60)).around(np.zeros(500), NO_FEATURES)).mean()
        for new in rng.normal(size=(400, 500))
    ]
    assert 0.895 <= np.mean(held) <= 0.925


@pytest.mark.parametrize(
    ("target", "out_of_fold", "level", "words"),
    [
        ([], [], 0.9, "same length, above 0"),
        ([1.0, 2.0], [1.0], 0.9, "same length, above 0"),
        ([[1.0]], [[1.0]], 0.9, "same length, above 0"),
        ([1.0, np.nan], [1.0, 2.0], 0.9, "finite"),
        ([1.0, 2.0], [1.0, np.inf], 0.9, "finite"),
        ([1.0, 2.0], [1.0, 2.0], 1.0, "level must be between 0 and 1. Got 1.0"),
        ([1.0, 2.0], [1.0, 2.0], float("nan"), "level"),
    ],
)
def test_what_no_interval_can_be_fitted_on_is_refused(
    target: list[float], out_of_fold: list[float], level: float, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        fit_constant(np.array(target), np.array(out_of_fold), level=level)
    with pytest.raises(ValueError, match=words):
        fit_quantile(np.array(target), np.array(out_of_fold), np.array(out_of_fold), both(FIRST, FIRST), level=level)


@given(st.floats(-10, 10), st.floats(0, 5), st.floats(-10, 10), levels)
def test_an_interval_scores_its_width_and_its_misses(low: float, width: float, target: float, level: float) -> None:
    high = low + width
    outside = max(low - target, target - high, 0)
    score = interval_score(np.array([target]), (np.array([low]), np.array([high])), level)
    assert score == pytest.approx(high - low + 2 * outside / (1 - level))


def test_no_interval_scores_better_than_the_quantiles_of_the_rows() -> None:
    rows = np.random.default_rng(0).normal(size=20_000)
    best = interval_score(rows, (np.full(20_000, -1.645), np.full(20_000, 1.645)), 0.9)
    for low, high in ((-1.2, 1.2), (-2.2, 2.2), (-1.2, 2.5)):
        assert best < interval_score(rows, (np.full(20_000, low), np.full(20_000, high)), 0.9)


@given(st.lists(finite, min_size=1, max_size=80, unique=True), levels)
def test_rows_that_are_groups_of_their_own_have_the_limits_of_rows(residual: list[float], level: float) -> None:
    values = np.array(residual)
    assert group_quantiles(values, np.arange(len(values)), level) == tail_quantiles(values, level)


@given(st.lists(finite, min_size=1, max_size=40, unique=True), st.integers(2, 4), levels)
def test_copies_within_a_group_leave_its_weight_as_it_is(residual: list[float], copies: int, level: float) -> None:
    values = np.repeat(residual, copies)
    groups = np.repeat(np.arange(len(residual)), copies)
    assert group_quantiles(values, groups, level) == tail_quantiles(np.array(residual), level)


def test_a_group_of_many_rows_does_not_outvote_the_others() -> None:
    residual = np.concatenate([np.zeros(10_000), np.linspace(-1, 1, 40)])
    groups = np.concatenate([np.zeros(10_000), np.arange(1, 41)])
    assert group_quantiles(residual, groups, 0.9)[1] > 0.8
    assert tail_quantiles(residual, 0.9) == (0, 0)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_rows_of_a_new_group_lie_inside_as_often_as_the_level_says(seed: int) -> None:
    """A group's rows err alike; limits that take rows for evidence hold fewer."""
    rng = np.random.default_rng(seed)
    groups, inside = np.repeat(np.arange(40), 10), []
    for _ in range(60):
        residual = np.repeat(rng.normal(size=40), 10) + rng.normal(0, 0.2, 400)
        interval = fit_constant(residual, np.zeros(400), groups=groups)
        new = rng.normal() + rng.normal(0, 0.2, 50)
        inside.append(np.mean((interval.lower <= new) & (new <= interval.upper)))
    assert np.mean(inside) > 0.82
