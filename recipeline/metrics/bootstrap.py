"""The bootstrap: sums over rows that are drawn again, many times."""

from __future__ import annotations

import numpy as np


def resample_sums(values: np.ndarray, *, draws: int, seed: int) -> np.ndarray:
    """Return the column sums of `draws` bootstrap samples of the rows of `values`, of shape (draws, columns).

    What is drawn is a row of `values`, with replacement, as many as there are; statistics that are functions of sums
    follow from these. The memory does not grow with the number of draws times that of rows.
    """
    rng, rows = np.random.default_rng(seed), len(values)
    at_once = max(1, 4_000_000 // rows)
    sizes = [min(at_once, draws - start) for start in range(0, draws, at_once)]
    return np.concatenate([_counts(rng, rows, size) @ values for size in sizes])


def _counts(rng: np.random.Generator, rows: int, size: int) -> np.ndarray:
    """Return how often each row is in each of `size` samples, of shape (size, rows); faster than `rng.multinomial`."""
    drawn = rng.integers(rows, size=(size, rows)) + rows * np.arange(size)[:, None]
    return np.bincount(drawn.ravel(), minlength=size * rows).reshape(size, rows)
