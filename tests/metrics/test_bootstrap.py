from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipeline.metrics import bootstrap
from recipeline.metrics.bootstrap import deal_blocks, resample_sums

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=25, deadline=None)


@pytest.mark.parametrize(("rows", "columns", "draws"), [(5, 1, 1), (20, 3, 7), (1, 2, 4)])
def test_resampling_gives_a_row_of_sums_for_each_draw(rows: int, columns: int, draws: int) -> None:
    assert resample_sums(np.ones((rows, columns)), draws=draws, seed=0).shape == (draws, columns)


@few
@given(seeds, st.integers(1, 50))
def test_as_many_rows_are_drawn_as_there_are(seed: int, rows: int) -> None:
    np.testing.assert_array_equal(resample_sums(np.ones((rows, 1)), draws=10, seed=seed), rows)


@few
@given(seeds, st.integers(1, 30))
def test_every_sum_is_one_of_whole_rows(seed: int, rows: int) -> None:
    values = np.column_stack([np.arange(rows), -np.arange(rows), np.arange(rows) % 2])
    first, second, third = resample_sums(values, draws=20, seed=seed).T
    np.testing.assert_array_equal(first, -second)
    assert ((third >= 0) & (third <= rows)).all()


def test_many_rows_are_drawn_in_parts_as_they_are_at_once() -> None:
    rows, draws = 90_000, 50  # 44 draws at once, then 6
    values = np.arange(2 * rows).reshape(rows, 2) % 7
    drawn = np.random.default_rng(3).integers(rows, size=(draws, rows))
    np.testing.assert_array_equal(resample_sums(values, draws=draws, seed=3), values[drawn].sum(axis=1))


@few
@given(seeds)
def test_the_first_draws_are_the_same_however_many_follow(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(30, 2))
    few_draws, many = (resample_sums(values, draws=draws, seed=seed) for draws in (3, 10))
    np.testing.assert_allclose(few_draws, many[:3])


@few
@given(seeds)
def test_the_mean_of_the_draws_is_close_to_the_sums(seed: int) -> None:
    values = np.random.default_rng(seed).normal(5, 1, (100, 2))
    drawn = resample_sums(values, draws=1000, seed=seed)
    error = np.sqrt(100) * values.std(axis=0)
    np.testing.assert_allclose(drawn.std(axis=0), error, rtol=0.15)
    assert (np.abs(drawn.mean(axis=0) - values.sum(axis=0)) < 5 * error / np.sqrt(1000)).all()


def test_the_draws_are_those_of_their_seed() -> None:
    values = np.arange(20.0)[:, None]
    first, again, other = (resample_sums(values, draws=5, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@settings(max_examples=15, deadline=None)
@given(seeds, st.integers(2001, 20_000), st.sampled_from(["sorted", "alternating", "drawn"]))
def test_of_many_rows_blocks_are_drawn_and_a_ratio_of_sums_varies_as_with_rows_in_any_order(
    seed: int, rows: int, order: str
) -> None:
    weights = np.random.default_rng(seed).integers(1, 4, rows).astype(float)  # groups of one to three copies
    means = np.random.default_rng(seed + 1).normal(3, 1, rows)
    means = {"sorted": np.sort(means), "alternating": 3 + np.resize([-1.0, 1.0], rows), "drawn": means}[order]
    mean = (weights * means).sum() / weights.sum()
    expected = np.sqrt((weights**2 * (means - mean) ** 2).sum()) / weights.sum()  # of the linearised ratio
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bootstrap, "MOST_ROWS", 2000)
        total, summed = resample_sums(np.column_stack([weights, weights * means]), draws=2000, seed=seed).T
    np.testing.assert_allclose((summed / total).std(), expected, rtol=0.14)  # five standard errors, of draws and of blocks


def test_95_percent_intervals_of_blocks_hold_the_true_mean_in_95_percent_of_the_samples(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bootstrap, "MOST_ROWS", 100)
    held = 0
    for sample in range(400):
        values = np.random.default_rng(sample).exponential(size=700)
        n, summed = resample_sums(np.column_stack([np.ones(700), np.sort(values)]), draws=400, seed=sample).T
        low, high = np.quantile(summed / n, (0.025, 0.975))
        held += low <= 1 <= high
    assert 0.91 <= held / 400 <= 0.98


def test_the_work_stops_growing_with_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def count(_: np.random.Generator, rows: int, size: int) -> np.ndarray:
        drawn.append(rows * size)
        return np.ones((size, rows))

    monkeypatch.setattr(bootstrap, "_counts", count)
    for rows in (100_000, 100_001, 1_000_000):
        drawn.clear()
        resample_sums(np.ones((rows, 1)), draws=2, seed=0)
        assert sum(drawn) <= 2 * 100_000


def test_groups_are_blocks_or_dealt_at_random_into_fewer() -> None:
    groups = np.repeat([7, 3, 5], 4)
    block, count = deal_blocks(groups, seed=0)
    assert count == 3
    assert len({(group, place) for group, place in zip(groups.tolist(), block.tolist(), strict=True)}) == 3
    block, count = deal_blocks(np.repeat(np.arange(1000), 2), seed=0, most=100)
    assert count == 100
    assert np.bincount(block).tolist() == [20] * 100  # ten groups each, whole ones
    assert np.all(block[::2] == block[1::2])
    assert np.any(np.diff(block[::2]) != 0)
