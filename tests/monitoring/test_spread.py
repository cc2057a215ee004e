"""Spreads: every value is in one bin, and equal shares are stable."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recipeline.monitoring.results import Described
from recipeline.monitoring.spread import count_bins, describe_values, population_stability

FLOATS = st.floats(-1e6, 1e6, allow_nan=False)


@given(arrays(float, st.integers(1, 200), elements=FLOATS))
def test_every_value_is_in_one_bin_and_its_edges_rise(values: np.ndarray) -> None:
    found = describe_values(values)
    assert sum(found.counts) == len(values)
    assert np.all(np.diff(found.edges) > 0)
    assert len(found.counts) == len(found.edges) + 1


@given(arrays(float, st.integers(1, 100), elements=FLOATS), arrays(float, st.integers(1, 5), elements=FLOATS, unique=True))
def test_bins_hold_what_is_at_least_their_lower_edge_and_less_than_their_upper_one(
    values: np.ndarray, edges: np.ndarray
) -> None:
    edges = np.sort(edges)
    counts, _ = np.histogram(values, [-np.inf, *edges, np.inf])
    assert count_bins(values, edges).tolist() == counts.tolist()


def test_a_constant_has_a_bin_of_its_own_so_that_any_other_value_is_elsewhere() -> None:
    found = describe_values(np.full(50, 3.3))
    below, same, above = count_bins(np.array([3.2, 3.3, 3.3, 3.4]), np.array(found.edges))
    assert (below, same, above) == (1, 2, 1)
    assert found.counts == (0, 50, 0)


def test_what_takes_several_deciles_has_a_bin_of_its_own() -> None:
    found = describe_values(np.concatenate([np.zeros(60), np.arange(1.0, 41)]))
    counts = dict(zip([-np.inf, *found.edges], found.counts, strict=True))
    assert counts[0.0] == 60


def test_missing_values_are_counted_apart() -> None:
    found = describe_values(np.array([1.0, np.nan, 2.0, np.nan]))
    assert (found.rows, found.missing, sum(found.counts)) == (4, 2, 2)
    assert describe_values(np.full(3, np.nan)) == Described(rows=3, missing=3, edges=(), counts=(0,))


def test_population_stability_is_zero_for_equal_shares_and_the_textbooks_figure_otherwise() -> None:
    assert population_stability(np.array([10, 20, 70]) * 1000, np.array([100, 200, 700]) * 1000) == pytest.approx(0, abs=1e-6)
    by_hand = (0.5 - 0.25) * np.log(0.5 / 0.25) + (0.5 - 0.75) * np.log(0.5 / 0.75)
    assert population_stability(np.array([50_000, 50_000]), np.array([25_000, 75_000])) == pytest.approx(by_hand, rel=1e-3)
