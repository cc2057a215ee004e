"""Which rows are one observation: apart from `splits`, because it is needed where scikit-learn is not."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree


def training_rows(features: pd.DataFrame) -> pd.DataFrame:
    """Return the hashes of the rows that the model learned from, each once, sorted, in the column `row`."""
    return pd.DataFrame({"row": np.unique(row_groups(features))})


def rows_digest(rows: pd.DataFrame) -> str:
    """Return the sha256 of the training rows, features and target, in no order."""
    return hashlib.sha256(np.sort(row_groups(rows)).tobytes()).hexdigest()


def row_groups(features: pd.DataFrame) -> np.ndarray:
    """Return one uint64 per row, the same for rows with equal features: copies of one record are one group.

    It depends on the row's values by column name alone: on neither its place, the order of the columns, the other rows nor the
    process. -0.0 equals 0.0; NaN equals NaN; a number equals its float32 as far as `_as_written` says.
    """
    names = sorted(features.columns)
    values = _as_written(features[names].to_numpy(dtype="float64")) + 0.0  # -0.0 + 0.0 is 0.0
    keys: np.ndarray = pd.util.hash_pandas_object(pd.DataFrame(values, columns=names), index=False).to_numpy()
    return keys


def _as_written(values: np.ndarray) -> np.ndarray:
    """Return numbers such that one and its float32 are the same, and neighbours are not.

    Whole numbers are themselves. A fraction below 1024 is its float32, which any more digits do not survive. Beyond, where
    float32 would merge times a minute apart, a float32 is the decimal that it is printed as, and any other number itself.
    """
    size = np.abs(values)
    with np.errstate(over="ignore", invalid="ignore"):
        single = values.astype(np.float32)
    fraction = np.isfinite(values) & (values != np.rint(values))
    small = fraction & (size < 2.0**10) & (size > 2.0**-100)  # float32 has no digits left further down
    written = np.where(small, single.astype(float), values)
    printed = fraction & ~small & (single == values)
    written[printed] = single[printed].astype(str).astype(float)
    return written


def join_neighbours(features: pd.DataFrame, tolerance: float) -> np.ndarray:
    """Return one uint64 per row, the same for rows that are linked by neighbours.

    Two rows are neighbours where no feature differs by more than `tolerance` standard deviations of its column; missing values
    are neighbours of each other. A group is a chain of neighbours, named by the least of their `row_groups`. Unlike these, it
    depends on the other rows: one row more can join two groups, and changes every scale a little.
    """
    keys, first, inverse = np.unique(row_groups(features), return_index=True, return_inverse=True)
    if not tolerance:
        return keys[inverse]
    places = scale_columns(features.iloc[first], features)
    pairs = KDTree(places).query_pairs(tolerance, p=np.inf, output_type="ndarray")
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(keys), len(keys)))
    _, component = connected_components(links, directed=False)
    # The keys are sorted, so the first of a component is its least.
    _, least = np.unique(component, return_index=True)
    joined: np.ndarray = keys[least][component][inverse]
    return joined


def scale_columns(rows: pd.DataFrame, table: pd.DataFrame) -> np.ndarray:
    """Return `rows` in standard deviations of the columns of `table`, about their means.

    A column that does not vary keeps its unit. A missing value lies a thousand standard deviations beyond all others.
    """
    known = table.to_numpy(dtype="float64")
    deviation = np.nan_to_num(pd.DataFrame(known).std(ddof=0).to_numpy())
    centre = np.nan_to_num(pd.DataFrame(known).mean().to_numpy())
    scaled = (rows.to_numpy(dtype="float64") - centre) / np.where(deviation > 0, deviation, 1.0)
    largest = np.abs(scaled[np.isfinite(scaled)]).max(initial=0.0)
    placed: np.ndarray = np.where(np.isfinite(scaled), scaled, largest + 1000.0)
    return placed
