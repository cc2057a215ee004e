"""Which rows are one observation: apart from `splits`, because it is needed where scikit-learn is not."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd


def training_rows(features: pd.DataFrame) -> pd.DataFrame:
    """Return the hashes of the rows that the model learned from, each once, sorted, in the column `row`."""
    return pd.DataFrame({"row": np.unique(row_groups(features))})


def rows_digest(rows: pd.DataFrame) -> str:
    """Return the sha256 of the training rows, features and target, in no order."""
    return hashlib.sha256(np.sort(row_groups(rows)).tobytes()).hexdigest()


def row_groups(features: pd.DataFrame) -> np.ndarray:
    """Return one uint64 per row, the same for rows with equal features: copies of one record are one group.

    It depends on the row's values alone, not on its place, the other rows or the process. -0.0 equals 0.0; NaN equals NaN.
    """
    values = features.astype("float64") + 0.0  # -0.0 + 0.0 is 0.0
    keys: np.ndarray = pd.util.hash_pandas_object(values, index=False).to_numpy()
    return keys
