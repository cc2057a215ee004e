from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipeline.inference.by_value import ByColumn, OfValue, fit_by_column, least_rows
from recipeline.inference.interval import CONSTANT, Interval, fit_constant, tail_quantiles
from recipeline.records import read_record, to_plain


@given(st.floats(0.5, 0.999))
def test_with_the_least_rows_no_tail_is_an_extreme_for_lack_of_rows(level: float) -> None:
    rows = least_rows(level)
    assert (rows + 1) * (1 - level) / 2 >= 1 - 1e-9
    assert rows * (1 - level) / 2 < 1
    assert least_rows(0.9) == 19


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.8, 0.9, 0.95]))
def test_each_value_has_the_coverage_that_all_rows_together_do_not_give_it(seed: int, level: float) -> None:
    """Half of the rows err ten times as much: one width covers these too seldom."""
    rng = np.random.default_rng(seed)

    def draw(rows: int) -> tuple[np.ndarray, np.ndarray]:
        codes = rng.integers(2, size=rows).astype(float)
        return codes, rng.normal(size=rows) * np.where(codes == 1, 10, 1)

    codes, residual = draw(3000)
    found = fit_by_column("region", 0, codes, str, lambda rows: tail_quantiles(residual[rows], level), level=level)
    interval = Interval(level, CONSTANT, *tail_quantiles(residual, level), by=found)
    fresh, truth = draw(3000)
    low, high = interval.around(np.zeros(3000), fresh[:, None])
    inside = (low <= truth) & (truth <= high)
    for code in (0.0, 1.0):
        assert inside[fresh == code].mean() == pytest.approx(level, abs=0.05)
    assert np.mean((high - low)[fresh == 1]) > 5 * np.mean((high - low)[fresh == 0])


def test_a_value_of_few_rows_a_new_one_and_a_missing_one_have_the_limits_of_all() -> None:
    codes = np.array([0.0] * 30 + [1.0] * 18 + [np.nan] * 30)
    found = fit_by_column("region", 1, codes, lambda code: "ab"[int(code)], lambda _: (-1.0, 1.0), level=0.9)
    assert found == ByColumn("region", 1, (OfValue("a", 0.0, 30, -1.0, 1.0),))
    features = np.array([[9.0, 0.0], [9.0, 1.0], [9.0, 7.0], [9.0, np.nan]])
    low, high = found.pick(features, -5.0, 5.0)
    assert low.tolist() == [-1, -5, -5, -5]
    assert high.tolist() == [1, 5, 5, 5]


def test_rows_of_few_groups_are_few() -> None:
    codes, groups = np.zeros(100), np.arange(100) % 18
    fitted = {"groups": groups, "level": 0.9}
    assert fit_by_column("region", 0, codes, str, lambda _: (0.0, 0.0), **fitted).values == ()
    assert len(fit_by_column("region", 0, codes, str, lambda _: (0.0, 0.0), level=0.9).values) == 1


def test_an_interval_by_value_is_stored_and_restored() -> None:
    found = Interval(0.9, CONSTANT, -2.0, 2.0, by=ByColumn("region", 0, (OfValue("a", 0.0, 30, -1.0, 1.0),)))
    written = to_plain(found.describe(0.9, 10))
    again = Interval.restore(read_record(type(found.describe()), written))
    assert again == found
    assert "by" not in to_plain(fit_constant(np.zeros(30), np.arange(30.0)).describe())
