from __future__ import annotations

from recipeline.monitoring.verdict import DRIFT, OK, SEVERITY, TOO_SMALL, WARN, worst


def test_the_worst_verdict_counts() -> None:
    assert worst(["ok", "drift", "warn", "too small"]) == "drift"
    assert worst(["ok", "warn"]) == "warn"
    assert worst([]) == "ok"


def test_of_too_few_rows_nothing_is_said_that_would_count() -> None:
    assert worst([TOO_SMALL, WARN]) == WARN
    assert SEVERITY[OK] < SEVERITY[WARN] < SEVERITY[DRIFT]
