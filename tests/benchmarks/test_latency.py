"""Latencies count what a client left out while it waited.

Every latency is in one bin of the histogram."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.latency import EDGES, correct, draw_histogram, quantile, shares

LATENCIES = st.lists(st.integers(1, 400), max_size=40).map(lambda values: np.array(values, dtype=float))


def wrk(latencies: np.ndarray, interval: int) -> list[int]:
    """Return the table of `stats_correct` of wrk 4.1 as a sorted list of latencies."""
    counts = np.bincount(latencies.astype(int), minlength=2)
    for n in range(2 * interval, len(counts)):
        m = n - interval
        while counts[n] and m > interval:
            counts[m] += counts[n]
            m -= interval
    return np.repeat(np.arange(len(counts)), counts).tolist()


@given(LATENCIES, st.integers(1, 60))
def test_the_correction_is_that_of_wrk(latencies: np.ndarray, interval: int) -> None:
    assert correct(latencies, interval).tolist() == wrk(latencies, interval)


@given(LATENCIES)
def test_an_open_loop_is_not_corrected(latencies: np.ndarray) -> None:
    assert correct(latencies, 0).tolist() == sorted(latencies)


def test_a_stop_of_a_second_weighs_as_much_as_all_that_would_have_been_asked_in_it() -> None:
    latencies = np.array([1.0] * 1000 + [1000.0])
    assert quantile(np.sort(latencies), 0.99) == 1
    assert quantile(correct(latencies, 2.0), 0.5) == pytest.approx(1.0)
    assert quantile(correct(latencies, 2.0), 0.9) > 500


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=50))
def test_each_latency_is_in_the_bin_whose_upper_edge_is_the_next(values: list[float]) -> None:
    found = shares(np.array(values))
    assert found.sum() == pytest.approx(1)
    for number, edge in enumerate(EDGES):
        below = EDGES[number - 1] if number else 0
        assert found[number] == pytest.approx(np.mean([below < value <= edge for value in values]))


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_the_histogram_fits_eighty_columns_and_ends_with_the_longest_latency(columns: int) -> None:
    found = draw_histogram({f"mlflow, {number} clients": np.array([0.3, 0.4, 700.0]) for number in range(columns)})
    lines = found.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1].split()[:3] == ["<=", "0.5", "ms"]
    assert lines[-1].split()[:4] == [">", "512", "ms", "33.33"]
    assert draw_histogram({"nothing": np.empty(0)}) == ""
