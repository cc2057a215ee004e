"""Slices of rows by their target."""

from __future__ import annotations

import numpy as np


def in_slice(target: np.ndarray, low: float | None, high: float | None) -> np.ndarray:
    """Return a mask of the values from `low` to `high`, both included; None is open."""
    inside = np.ones(len(target), dtype=bool)
    if low is not None:
        inside &= target >= low
    if high is not None:
        inside &= target <= high
    return inside
