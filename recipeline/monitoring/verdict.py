"""The verdict on a window of rows, and the order of verdicts."""

from __future__ import annotations

from collections.abc import Iterable

from recipeline.config.rules import Limits
from recipeline.monitoring.results import Finding, WarnAndDrift, WindowVerdict

OK: WindowVerdict = "ok"

WARN: WindowVerdict = "warn"

DRIFT: WindowVerdict = "drift"

TOO_SMALL: WindowVerdict = "too small"

#: How bad a verdict is; of too few rows nothing is said.
SEVERITY: dict[str, int] = {OK: 0, WARN: 1, DRIFT: 2}


def worst(verdicts: Iterable[WindowVerdict]) -> WindowVerdict:
    """Return the worst of the verdicts; ok where there is none."""
    return max(verdicts, key=lambda verdict: SEVERITY.get(verdict, 0), default=OK)


def judge(rule: str, subject: str, value: float, limits: Limits, p_value: float, alpha: float) -> Finding:
    """Return the finding on an effect: significant and from a limit on it counts."""
    verdict: WindowVerdict = OK
    if p_value < alpha and value >= limits.warn:
        verdict = DRIFT if value >= limits.drift else WARN
    return Finding(rule, subject, float(value), WarnAndDrift(limits.warn, limits.drift), verdict, min(p_value, 1.0))
