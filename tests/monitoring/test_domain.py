"""The domain classifier: no alarm without drift, and a shift is found."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.domain import ALPHA, half_known, new_vintage, no_drift, simulate
from recipeline.monitoring.domain import FEWEST_OF_A_SIDE, measure_domain
from recipeline.monitoring.results import Domain


def judge(reference: np.ndarray, live: np.ndarray, *, seed: int, known: np.ndarray | None = None) -> Domain:
    found = measure_domain(reference, live, seed=seed, known=known)
    assert found
    return found


def normal(rows: int, seed: int, *, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, 3)) + np.array([shift, 0, 0])


def levels(rows: int, seed: int) -> np.ndarray:
    """Rows of which many are equal by chance, of 1,296 that are possible."""
    random = np.random.default_rng(seed)
    return np.minimum(random.geometric(0.35, size=(rows, 4)), 6).astype(float)


@pytest.mark.parametrize(("before", "after"), [(300, 60), (240, 30), (900, 60), (60, 400)])
def test_rows_of_one_source_have_an_area_of_a_half_in_the_mean_on_unequal_sides_too(before: int, after: int) -> None:
    found = [judge(normal(before, seed), normal(after, 1000 + seed), seed=seed) for seed in range(6)]
    assert np.mean([it.auc for it in found]) == pytest.approx(0.5, abs=0.08)
    assert min(it.p_value for it in found) > ALPHA / 6


def test_rows_that_are_equal_by_chance_are_no_drift() -> None:
    found = [judge(levels(300, seed), levels(200, 1000 + seed), seed=seed) for seed in range(5)]
    assert np.mean([it.auc for it in found]) == pytest.approx(0.5, abs=0.08)
    assert min(it.p_value for it in found) > ALPHA / 5


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_a_shift_is_found_among_training_rows_and_as_sure_as_without_them(share: float) -> None:
    train, later = normal(300, 0), normal(60, 1, shift=1.5)
    table = np.concatenate([train[: round(60 * share / (1 - share))], later])
    assert judge(train, table, seed=0) == judge(train, later, seed=0)
    assert judge(train, table, seed=0).auc > 0.7


def test_rows_that_the_model_learned_from_and_the_reference_lacks_are_left_out_too() -> None:
    train, later = normal(600, 0), normal(60, 1, shift=1.5)
    known = np.repeat([True, False], [300, 60])
    table = np.concatenate([train[300:], later])
    assert judge(train[:300], table, seed=0, known=known) == judge(train[:300], later, seed=0)


@pytest.mark.parametrize("times", [2, 10])
def test_rows_that_are_repeated_count_once(times: int) -> None:
    train, later = normal(300, 0), normal(60, 1)
    assert judge(train, np.repeat(later, times, axis=0), seed=0).p_value > ALPHA


def test_where_too_few_rows_are_new_nothing_is_said() -> None:
    train = normal(300, 0)
    few = normal(FEWEST_OF_A_SIDE - 1, 1)
    assert measure_domain(train, np.concatenate([train, few]), seed=0) is None
    assert measure_domain(train, np.tile(few, (9, 1)), seed=0) is None


def test_values_that_are_missing_or_no_number_can_have_are_rows_too() -> None:
    train, later = normal(100, 0), normal(100, 1)
    later[::2, 1], later[0, 0], later[1, 0] = np.nan, np.inf, -np.inf
    assert judge(train, later, seed=0).auc > 0.6


@pytest.mark.full
@pytest.mark.parametrize("rows", [100, 150, 200, 500])
def test_of_200_draws_without_drift_the_mean_area_is_a_half_and_shifts_are_found(rows: int) -> None:
    alike = simulate(200, rows, no_drift)
    assert np.mean(alike.auc) == pytest.approx(0.5, abs=0.02)
    assert (alike.p_value < ALPHA).sum() <= 8  # the 99.9 % quantile of the binomial distribution
    for change in (new_vintage, half_known):
        assert simulate(20, rows, change).auc.mean() > 0.6
