"""The verdict on a window of rows, and the order of verdicts."""

from __future__ import annotations

from collections.abc import Iterable

from recipeline.monitoring.results import WindowVerdict

OK: WindowVerdict = "ok"

WARN: WindowVerdict = "warn"

DRIFT: WindowVerdict = "drift"

TOO_SMALL: WindowVerdict = "too small"

#: How bad a verdict is; of too few rows nothing is said.
SEVERITY: dict[str, int] = {OK: 0, WARN: 1, DRIFT: 2}


def worst(verdicts: Iterable[WindowVerdict]) -> WindowVerdict:
    """Return the worst of the verdicts; ok where there is none."""
    return max(verdicts, key=lambda verdict: SEVERITY.get(verdict, 0), default=OK)
