"""The column profile: ranges, missing values and histograms of a table."""

from __future__ import annotations

import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.data.kinds.every import KINDS
from recipeline.data.kinds.number import known
from recipeline.data.results import ColumnProfile, Correlations, DescribedColumn


def describe_columns(table: pd.DataFrame, recipe: Recipe) -> ColumnProfile:
    """Return the column profile: rows, distinct rows, rank correlations, and what is known of each column.

    Per column: type, unit, missing, and what its kind describes (`recipeline.data.kinds`). Correlations are of the columns that
    are numbers. NaN is left out everywhere; None is what there is no value of: a mean of nothing, a correlation with a column
    that does not vary.
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
