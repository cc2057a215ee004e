"""The column profile: ranges, missing values and histograms of a table."""

from __future__ import annotations

from typing import Any

import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.data.kinds.every import KINDS
from recipeline.data.kinds.number import known


def describe_columns(table: pd.DataFrame, recipe: Recipe) -> dict[str, Any]:
    """Return the column profile: rows, distinct rows, rank correlations, and what is known of each column.

    Per column: type, unit, missing, and what its kind describes (`recipeline.data.kinds`). Correlations are of the columns that
    are numbers. NaN is left out everywhere; None is what there is no value of: a mean of nothing, a correlation with a column
    that does not vary.
    """
    numeric = [name for name, column in recipe.columns.items() if KINDS[column.type].is_numeric]
    correlations = table[numeric].corr(method="spearman").to_numpy()
    return {
        "rows": len(table),
        "distinct_rows": len(table.drop_duplicates()),
        "correlations": {"columns": numeric, "spearman": [[known(value) for value in row] for row in correlations]},
        "columns": {
            name: {
                "type": column.type,
                "unit": column.unit,
                "missing": int(table[name].isna().sum()),
                **KINDS[column.type].describe(table[name]),
            }
            for name, column in recipe.columns.items()
        },
    }
