"""Groups of equal rows, which are one observation.

Separate from `splits`, because it is used without scikit-learn and scipy.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from recipeline.data.kinds.base import Kind
from recipeline.data.kinds.every import KINDS

#: The column of `row_groups` of the features, in a table that has these hashes in the place of its features.
COPIES = "recipeline.copies"


def training_rows(features: pd.DataFrame, group: pd.Series | None = None, times: np.ndarray | None = None) -> pd.DataFrame:
    """Return the distinct hashes of training rows, sorted, in the column `row`.

    Where the recipe names groups or a time, the columns `group` and `time` have the keys and times of theirs; a row is there
    once for each.
    """
    hashes = {"row": row_groups(features)}
    if group is not None:
        hashes["group"] = value_keys(group)
    if times is not None:
        hashes["time"] = times
    return pd.DataFrame(hashes).drop_duplicates().sort_values(list(hashes), ignore_index=True)


def rows_digest(rows: pd.DataFrame) -> str:
    """Return the sha256 of the training rows, features and target, in no order."""
    return hashlib.sha256(np.sort(row_groups(rows)).tobytes()).hexdigest()


def row_groups(features: pd.DataFrame) -> np.ndarray:
    """Return one uint64 per row, equal for rows with equal features.

    Copies of one record are one group. It depends on the row's values by column name alone: not on its position, the order of
    the columns, the other rows or the process. -0.0 equals 0.0; NaN equals NaN; a number equals its float32 within the
    limits of `recipeline.data.kinds.number.as_written`.
    """
    columns = {name: kind_of(features[name]).keys(features[name]).to_numpy() for name in sorted(features.columns)}
    keys: np.ndarray = pd.util.hash_pandas_object(pd.DataFrame(columns), index=False).to_numpy()
    return keys


def hash_features(table: pd.DataFrame, features: Sequence[str]) -> np.ndarray:
    """Return the `row_groups` of the features, or COPIES of a table without them."""
    return row_groups(table[[*features]]) if {*features} <= {*table.columns} else table[COPIES].to_numpy()


def is_among(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return for each of `values` whether it is one of `others`, as `numpy.isin`.

    A search in sorted values takes less memory.
    """
    if not len(others):
        return np.zeros(len(values), dtype=bool)
    known = np.sort(others)
    places = np.searchsorted(known, values)
    np.minimum(places, len(known) - 1, out=places)
    found: np.ndarray = known[places] == values
    return found


def count_distinct(values: np.ndarray) -> int:
    """Return the number of distinct values, none of them NaN.

    A sort of millions is faster than numpy's table of hashes.
    """
    values = np.sort(values)
    return len(values) and 1 + int(np.count_nonzero(values[1:] != values[:-1]))


def value_keys(values: pd.Series) -> np.ndarray:
    """Return one uint64 per value, the same for equal values.

    Values are numbers or text; missing ones are equal. The key depends on the value alone: 7 and 7.0 are the text "7", and
    "007" is another one.
    """
    codes, unique = pd.factorize(values, use_na_sentinel=False)
    texts = np.array([_as_text(value) for value in unique.tolist()], dtype=object)
    keys: np.ndarray = pd.util.hash_array(texts, categorize=False)
    return keys[codes]


def _as_text(value: object) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def as_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a data frame with every column as float64, in the order of values.

    Equal values of this frame are equal.
    """
    columns = {name: kind_of(frame[name]).as_numbers(frame[name]) for name in frame.columns}
    return pd.DataFrame(columns, index=frame.index)


def kind_of(column: pd.Series) -> Kind:
    """Return the kind of a column of a data frame, by its type.

    Numbers have one key, whatever their kind.
    """
    if pd.api.types.is_datetime64_dtype(column.dtype):
        return KINDS["datetime"]
    return KINDS["number" if pd.api.types.is_numeric_dtype(column.dtype) else "category"]
