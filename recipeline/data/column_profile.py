"""The column profile: ranges, missing values and histograms of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.data.checking.schema import DROPPED, FILTERED
from recipeline.data.kinds.base import Kind, Whole
from recipeline.data.kinds.every import KINDS
from recipeline.data.kinds.number import known
from recipeline.data.relating.grouping import count_distinct, kind_of
from recipeline.data.results import ColumnProfile, Correlations, DescribedColumn
from recipeline.data.stored_rows import SAMPLED, StoredRows

#: The reasons why rows are left out, by their names in `TableCheck.left_out`.
_LEFT_OUT = {
    DROPPED: "rows have no target and are left out, as the recipe's missing_target says",
    FILTERED: "rows are left out, as the recipe's rows.filter says",
}

#: Of more columns of numbers, as many have correlations: a table of 2,000 has two million pairs.
MOST_CORRELATED = 300

_NONE: Mapping[str, int] = {}


def describe_rows(rows: StoredRows, recipe: Recipe, left_out: Mapping[str, int] = _NONE) -> ColumnProfile:
    """Return the column profile of stored rows, as `describe_columns` does.

    A table with more cells than are held has quantiles, histograms, counts and correlations of a uniform sample;
    numbers of rows, of missing and of distinct values, means, deviations, and the least and greatest values are exact.
    """
    if not rows.is_large:
        return describe_columns(rows.read(), recipe, left_out)
    sample = rows.sample(SAMPLED // len(rows.columns), recipe.random_state)
    profile = _describe(sample, recipe, left_out)
    spreads = {name: _Spread(KINDS[recipe.columns[name].type]) for name in profile.columns}
    hashes = rows.map(lambda batch: _add(spreads, batch))
    columns = {}
    for name, found in profile.columns.items():
        kind = KINDS[found.type]
        keys = rows.map(lambda batch, name=name: _keys(batch[name].dropna()), [name])  # type: ignore[misc]
        exact = kind.exactly(found, spreads[name].whole(count_distinct(keys)))
        columns[name] = replace(exact, missing=rows.missing[name])
    return replace(
        profile,
        rows=len(rows),
        distinct_rows=count_distinct(hashes),
        columns=columns,
        empty=tuple(name for name in recipe.features if rows.missing[name] == len(rows)),
        sampled_rows=len(sample),
    )


def describe_columns(table: pd.DataFrame, recipe: Recipe, left_out: Mapping[str, int] = _NONE) -> ColumnProfile:
    """Return the column profile: rows, distinct rows, correlations, and columns.

    Per column: type, unit, missing, distinct, mean, std, quantiles, and a histogram of BINS equal bins, or one. NaN is left out
    everywhere; None is an undefined value, such as the mean of no values or a correlation with a constant column. `left_out`
    counts the rows that the table lacks, as `TableCheck.left_out` does.
    """
    return replace(_describe(table, recipe, left_out), distinct_rows=len(table.drop_duplicates()))


def _describe(table: pd.DataFrame, recipe: Recipe, left_out: Mapping[str, int]) -> ColumnProfile:
    """Return the column profile without the number of distinct rows."""
    numeric = [name for name, column in recipe.columns.items() if column.role != "sensitive" if KINDS[column.type].is_numeric]
    return ColumnProfile(
        rows=len(table),
        distinct_rows=0,
        correlations=_correlate(table[numeric], recipe.target),
        columns={
            name: DescribedColumn(
                **vars(KINDS[column.type].describe(table[name])),
                type=column.type,
                unit=column.unit,
                missing=int(table[name].isna().sum()),
            )
            for name, column in recipe.columns.items()
            if column.role != "sensitive"
        },
        left_out={words: left_out[key] for key, words in _LEFT_OUT.items() if key in left_out},
        empty=tuple(name for name in recipe.features if table[name].isna().all()),
        matched=tuple(recipe.columns) if recipe.stated.patterns else (),
    )


def _correlate(numbers: pd.DataFrame, target: str) -> Correlations:
    """Return Spearman's rank correlations of columns of numbers.

    A table with more than MOST_CORRELATED has those of the target and of the columns with the strongest ones, in order.
    """
    found, names = numbers.corr(method="spearman").to_numpy(), np.array(numbers.columns, dtype=object)
    if len(names) > MOST_CORRELATED:
        strength = np.nan_to_num(np.abs(found))
        np.fill_diagonal(strength, 0.0)
        strongest = np.where(names == target, np.inf, strength.max(axis=1))
        kept = np.sort(np.argsort(-strongest, kind="stable")[:MOST_CORRELATED])
        found, names = found[np.ix_(kept, kept)], names[kept]
    return Correlations(tuple(names.tolist()), tuple(tuple(known(value) for value in row) for row in found))


@dataclass
class _Spread:
    """The spread of a column's values, batch by batch."""

    kind: Kind
    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    least: Any = None
    greatest: Any = None

    def add(self, values: pd.Series) -> None:
        """Add a batch's values; missing ones are left out.

        Sums of squares are merged as Chan, Golub and LeVeque (1983) do: without loss of digits.
        """
        values = values.dropna()
        if not len(values) or not self.kind.is_ordered:
            return
        low, high = values.min(), values.max()
        self.least = low if self.least is None else min(self.least, low)
        self.greatest = high if self.greatest is None else max(self.greatest, high)
        if self.kind.is_numeric:
            numbers = values.to_numpy(dtype=float)
            count, mean = len(numbers), float(numbers.mean())
            total, apart = self.count + count, mean - self.mean
            # Not `apart**2`, which raises an error of a number that is too large.
            self.squares += float(np.square(numbers - mean).sum()) + apart * (self.count * count / total) * apart
            self.mean += apart * count / total
            self.count = total

    def whole(self, distinct: int) -> Whole:
        """Return the spread of all values, beside the number of `distinct` ones."""
        mean = known(self.mean) if self.count else None
        std = known(np.sqrt(self.squares / (self.count - 1))) if self.count > 1 else None
        return Whole(distinct, mean, std, self.least, self.greatest)


def _add(spreads: Mapping[str, _Spread], batch: pd.DataFrame) -> np.ndarray:
    """Add a batch to the spreads of its columns; return a hash of each row."""
    for name, spread in spreads.items():
        spread.add(batch[name])
    keys = pd.DataFrame({name: _keys(batch[name]) for name in batch.columns})
    return pd.util.hash_pandas_object(keys, index=False).to_numpy()


def _keys(column: pd.Series) -> np.ndarray:
    """Return values of 8 bytes, equal for equal values and for missing ones."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy(dtype=float) + 0.0  # -0.0 is 0.0
    keys = kind_of(column).keys(column).to_numpy()
    return keys if keys.dtype.kind == "i" else pd.util.hash_array(keys)
