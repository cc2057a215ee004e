"""Limits of a card: how many rows are drawn as points, and how many columns get a place in a plot."""

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
    """Return the places of all rows, or of MOST_POINTS of them drawn at random, in their order; always the same ones."""
    if rows <= MOST_POINTS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, MOST_POINTS, replace=False))


def explain_points(rows: int) -> str:
    """Return the sentence that a caption ends with where not all rows are points; empty where they are."""
    return f" A random sample of {MOST_POINTS:,} of the {rows:,} rows." if rows > MOST_POINTS else ""


def select_strongest(items: Sequence[T], strength: Sequence[float] | None = None) -> tuple[list[T], str]:
    """Return at most MOST_COLUMNS items in their order, and the sentence that says which they are; empty for all of them.

    Parameters
    ----------
    strength : of each item, without NaN; those with the greatest one are kept. None: the first ones.
    """
    if len(items) <= MOST_COLUMNS:
        return list(items), ""
    which = "first" if strength is None else "strongest"
    order = np.arange(len(items)) if strength is None else np.argsort(-np.asarray(strength), kind="stable")
    return [items[place] for place in sorted(order[:MOST_COLUMNS])], f" The {which} {MOST_COLUMNS} of {len(items)} are shown."
