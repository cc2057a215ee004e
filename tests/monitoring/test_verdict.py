from __future__ import annotations

import pytest

from recipeline.config.rules import Limits
from recipeline.monitoring.verdict import DRIFT, OK, SEVERITY, TOO_SMALL, WARN, judge, worst


def test_the_worst_verdict_counts() -> None:
    assert worst(["ok", "drift", "warn", "too small"]) == "drift"
    assert worst(["ok", "warn"]) == "warn"
    assert worst([]) == "ok"


def test_of_too_few_rows_nothing_is_said_that_would_count() -> None:
    assert worst([TOO_SMALL, WARN]) == WARN
    assert SEVERITY[OK] < SEVERITY[WARN] < SEVERITY[DRIFT]


@pytest.mark.parametrize(
    ("value", "p_value", "verdict"),
    [(0.3, 0.001, DRIFT), (0.2, 0.001, DRIFT), (0.1, 0.001, WARN), (0.05, 0.001, OK), (0.3, 0.02, OK), (0.3, 0.01, OK)],
)
def test_an_effect_counts_where_it_is_significant_and_reaches_a_limit(value: float, p_value: float, verdict: str) -> None:
    assert judge("psi", "x", value, Limits(warn=0.1, drift=0.2), p_value, 0.01).verdict == verdict
