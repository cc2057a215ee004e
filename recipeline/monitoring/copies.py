"""Copies of rows: independent observations, and rows known from training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from recipeline.data.relating.grouping import row_groups
from recipeline.inference.columns import Columns

#: A row may be there as often as chance allows with this probability.
_CHANCE = 0.999


def row_keys(rows: np.ndarray, columns: Columns) -> np.ndarray:
    """Return one key per row of shape (rows, names), equal for equal rows.

    NaN equals NaN.
    """
    return row_groups(columns.frame(rows))


def count_among(keys: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return how often each of the keys is among `others`."""
    counts: np.ndarray = pd.Series(others).value_counts().reindex(keys, fill_value=0).to_numpy()
    return counts


@dataclass(frozen=True)
class Matched:
    """Keys of later rows, which are `known` from training, and `expected` copies.

    `expected` is the number of rows equal to each that the training rows predict.
    """

    keys: np.ndarray
    known: np.ndarray
    expected: np.ndarray


def match_rows(rows: np.ndarray, reference: np.ndarray, columns: Columns, learned: np.ndarray | None = None) -> Matched:
    """Match rows of shape (rows, names) with the reference's.

    `learned` are keys of further training rows.
    """
    keys, of_reference = row_keys(rows, columns), row_keys(reference, columns)
    copies = count_among(keys, of_reference)
    known = (copies > 0) | np.isin(keys, () if learned is None else learned)
    return Matched(keys, known, copies * len(keys) / max(len(reference), 1))


def find_observations(keys: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return which rows count in a test: copies up to the number chance explains.

    At least one of them counts.

    Parameters
    ----------
    expected : the number of rows equal to each, estimated from the training rows: 0 for rows that no training row equals,
        which therefore count once; large in a table of few levels, where equal rows are different observations. A row counts
        up to the 99.9 % quantile of the Poisson distribution of that mean.
    """
    allowed = np.maximum(1, stats.poisson.ppf(_CHANCE, expected))
    observed: np.ndarray = pd.Series(keys).groupby(keys).cumcount().to_numpy() < allowed
    return observed
