"""The column profile: ranges, missing values and histograms of a table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.data.results import ColumnProfile, Correlations, DescribedColumn, Histogram

#: Bins of a column's histogram.
BINS = 30


def describe_columns(table: pd.DataFrame, recipe: Recipe) -> ColumnProfile:
    """Return the column profile: rows, distinct rows, rank correlations, and what is known of each column.

    Per column: type, unit, missing, distinct, mean, std, quantiles, and a histogram of BINS equal bins, or one. NaN is left out
    everywhere; None is what there is no value of: a mean of nothing, a correlation with a column that does not vary.
    """
    quantiles = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)
    correlations = table[list(recipe.columns)].corr(method="spearman").to_numpy()
    return ColumnProfile(
        rows=len(table),
        distinct_rows=len(table.drop_duplicates()),
        correlations=Correlations(
            columns=tuple(recipe.columns), spearman=tuple(tuple(_known(value) for value in row) for row in correlations)
        ),
        columns={
            name: DescribedColumn(
                type=column.type,
                unit=column.unit,
                missing=int(table[name].isna().sum()),
                distinct=int(table[name].nunique()),
                mean=_known(table[name].mean()),
                std=_known(table[name].std()),
                quantiles={
                    f"{q:g}": _known(value) for q, value in zip(quantiles, table[name].quantile(quantiles), strict=True)
                },
                histogram=_histogram(table[name]),
            )
            for name, column in recipe.columns.items()
        },
    )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _histogram(values: pd.Series) -> Histogram:
    known = values.dropna().to_numpy(dtype=float)
    try:
        counts, edges = np.histogram(known, bins=BINS)
    except ValueError:  # the values are so close together that there is no number between them
        counts, edges = np.array([len(known)]), np.array([known.min(), known.max()])
    return Histogram(tuple(edges.tolist()), tuple(counts.tolist()))
