"""Guard rails: what must not get worse while R2 gets better."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from sklearn.base import BaseEstimator

from recipeline.config.rules import GuardRails, Slice
from recipeline.metrics.catalogue import REPORTED, ROW_ERRORS, Metric, find_metric
from recipeline.promotion.gain import Answers
from recipeline.promotion.results import CHALLENGER, CHAMPION, Gain, Rail

#: A slice of fewer rows is reported, and decides nothing.
MIN_SLICE_ROWS = 20
_LATENCY_CALLS, _LATENCY_SECONDS = 5, 10


@dataclass(frozen=True)
class ErrorsByArm:
    """The rows of a slice, and each arm's mean error; None without rows."""

    rows: int
    error: Mapping[str, float | None]


def slice_errors(answers: Answers, slices: Mapping[str, Slice]) -> dict[str, ErrorsByArm]:
    """Return rows and each arm's mean error by slice of the target.

    The error is the absolute one, of classes the Brier score.
    """
    found: dict[str, ErrorsByArm] = {}
    errors = {arm: answers.errors(arm) for arm in answers.predicted}
    for name, limits in slices.items():
        rows = answers.codes.mask(answers.target, limits)
        means = {arm: float(values[rows].mean()) if rows.any() else None for arm, values in errors.items()}
        found[name] = ErrorsByArm(int(rows.sum()), means)
    return found


def one_row_latency(model: BaseEstimator, features: pd.DataFrame, *, limit: float | None = None) -> float:
    """Return the least time in ms of a prediction of one row, over a few calls.

    The row is a DataFrame. Other work of the machine only makes calls longer, so that the least time describes the model, as in
    `timeit`. Above `limit` calls are repeated for ten seconds before the model counts as that slow.
    """
    row, least, calls, end = features.head(1), math.inf, 0, time.perf_counter() + _LATENCY_SECONDS
    while calls < _LATENCY_CALLS or (limit is not None and least > limit and time.perf_counter() < end):
        start = time.perf_counter()
        model.predict(row)
        least, calls = min(least, 1000 * (time.perf_counter() - start)), calls + 1
    return least


#: The name of the guard rail of one row's prediction.
LATENCY = "single-row latency in ms"


def measure_rails(
    rails: GuardRails,
    gain: Gain,
    slices: Mapping[str, ErrorsByArm],
    latency_ms: float,
    *,
    task: str,
    against_champion: bool,
    more: Sequence[Metric] = (),
) -> list[Rail]:
    """Return each guard rail with its value.

    `more` are metrics besides those of the task.
    Errors are decisive only if there is a champion to compare with.
    """
    found = []
    for name in dict.fromkeys((REPORTED[task], *rails.limits)):
        metric, of_arm = find_metric(task, name, more), gain.scores.get(name)
        worse = None if of_arm is None else metric.worsening(of_arm[CHALLENGER], of_arm[CHAMPION])
        limit = rails.limits.get(name) if against_champion else None
        label = f"{metric.label} {'decrease' if metric.greater_is_better else 'change'}"
        found.append(Rail(label, worse, limit, limit is None or worse is None or worse <= limit))
    for name, entry in slices.items():
        enough = entry.rows >= MIN_SLICE_ROWS
        limit = rails.slice_limit if against_champion and enough else None
        note = f"{entry.rows} rows" + ("" if enough else f", fewer than {MIN_SLICE_ROWS}")
        found.append(_error_rail(f"{ROW_ERRORS[task]} change of {name}", entry.error, limit, note))
    fast = rails.latency_ms is None or latency_ms <= rails.latency_ms
    return [*found, Rail(LATENCY, latency_ms, rails.latency_ms, fast)]


def _error_rail(name: str, error: Mapping[str, float | None], limit: float | None, note: str) -> Rail:
    ours, theirs = error[CHALLENGER], error[CHAMPION]
    more = None if ours is None or theirs is None else ours - theirs
    return Rail(name, more, limit, limit is None or more is None or more <= limit, note)
