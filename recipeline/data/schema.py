"""The table schema that a recipe declares, and the violations of it, all at once and in row order."""

from __future__ import annotations

import difflib
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from recipeline.config.recipe import Recipe
from recipeline.config.table import Column
from recipeline.data.kinds.base import Values
from recipeline.data.kinds.every import KINDS
from recipeline.data.numbers import show_field
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
    """Return `table` as the recipe declares it: its columns in its order, each of its kind's type; an integer target is int64.

    Parameters
    ----------
    table : any frame; left as it is.
    origin : names the source in errors.
    is_all : whether it is all that is learned from; else it may have few rows, and one target.

    Raises
    ------
    SchemaViolations : a column is missing or unknown, or a value is of another kind, missing, or breaks a rule of its column.
    DataError : too few rows, or all rows have the same target.
    """
    faults = _column_faults(table, recipe)
    known = {name: column for name, column in recipe.columns.items() if name in table.columns}
    typed: dict[str, pd.Series] = {}
    for name, column in known.items():
        kind, values = KINDS[column.type], pa.Array.from_pandas(table[name])
        if not kind.accepts(values.type):
            faults.append(_fault(0, name, f"the column must hold {kind.noun}", f"the type {values.type}"))
            continue
        read = kind.read(values, recipe.na, column)
        faults += _value_faults(name, column, values, read)
        typed[name] = kind.series(read.typed)
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
    if is_all and typed[recipe.target].nunique() < 2:
        raise DataError(
            f"{origin} must have different values in its target '{recipe.target}'.",
            got=f"only {typed[recipe.target].iloc[0]:g}",
            fix="There is nothing to learn from such a table.",
        )
    frame = pd.DataFrame({name: typed[name] for name in recipe.columns})
    # Features stay floats: a signature of integers could not take a missing value, nor 7.0 for 7.
    return frame.astype({recipe.target: "int64"}) if recipe.columns[recipe.target].type == "integer" else frame


def _column_faults(table: pd.DataFrame, recipe: Recipe) -> list[dict[str, Any]]:
    found = [str(column) for column in table.columns]
    missing = [name for name in recipe.columns if name not in found]
    extra = [name for name in found if name not in recipe.columns]
    faults = [_fault(0, name, "the column must be there", f"no column '{name}'") for name in missing]
    for name in extra:
        close = difflib.get_close_matches(name, missing, n=1)
        guess = f" (is it '{close[0]}'?)" if close else ""
        faults.append(_fault(0, name, "only the recipe's columns may be there", f"a column '{name}'{guess}"))
    return faults


def _value_faults(name: str, column: Column, fields: pa.Array, read: Values) -> list[dict[str, Any]]:
    """Return the values that break a rule of their column; the first rule broken names the fault."""
    faults, seen = [], np.zeros(len(fields), dtype=bool)
    rules = [*KINDS[column.type].broken(read, column)]
    if column.role == "weight":
        rules.append(("must be above 0, as a weight is", read.typed <= 0))
    for rule, broken in rules:
        for row in np.flatnonzero(broken & ~seen):
            got = show_field(fields[int(row)].as_py(), is_number=KINDS[column.type].is_numeric and not read.unreadable[row])
            faults.append(_fault(int(row) + 1, name, rule, got))
        seen |= broken
    return faults


def _fault(row: int, column: str, rule: str, got: str) -> dict[str, Any]:
    return {"row": row, "column": column, "rule": rule, "got": got}
