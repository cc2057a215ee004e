"""The table schema that a recipe declares, and the violations of it, all at once and in row order."""

from __future__ import annotations

import difflib
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from recipeline.config.recipe import Recipe
from recipeline.config.table import Column
from recipeline.errors import DataError

#: How many violations an error message lists; the whole list is in `Violations.table`.
LISTED = 20


class SchemaViolations(DataError):
    """The table breaks the recipe's schema; `table` has one row per fault: row, column, rule, got."""

    def __init__(self, table: pd.DataFrame, origin: str) -> None:
        self.table = table
        lines = [
            f"{'row ' + str(fault.row) + ', ' if fault.row else ''}{fault.column}: {fault.rule}. Got {fault.got} instead."
            for fault in table.head(LISTED).itertuples()
        ]
        if len(table) > LISTED:
            lines.append(f"and {len(table) - LISTED} more.")
        super().__init__(
            f"{origin} must follow the recipe's columns, "
            f"and breaks their rules in {len(table)} {'place' if len(table) == 1 else 'places'}.",
            fix="Correct the rows (row 1 is the first below the header), or the recipe where its rule is wrong.",
            details=lines,
        )


def validate_table(table: pd.DataFrame, recipe: Recipe, *, origin: str, is_all: bool = True) -> pd.DataFrame:
    """Return `table` as the recipe declares it: its columns in its order, float64, but an integer target as int64.

    Parameters
    ----------
    table : any frame; left as it is.
    origin : names the source in errors.
    is_all : whether it is all that is learned from; else it may have few rows, and one target.

    Raises
    ------
    SchemaViolations : a column is missing or unknown, or a value is text, missing, infinite, not whole, or out of range.
    DataError : too few rows, or all rows have the same target.
    """
    faults = _column_faults(table, recipe)
    known = [column for column in recipe.columns if column in table.columns]
    numbers = table[known].apply(_to_number)
    faults += _value_faults(table, numbers, {column: recipe.columns[column] for column in known})
    if faults:
        order = {column: i for i, column in enumerate(recipe.columns)}
        faults.sort(key=lambda fault: (fault["row"], order.get(fault["column"], len(order)), fault["column"]))
        raise SchemaViolations(pd.DataFrame(faults), origin)
    if is_all and len(table) < recipe.data.min_rows:
        raise DataError(
            f"{origin} must have at least {recipe.data.min_rows} rows.",
            got=len(table),
            fix="Name a larger table, or lower data.min_rows in the recipe.",
        )
    if is_all and numbers[recipe.target].nunique() < 2:
        raise DataError(
            f"{origin} must have different values in its target '{recipe.target}'.",
            got=f"only {numbers[recipe.target].iloc[0]:g}",
            fix="There is nothing to learn from such a table.",
        )
    table = numbers[list(recipe.columns)].reset_index(drop=True)
    # Features stay floats: a signature of integers could not take a missing value, nor 7.0 for 7.
    return table.astype({recipe.target: "int64"}) if recipe.columns[recipe.target].type == "integer" else table


def _to_number(values: pd.Series) -> pd.Series:
    """Return `values` as float64, NaN where it is no number; booleans are none."""
    is_bool = (
        values.map(lambda value: isinstance(value, (bool, np.bool_)))
        if values.dtype == object
        else (pd.Series(pd.api.types.is_bool_dtype(values), index=values.index))
    )
    numbers: pd.Series = pd.to_numeric(values, errors="coerce").astype("float64").mask(is_bool)
    return numbers


def _column_faults(table: pd.DataFrame, recipe: Recipe) -> list[dict[str, Any]]:
    found = [str(column) for column in table.columns]
    missing = [name for name in recipe.columns if name not in found]
    extra = [name for name in found if name not in recipe.columns]
    faults = [{"row": 0, "column": name, "rule": "the column must be there", "got": f"no column '{name}'"} for name in missing]
    for name in extra:
        close = difflib.get_close_matches(name, missing, n=1)
        guess = f" (is it '{close[0]}'?)" if close else ""
        faults.append(
            {
                "row": 0,
                "column": name,
                "rule": "only the recipe's columns may be there",
                "got": f"a column '{name}'{guess}",
            }
        )
    return faults


def _value_faults(table: pd.DataFrame, numbers: pd.DataFrame, columns: dict[str, Column]) -> list[dict[str, Any]]:
    """Return the values that break their column's rule; the first rule broken names the fault."""
    try:
        pa.DataFrameSchema({name: _pandera_column(column) for name, column in columns.items()}).validate(
            numbers.reset_index(drop=True), lazy=True
        )
    except SchemaErrors as error:
        cases = error.failure_cases.drop_duplicates(["index", "column"])
    else:
        return []
    faults = []
    for case in cases.itertuples():
        got = table[case.column].iloc[int(case.index)]
        rule = case.check
        if rule == "not_nullable":
            rule = "must not be missing" if pd.isna(got) else "must be a number"
        shown = "nothing" if pd.isna(got) else f"'{got}'" if isinstance(got, str) else f"{got}"
        faults.append({"row": int(case.index) + 1, "column": case.column, "rule": rule, "got": shown})
    return faults


def _pandera_column(column: Column) -> pa.Column:
    unit = f" {column.unit}" if column.unit else ""
    checks = [pa.Check(np.isfinite, error="must be finite", ignore_na=True)]
    if column.type == "integer":
        checks.append(pa.Check(lambda values: values == values.round(), error="must be a whole number"))
    if column.min is not None:
        checks.append(pa.Check.ge(column.min, error=f"must be at least {column.min:g}{unit}"))
    if column.max is not None:
        checks.append(pa.Check.le(column.max, error=f"must be at most {column.max:g}{unit}"))
    return pa.Column("float64", checks=checks, nullable=column.nullable)
