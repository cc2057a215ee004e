"""Drift by kind: equal distributions are quiet, moved ones are not.

Dates are compared by their parts.
"""

from __future__ import annotations

import numpy as np
import pytest

from recipeline.inference.model_info import Feature
from recipeline.monitoring.kinds.every import KINDS
from recipeline.monitoring.results import Spread


def compare(name: str, before: np.ndarray, now: np.ndarray, feature: Feature) -> Spread:
    kind = KINDS[name]
    described = kind.describe(before, feature)
    assert sum(described.counts) == np.isfinite(before).sum()
    assert len(kind.bin_names(described)) == len(described.counts)
    counts = kind.count(now[np.isfinite(now)], described)
    return kind.compare(now, np.ones(len(now), dtype=bool), counts, before, described)


def test_a_quiet_window_of_fifty_categories_is_seldom_significant() -> None:
    rng = np.random.default_rng(0)
    feature = Feature("c", type="category", categories=tuple(f"{n:02}" for n in range(50)))
    alarms = 0
    for _ in range(200):
        before, now = rng.integers(50, size=1000).astype(float), rng.integers(50, size=200).astype(float)
        alarms += float(compare("category", before, now, feature).p_value) < 0.05
    assert alarms <= 20  # 10 are expected


def test_a_category_that_took_over_is_significant_and_large() -> None:
    rng = np.random.default_rng(0)
    feature = Feature("c", type="category", categories=("a", "b", "c"))
    found = compare("category", rng.integers(3, size=1000).astype(float), np.where(rng.random(300) < 0.8, 3.0, 0.0), feature)
    assert float(found.p_value) < 1e-6
    assert float(found.psi) > 0.2


@pytest.mark.parametrize("has_times", [True, False])
def test_later_dates_are_no_drift_and_other_hours_are(has_times: bool) -> None:
    rng, day = np.random.default_rng(0), 86_400

    def dates(first: int, low: int, high: int) -> np.ndarray:
        days = rng.integers(first, first + 364, size=600).astype(float) * day
        return days + (rng.integers(low, high, size=600) if has_times else 0)

    before = dates(19_000, 0, day)
    later = compare("datetime", before, dates(21_000, 0, day), Feature("t", type="datetime"))
    assert float(later.p_value) > 0.001
    assert float(later.psi) < 0.1
    if has_times:
        night = compare("datetime", before, dates(21_000, 0, 6 * 3600), Feature("t", type="datetime"))
        assert float(night.psi) > 0.2


@pytest.mark.parametrize("name", KINDS)
def test_nothing_to_compare_is_told_as_nothing(name: str) -> None:
    feature = Feature("x", type=name, categories=("a", "b") if name == "category" else ())
    found = compare(name, np.array([0.0, 1, 0, 1]), np.full(3, np.nan), feature)
    assert found.psi is found.p_value is None
