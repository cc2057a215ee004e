"""Guard rails: what must not get worse while R2 gets better."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from recipeline.config.rules import GuardRails
from recipeline.metrics.regression import in_slice
from recipeline.promotion.gain import CHALLENGER, CHAMPION, Answers
from recipeline.promotion.results import Gain, Rail

#: A slice of fewer rows is reported, and decides nothing.
MIN_SLICE_ROWS = 20
_LATENCY_CALLS, _LATENCY_SECONDS = 5, 10


@dataclass(frozen=True)
class ErrorsByArm:
    """The rows of a slice, and each arm's mean absolute error; None without rows."""

    rows: int
    mae: Mapping[str, float | None]


def slice_errors(answers: Answers, slices: Mapping[str, tuple[float | None, float | None]]) -> dict[str, ErrorsByArm]:
    """Return rows and each arm's mean absolute error by slice of the target.

    A slice has limits (from, to), both included; None is open.
    """
    found: dict[str, ErrorsByArm] = {}
    for name, (low, high) in slices.items():
        rows = in_slice(answers.target, low, high)
        errors = {arm: np.abs(answers.errors(arm)[rows]) for arm in answers.predicted}
        mae = {arm: float(values.mean()) if rows.any() else None for arm, values in errors.items()}
        found[name] = ErrorsByArm(int(rows.sum()), mae)
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
    rails: GuardRails, gain: Gain, slices: Mapping[str, ErrorsByArm], latency_ms: float, *, against_champion: bool
) -> list[Rail]:
    """Return each guard rail with its value.

    Errors are decisive only if there is a champion to compare with.
    """
    found = [_error_rail("MAE change", gain.mae, rails.mae if against_champion else None)]
    for name, entry in slices.items():
        enough = entry.rows >= MIN_SLICE_ROWS
        limit = rails.slice_mae if against_champion and enough else None
        note = f"{entry.rows} rows" + ("" if enough else f", fewer than {MIN_SLICE_ROWS}")
        found.append(_error_rail(f"MAE change of {name}", entry.mae, limit, note))
    fast = rails.latency_ms is None or latency_ms <= rails.latency_ms
    return [*found, Rail(LATENCY, latency_ms, rails.latency_ms, fast)]


def _error_rail(name: str, mae: Mapping[str, float | None], limit: float | None, note: str = "") -> Rail:
    ours, theirs = mae[CHALLENGER], mae[CHAMPION]
    more = None if ours is None or theirs is None else ours - theirs
    return Rail(name, more, limit, limit is None or more is None or more <= limit, note)
