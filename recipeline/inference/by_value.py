"""Limits of intervals and sets by the value of a column: each has the level."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Shown(Protocol):
    """The part of a column's kind that shows a code."""

    def __call__(self, code: float) -> str | float | bool | None:
        """Return the value as people write it."""


@dataclass(frozen=True)
class OfValue:
    """The limits of rows with one value of the column, fitted by so many rows."""

    value: str | float | bool | None
    code: float
    rows: int
    lower: float
    upper: float


@dataclass(frozen=True)
class ByColumn:
    """Limits by the values of a column, the one at `place` of a model's features.

    A value that is not among `values` has the limits of all rows.
    """

    column: str
    place: int
    values: tuple[OfValue, ...]

    def pick(self, features: np.ndarray, lower: float, upper: float) -> tuple[np.ndarray, np.ndarray]:
        """Return both limits of each row of codes, (rows, features).

        `lower` and `upper` are those of all rows.
        """
        codes = features[:, self.place]
        low, high = np.full(len(codes), lower), np.full(len(codes), upper)
        for it in self.values:
            rows = codes == it.code
            low[rows], high[rows] = it.lower, it.upper
        return low, high


def least_rows(level: float) -> int:
    """Return the least number of rows whose tails of a level are not the extremes."""
    return math.ceil(2 / (1 - level) - 1e-9) - 1


def fit_by_column(
    column: str,
    place: int,
    codes: np.ndarray,
    show: Shown,
    fit: Callable[[np.ndarray], tuple[float, float]],
    *,
    level: float,
    groups: np.ndarray | None = None,
) -> ByColumn:
    """Return limits by column, fitted to the rows of each value apart.

    Mondrian conformal prediction (Vovk, Gammerman and Shafer 2005, section 4.5): what holds for the average row then holds for
    the average row of each value. A value of fewer rows than `least_rows`, or of fewer groups, has the limits of all rows.

    Parameters
    ----------
    codes : (rows,), NaN where a value is missing, which is no value of its own.
    fit : from a mask of rows to the limits of these.
    groups : (rows,), of rows that are new together; None: each row is.
    """
    values = []
    for code in np.unique(codes[~np.isnan(codes)]).tolist():
        rows = codes == code
        pieces = int(rows.sum()) if groups is None else len(np.unique(groups[rows]))
        if pieces >= least_rows(level):
            values.append(OfValue(show(code), code, int(rows.sum()), *fit(rows)))
    return ByColumn(column, place, tuple(values))
