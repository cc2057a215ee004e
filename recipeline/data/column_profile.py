"""The column profile: ranges, missing values and histograms of a table."""

from __future__ import annotations

import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.data.kinds.every import KINDS
from recipeline.data.kinds.number import known
from recipeline.data.results import ColumnProfile, Correlations, DescribedColumn


def describe_columns(table: pd.DataFrame, recipe: Recipe) -> ColumnProfile:
    """Return the column profile: rows, distinct rows, correlations, and columns.

    Per column: type, unit, missing, distinct, mean, std, quantiles, and a histogram of BINS equal bins, or one. NaN is left out
    everywhere; None is an undefined value, such as the mean of no values or a correlation with a constant column.
    """
    numeric = [name for name, column in recipe.columns.items() if KINDS[column.type].is_numeric]
    correlations = table[numeric].corr(method="spearman").to_numpy()
    return ColumnProfile(
        rows=len(table),
        distinct_rows=len(table.drop_duplicates()),
        correlations=Correlations(tuple(numeric), tuple(tuple(known(value) for value in row) for row in correlations)),
        columns={
            name: DescribedColumn(
                **vars(KINDS[column.type].describe(table[name])),
                type=column.type,
                unit=column.unit,
                missing=int(table[name].isna().sum()),
            )
            for name, column in recipe.columns.items()
        },
    )
