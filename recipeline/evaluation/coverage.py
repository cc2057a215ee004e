"""The coverage of intervals and prediction sets on test rows."""

from __future__ import annotations

import math

import numpy as np

from recipeline.data.relating.relations import Relations
from recipeline.evaluation.results import MeasuredInterval


def measure_coverage(inside: np.ndarray, mean_width: float, level: float, relations: Relations) -> MeasuredInterval:
    """Return level, coverage, mean width and rows of an interval on test rows.

    `inside` is a mask of the covered rows, (rows,). If rows are clustered, `coverage_std_error` is the standard error of the
    coverage as a mean of clusters (Cameron and Miller 2015, eq. 10), and `clusters` their number.
    """
    errors: list[tuple[int, float | None]] = []
    for way in relations.evidence():
        if way.is_clustered:
            _, piece = np.unique(way.pieces, return_inverse=True)
            beyond = np.bincount(piece, weights=inside - inside.mean())
            error = math.sqrt(way.count / (way.count - 1) * (beyond**2).sum()) / len(inside) if way.count > 1 else None
            errors.append((way.count, error))
    clusters, error = max(errors, key=lambda it: math.inf if it[1] is None else it[1], default=(None, None))
    return MeasuredInterval(level, float(np.mean(inside)), mean_width, len(inside), clusters, error)
