"""Limits of a card: the number of points and of columns in a plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")

#: A plot has one SVG element per point: of a million rows, the page would have 100 MB.
MOST_POINTS = 2000

#: A plot of more columns is not read; a matrix of them grows with their square.
MOST_COLUMNS = 40


def sample_points(rows: int) -> np.ndarray:
    """Return the indices of all rows, or of a fixed sample of MOST_POINTS, sorted."""
    if rows <= MOST_POINTS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, MOST_POINTS, replace=False))


def explain_points(rows: int) -> str:
    """Return a sentence on the sample of points; empty where all rows are drawn."""
    return f" A random sample of {MOST_POINTS:,} of the {rows:,} rows." if rows > MOST_POINTS else ""


def select_strongest(items: Sequence[T], strength: Sequence[float] | None = None, *, total: int = 0) -> tuple[list[T], str]:
    """Return at most MOST_COLUMNS items in order, and a sentence on the selection.

    The sentence is empty where all items are returned.

    Parameters
    ----------
    strength : of each item, without NaN; the items with the greatest ones are kept. None: the first items.
    total : the number of items that these were chosen from before, if more.
    """
    if len(items) <= MOST_COLUMNS:
        return list(items), ""
    which = "first" if strength is None else "strongest"
    order = np.arange(len(items)) if strength is None else np.argsort(-np.asarray(strength), kind="stable")
    return [
        items[place] for place in sorted(order[:MOST_COLUMNS])
    ], f" The {which} {MOST_COLUMNS} of {max(total, len(items))} are shown."
