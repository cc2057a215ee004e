"""The table schema that a recipe declares, and the violations of it, all at once and in row order."""

from __future__ import annotations

import difflib
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow
from pandera.errors import SchemaErrors

from recipeline.config.recipe import Recipe
from recipeline.config.table import Column
from recipeline.data.numbers import holds_numbers, read_numbers, show_field
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
    known = {name: column for name, column in recipe.columns.items() if name in table.columns}
    fields = {name: pyarrow.Array.from_pandas(table[name]) for name in known}
    faults += _type_faults(fields)
    read = {name: read_numbers(values, name, recipe.na) for name, values in fields.items() if holds_numbers(values.type)}
    numbers = pd.DataFrame({name: values for name, (values, _) in read.items()})
    unreadable = {name: np.isnan(values) & ~missing for name, (values, missing) in read.items()}
    faults += _value_faults(fields, numbers, unreadable, known)
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


def _type_faults(fields: dict[str, pyarrow.Array]) -> list[dict[str, Any]]:
    return [
        {"row": 0, "column": name, "rule": "the column must hold numbers", "got": f"the type {values.type}"}
        for name, values in fields.items()
        if not holds_numbers(values.type)
    ]


def _value_faults(
    fields: dict[str, pyarrow.Array], numbers: pd.DataFrame, unreadable: dict[str, np.ndarray], columns: dict[str, Column]
) -> list[dict[str, Any]]:
    """Return the values that break their column's rule; the first rule broken names the fault."""
    found = [(int(row), name, "must be a number") for name, rows in unreadable.items() for row in np.flatnonzero(rows)]
    try:
        pa.DataFrameSchema({name: _pandera_column(columns[name]) for name in unreadable}).validate(numbers, lazy=True)
    except SchemaErrors as error:
        for case in error.failure_cases.drop_duplicates(["index", "column"]).itertuples():
            if not unreadable[str(case.column)][int(case.index)]:
                rule = "must not be missing" if case.check == "not_nullable" else str(case.check)
                found.append((int(case.index), str(case.column), rule))
    return [
        {
            "row": row + 1,
            "column": name,
            "rule": rule,
            "got": show_field(fields[name][row].as_py(), is_number=not np.isnan(numbers[name].iloc[row])),
        }
        for row, name, rule in found
    ]


def _pandera_column(column: Column) -> pa.Column:
    unit = f" {column.unit}" if column.unit else ""
    checks = [pa.Check(np.isfinite, error="must be finite", ignore_na=True)]
    if column.type == "integer":
        checks.append(pa.Check(lambda values: values == values.round(), error="must be a whole number"))
    if column.role == "weight":
        checks.append(pa.Check.gt(0, error="must be above 0, as a weight is"))
    if column.min is not None:
        checks.append(pa.Check.ge(column.min, error=f"must be at least {column.min:g}{unit}"))
    if column.max is not None:
        checks.append(pa.Check.le(column.max, error=f"must be at most {column.max:g}{unit}"))
    return pa.Column("float64", checks=checks, nullable=column.nullable)
