"""The schema of a recipe's table, and all its violations in row order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from recipeline.config.columns import is_pattern
from recipeline.config.recipe import Recipe
from recipeline.data.checking.causes import Groups, compare_names
from recipeline.data.checking.conditions import conditions_of, keep_rows
from recipeline.data.checking.numbers import list_fields, show_field
from recipeline.data.kinds.every import KINDS
from recipeline.data.reading.parquet_files import MemoryRows
from recipeline.data.reading.pieces import Piece, Table
from recipeline.errors import DataError

#: The attributes of a validated table that count the rows left out, because they have no target or by the recipe's
#: `rows.filter`; absent if there are none.
DROPPED, FILTERED = "rows without a target", "rows that rows.filter leaves out"

#: The columns of `violations.csv`; the file is there where there are several.
_FILE, _FIELDS = "file", ("row", "column", "rule", "got")


class SchemaViolations(DataError):
    """Violations of the recipe's schema.

    `table` has one row per fault: row, column, rule, got.
    """

    def __init__(self, table: pd.DataFrame, origin: str, lines: Sequence[str]) -> None:
        self.table = table
        super().__init__(
            f"{origin} must follow the recipe's columns, "
            f"and breaks their rules in {len(table)} {'place' if len(table) == 1 else 'places'}.",
            fix="Correct the rows (row 1 is the first below the header), or the recipe where its rule is wrong.",
            details=lines,
        )


def validate_table(
    table: pd.DataFrame | pa.Table | Sequence[Table], recipe: Recipe, *, origin: str, is_all: bool = True
) -> pd.DataFrame:
    """Return `table` with the recipe's columns in order, as float64.

    An integer target is int64. Patterns of the recipe stand for columns of the table. Rows that `rows.filter` leaves out are
    not checked.

    Parameters
    ----------
    table : any frame; not changed.
    origin : names the source in errors.
    is_all : the table has all training rows; else it may have few rows, and one target value.

    Raises
    ------
    SchemaViolations : a column is missing, or unknown unless the recipe's `other_columns` is ignore, or a value is of another
        type, missing, infinite, not whole, or out of range.
    DataError : too few rows, or all rows have the same target.
    """
    files = _as_files(table, origin)
    if recipe.patterns:
        recipe = recipe.with_columns(
            dict.fromkeys(name for it in files for name in it.file.columns if name not in it.file.index)
        )
    check = _Check(recipe, files)
    for file in check.files:
        check.read(file)
    check.require_faultless(origin)
    columns = check.joined()
    rows = len(columns[recipe.target])
    if is_all and check.rows and not rows:
        raise DataError(
            f"{origin} has no value of the target '{recipe.target}' in any of its {check.rows} rows (missing_target: drop).",
            fix="Name a table whose target is known.",
        )
    if is_all and check.filtered and not check.rows:
        raise DataError(
            f"{origin} has no rows to train on: rows.filter leaves out all of its {check.filtered} rows.",
            fix="Correct rows.filter in the recipe, or name another table.",
        )
    if is_all and not rows:
        raise DataError(f"{origin} has no rows: header only.", fix="Name a file that holds the table.")
    if is_all and rows < recipe.data.min_rows:
        raise DataError(
            f"{origin} must have at least {recipe.data.min_rows} rows.",
            got=f"{rows} and {check.filtered} that rows.filter leaves out" if check.filtered else rows,
            fix="Name a larger table, or lower data.min_rows in the recipe.",
        )
    if is_all and columns[recipe.target].nunique() < 2:
        only = columns[recipe.target].iloc[0]
        raise DataError(
            f"{origin} must have different values in its target '{recipe.target}'.",
            got=f"only {show_field(only) if isinstance(only, str) else f'{only:g}'}",
            fix="Name a table with different targets.",
        )
    # Features stay floats: a signature of integers could not take a missing value, nor 7.0 for 7.
    if recipe.columns[recipe.target].type == "integer":
        columns[recipe.target] = columns[recipe.target].astype("int64")
    frame = pd.DataFrame({name: columns[name] for name in recipe.columns}, copy=False)
    if dropped := check.rows - rows:
        frame.attrs[DROPPED] = dropped
    if check.filtered:
        frame.attrs[FILTERED] = check.filtered
    return frame


def _as_files(table: pd.DataFrame | pa.Table | Sequence[Table], origin: str) -> Sequence[Table]:
    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table, preserve_index=False)
    return [Table(MemoryRows(table), origin)] if isinstance(table, pa.Table) else table


class _Check:
    """The check of files, read piece by piece: typed columns and all faults."""

    def __init__(self, recipe: Recipe, files: Sequence[Table]) -> None:
        self.recipe, self.files, self.rows, self.filtered = recipe, files, 0, 0
        self._conditions = conditions_of(recipe)
        self._parts: dict[str, list[pd.Series]] = {name: [] for name in recipe.columns}
        self._faults: list[tuple[str, int, str, str, str]] = []
        self._groups = Groups()

    def read(self, table: Table) -> None:
        """Read a file."""
        file, where = table.file, _where(table)
        found = [name for name in file.columns if name not in file.index]
        for fault in compare_names(found, list(self.recipe.columns), may_have_others=self.recipe.other_columns == "ignore"):
            rule = "a pattern must match a column of the table" if is_pattern(fault.column) else fault.rule
            self._faults.append((table.name, 0, fault.column, rule, fault.got))
            if not fault.partner:  # else it is named with the column that it is meant for
                self._groups.add(fault.column, rule, fault.got, 0, where=where)
        types = dict(zip(file.columns, file.layout.schema.types, strict=True))
        readable = []
        for name, column in self.recipe.columns.items():
            if name not in found:
                continue
            if KINDS[column.type].accepts(types[name]):
                readable.append(name)
                continue
            rule, got = f"the column must hold {KINDS[column.type].noun}", f"the type {types[name]}"
            self._faults.append((table.name, 0, name, rule, got))
            self._groups.add(name, rule, got, 0, where=where)
        for piece in file.pieces():
            self._read_piece(table, piece, readable)

    def _read_piece(self, table: Table, piece: Piece, names: Sequence[str]) -> None:
        piece = self._filtered(table, piece)
        fields = dict(zip(table.file.columns, piece.rows.columns, strict=True))
        faults: list[tuple[int, int, str, str, str]] = []
        for place, name in enumerate(self.recipe.columns):
            if name in names:
                faults += [(row, place, name, rule, got) for row, rule, got in self._read_column(name, fields, piece, table)]
        for line in piece.ragged:
            faults.append((line.number, -1, "", line.rule, line.got))
            self._groups.add("", line.rule, line.got, line.number, where=_where(table))
        self._faults += [(table.name, row, name, rule, got) for row, _, name, rule, got in sorted(faults)]
        self.rows += len(piece.numbers) + len(piece.ragged)

    def _filtered(self, table: Table, piece: Piece) -> Piece:
        """Return a piece without the rows that the recipe's `rows.filter` leaves out."""
        if not self._conditions:
            return piece
        fields = dict(zip(table.file.columns, piece.rows.columns, strict=True))
        kept = keep_rows(self._conditions, fields, piece.rows.num_rows)
        if kept.all():
            return piece
        self.filtered += int((~kept).sum())
        return replace(piece, rows=piece.rows.filter(pa.array(kept)), numbers=piece.numbers[kept])

    def _read_column(self, name: str, fields: Mapping[str, pa.Array], piece: Piece, table: Table) -> list[tuple[int, str, str]]:
        """Read a column of a piece and return its faults.

        A fault names the first rule that a value breaks.
        """
        column, values = self.recipe.columns[name], fields[name]
        kind = KINDS[column.type]
        read = kind.read(values, self.recipe.na, column)
        if not self._faults:  # else there is no table in the end
            self._parts[name].append(kind.series(read.typed))
        if kind.is_faultless(read, column) and column.role != "weight":
            return []
        faults, seen = [], np.zeros(len(values), dtype=bool)
        rules = [*kind.broken(read, column)]
        if name == self.recipe.target and self.recipe.missing_target == "drop":
            rules = [(rule, broken & ~read.missing) for rule, broken in rules]
        if column.role == "weight":
            rules.append(("must be above 0, as a weight is", read.typed <= 0))
        for rule, broken in rules:
            places = np.flatnonzero(broken & ~seen)
            seen |= broken
            if len(places):
                found, rows = values.take(pa.array(places)), piece.numbers[places]
                is_number = kind.is_numeric and not read.unreadable[places[0]]
                more = {"where": _where(table), "decimal": column.decimal}
                hidden = pa.array(["(hidden)"] * len(places)) if column.role == "sensitive" else found
                self._groups.add_values(name, rule, hidden, rows, is_number=is_number, **more)
                is_secret = column.role == "sensitive"
                shown = ("a value" if is_secret else show_field(value, is_number=is_number) for value in list_fields(found))
                faults += [(row, rule, got) for row, got in zip(rows.tolist(), shown, strict=True)]
        return faults

    def require_faultless(self, origin: str) -> None:
        """Raise SchemaViolations where there are faults."""
        if self._faults:
            table = pd.DataFrame(self._faults, columns=[_FILE, *_FIELDS])
            table = table if len(self.files) > 1 else table[[*_FIELDS]]
            raise SchemaViolations(table, origin, self._groups.lines(self.rows))

    def joined(self) -> dict[str, pd.Series]:
        """Return the columns of all pieces.

        The parts of each column are released when it is joined.
        """
        columns = {name: _join(self._parts.pop(name)) for name in self.recipe.columns}
        known = columns[self.recipe.target].notna()
        if known.all():
            return columns
        return {name: values[known].reset_index(drop=True) for name, values in columns.items()}


def _join(parts: list[pd.Series]) -> pd.Series:
    return pd.concat(parts, ignore_index=True) if parts else pd.Series(dtype="float64")


def _where(table: Table) -> str:
    """Return how a row of a file begins in a sentence."""
    return f"{table.name}, " if table.name else ""
