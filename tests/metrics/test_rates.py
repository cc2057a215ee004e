from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipeline.metrics.rates import FEW_ROWS, resample_rates, widest_gap


def parts_of(part: np.ndarray, count: int) -> np.ndarray:
    return part[:, None] == np.arange(count)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**16), st.integers(2, 60), st.integers(1, 4), st.booleans())
def test_a_share_is_inside_its_interval_and_that_inside_zero_and_one(seed: int, rows: int, count: int, is_rare: bool) -> None:
    rng = np.random.default_rng(seed)
    among = parts_of(rng.integers(count, size=rows), count)
    hits = (rng.random(rows) < (0.05 if is_rare else 0.6))[:, None] & np.ones(count, dtype=bool)
    found = resample_rates(hits, among, np.arange(rows), seed=0, draws=200)
    for place in range(count):
        if not among[:, place].any():
            assert np.isnan([found.value[place], found.low[place], found.high[place]]).all()
            continue
        assert found.value[place] == pytest.approx(hits[among[:, place], place].mean())
        assert 0 <= found.low[place] <= found.value[place] <= found.high[place] <= 1
    assert found.rows.tolist() == among.sum(axis=0).tolist()


def test_few_rows_that_are_all_hits_are_not_sure() -> None:
    among = np.ones((5, 1), dtype=bool)
    found = resample_rates(among, among, np.arange(5), seed=0)
    assert found.value[0] == 1
    assert 0.4 < found.low[0] < 0.75  # Wilson's interval begins at 0.57


def test_nothing_is_known_of_other_groups_from_a_single_one() -> None:
    among = np.ones((8, 1), dtype=bool)
    found = resample_rates(among, among, np.zeros(8), seed=0)
    assert np.isnan([found.low[0], found.high[0]]).all()
    assert widest_gap(resample_rates(np.ones((40, 2)) == 1, np.ones((40, 2)) == 1, np.zeros(40), seed=0)) is None


def test_copies_of_a_row_are_one_observation() -> None:
    rng = np.random.default_rng(0)
    hits, among = rng.random((100, 1)) < 0.5, np.ones((100, 1), dtype=bool)
    alone = resample_rates(hits, among, np.arange(100), seed=0)
    copied = resample_rates(np.repeat(hits, 9, axis=0), np.repeat(among, 9, axis=0), np.repeat(np.arange(100), 9), seed=0)
    as_rows = resample_rates(np.repeat(hits, 9, axis=0), np.repeat(among, 9, axis=0), np.arange(900), seed=0)
    width = (alone.high - alone.low)[0]
    assert (copied.high - copied.low)[0] == pytest.approx(width, rel=0.15)
    assert (as_rows.high - as_rows.low)[0] < width / 2


def test_weights_count_rows() -> None:
    hits, among = np.array([[True], [False]]), np.ones((2, 1), dtype=bool)
    found = resample_rates(hits, among, np.arange(2), seed=0, weights=np.array([3.0, 1.0]))
    assert found.value[0] == pytest.approx(0.75)


def test_equal_shares_of_many_parts_have_a_gap_whose_interval_holds_zero() -> None:
    rng, missed = np.random.default_rng(0), 0
    for trial in range(60):
        among = parts_of(rng.integers(6, size=300), 6)
        hits = np.broadcast_to((rng.random(300) < 0.4)[:, None], among.shape)
        gap = widest_gap(resample_rates(hits, among, np.arange(300), seed=trial, draws=300))
        assert gap is not None
        missed += gap.low > 0
    assert missed <= 7  # 5 % of 60 are 3; of two parts that are not the extreme ones it would be most of them


def test_a_gap_that_is_there_is_found_between_the_right_parts() -> None:
    rng = np.random.default_rng(1)
    part = rng.integers(3, size=900)
    among = parts_of(part, 3)
    hits = np.broadcast_to((rng.random(900) < np.array([0.5, 0.8, 0.2])[part])[:, None], among.shape)
    gap = widest_gap(resample_rates(hits, among, np.arange(900), seed=0))
    assert gap is not None
    assert gap.of == (2, 1)
    assert 0 < gap.low < gap.value < gap.high <= 1
    assert gap.value == pytest.approx(0.6, abs=0.1)


def test_parts_of_few_rows_are_not_compared() -> None:
    part = np.array([0] * 40 + [1] * 40 + [2] * (FEW_ROWS - 1))
    hits = np.broadcast_to((part == 2)[:, None], (len(part), 3))
    gap = widest_gap(resample_rates(hits, parts_of(part, 3), np.arange(len(part)), seed=0))
    assert gap is not None
    assert gap.value == 0
    assert widest_gap(resample_rates(hits[:45], parts_of(part[:45], 3), np.arange(45), seed=0)) is None
