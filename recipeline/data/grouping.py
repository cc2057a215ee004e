"""Groups of equal rows, which are one observation.

Separate from `splits`, because it is used without scikit-learn and scipy.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from recipeline.data.kinds.base import Kind
from recipeline.data.kinds.every import KINDS


def training_rows(features: pd.DataFrame) -> pd.DataFrame:
    """Return the distinct hashes of training rows, sorted, in the column `row`."""
    return pd.DataFrame({"row": np.unique(row_groups(features))})


def rows_digest(rows: pd.DataFrame) -> str:
    """Return the sha256 of the training rows, features and target, in no order."""
    return hashlib.sha256(np.sort(row_groups(rows)).tobytes()).hexdigest()


def row_groups(features: pd.DataFrame) -> np.ndarray:
    """Return one uint64 per row, equal for rows with equal features.

    Copies of one record are one group. It depends on the row's values by column name alone: not on its position, the order of
    the columns, the other rows or the process. -0.0 equals 0.0; NaN equals NaN; a number equals its float32 as far as
    `_as_written` says.
    """
    columns = {name: kind_of(features[name]).keys(features[name]).to_numpy() for name in sorted(features.columns)}
    keys: np.ndarray = pd.util.hash_pandas_object(pd.DataFrame(columns), index=False).to_numpy()
    return keys


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
