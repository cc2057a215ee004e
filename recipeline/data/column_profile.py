"""The column profile: ranges, missing values and histograms of a table."""

from __future__ import annotations

import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.data.checking.schema import DROPPED, FILTERED
from recipeline.data.kinds.every import KINDS
from recipeline.data.kinds.number import known
from recipeline.data.results import ColumnProfile, Correlations, DescribedColumn

#: The reasons why rows are left out, by the attribute of the table that counts them.
_LEFT_OUT = {
    DROPPED: "rows have no target and are left out, as the recipe's missing_target says",
    FILTERED: "rows are left out, as the recipe's rows.filter says",
}


def describe_columns(table: pd.DataFrame, recipe: Recipe) -> ColumnProfile:
    """Return the column profile: rows, distinct rows, correlations, and columns.

    Per column: type, unit, missing, distinct, mean, std, quantiles, and a histogram of BINS equal bins, or one. NaN is left out
    everywhere; None is an undefined value, such as the mean of no values or a correlation with a constant column. Attributes of
    the table count the rows that it lacks.
    """
    numeric = [name for name, column in recipe.columns.items() if column.role != "sensitive" if KINDS[column.type].is_numeric]
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
            if column.role != "sensitive"
        },
        left_out={words: table.attrs[key] for key, words in _LEFT_OUT.items() if key in table.attrs},
        empty=tuple(name for name in recipe.features if table[name].isna().all()),
        matched=tuple(recipe.columns) if recipe.stated.patterns else (),
    )
