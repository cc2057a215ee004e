"""Rows that are nearly one observation: near each other in every feature."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recipeline.data.relating.grouping import as_numbers, row_groups


def join_neighbours(features: pd.DataFrame, tolerance: float) -> np.ndarray:
    """Return one uint64 per row, the same for rows that are linked by neighbours.

    Two rows are neighbours where no feature differs by more than `tolerance` standard deviations of its column; missing values
    are neighbours of each other. A group is a chain of neighbours, named by the least of their `row_groups`. Unlike these, it
    depends on the other rows: one row more can join two groups, and changes every scale a little.
    """
    if not tolerance:
        return row_groups(features)
    keys, first, inverse = np.unique(row_groups(features), return_index=True, return_inverse=True)
    from scipy.spatial import KDTree  # a chain that is all cached waits for no import of it

    numbers = as_numbers(features)
    places = scale_columns(numbers.iloc[first], numbers)
    pairs = KDTree(places).query_pairs(tolerance, p=np.inf, output_type="ndarray")
    component = find_components(pairs[:, 0], pairs[:, 1], len(keys))
    # The keys are sorted, so the first of a component is its least.
    _, least = np.unique(component, return_index=True)
    joined: np.ndarray = keys[least][component][inverse]
    return joined


def find_components(one: np.ndarray, other: np.ndarray, size: int) -> np.ndarray:
    """Return the component of each of `size` nodes, linked by pairs of positions."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(one)), (one, other)), shape=(size, size))
    component: np.ndarray = connected_components(links, directed=False)[1]
    return component


def scale_columns(rows: pd.DataFrame, table: pd.DataFrame) -> np.ndarray:
    """Return `rows` standardised by the columns of `table`.

    A constant column keeps its unit. A missing value lies a thousand standard deviations beyond all others.
    """
    known = table.to_numpy(dtype="float64")
    deviation = np.nan_to_num(pd.DataFrame(known).std(ddof=0).to_numpy())
    centre = np.nan_to_num(pd.DataFrame(known).mean().to_numpy())
    scaled = (rows.to_numpy(dtype="float64") - centre) / np.where(deviation > 0, deviation, 1.0)
    largest = np.abs(scaled[np.isfinite(scaled)]).max(initial=0.0)
    placed: np.ndarray = np.where(np.isfinite(scaled), scaled, largest + 1000.0)
    return placed
