"""Which rows are one observation: apart from `splits`, because it is needed where scikit-learn and scipy are not."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pandas as pd


def training_rows(features: pd.DataFrame, group: pd.Series | None = None, times: np.ndarray | None = None) -> pd.DataFrame:
    """Return the hashes of the rows that the model learned from, each once, sorted, in the column `row`.

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
    """Return one uint64 per row, the same for rows with equal features: copies of one record are one group.

    It depends on the row's values by column name alone: on neither its place, the order of the columns, the other rows nor the
    process. -0.0 equals 0.0; NaN equals NaN; a number equals its float32 as far as `_as_written` says.
    """
    names = sorted(features.columns)
    values = _as_written(features[names].to_numpy(dtype="float64")) + 0.0  # -0.0 + 0.0 is 0.0
    keys: np.ndarray = pd.util.hash_pandas_object(pd.DataFrame(values, columns=names), index=False).to_numpy()
    return keys


def value_keys(values: pd.Series) -> np.ndarray:
    """Return one uint64 per value, the same for equal values: numbers or text, missing ones are equal too.

    It depends on the value alone: 7 and 7.0 are the text "7", and "007" is another one.
    """
    codes, unique = pd.factorize(values, use_na_sentinel=False)
    texts = np.array([_as_text(value) for value in unique.tolist()], dtype=object)
    keys: np.ndarray = pd.util.hash_array(texts, categorize=False)
    return keys[codes]


def _as_text(value: object) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


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
