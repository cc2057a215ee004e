"""The schema of a recipe's table, and all its violations in row order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from recipeline.config.columns import is_pattern
from recipeline.config.recipe import Recipe
from recipeline.config.tasks import TASK_RULES
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

#: From here on float64 has no place for each whole number.
_LONG, _SHORT = 2.0**53, "must be below 2^53 in size"

#: Targets that differ by less have squares without digits.
_LEAST = 1e-150

#: So many faults are listed one by one.
MOST_FAULTS = 1_000_000

#: The columns of `violations.csv`; the file is there where there are several.
_FILE, _FIELDS = "file", ("row", "column", "rule", "got")


class SchemaViolations(DataError):
    """Violations of the recipe's schema.

    `table` has one row per fault: row, column, rule, got; of more than MOST_FAULTS the first ones.
    """

    def __init__(self, table: pd.DataFrame, origin: str, lines: Sequence[str], count: int) -> None:
        self.table = table
        listed = "" if count == len(table) else f" violations.csv lists the first {len(table):,}."
        super().__init__(
            f"{origin} must follow the recipe's columns, "
            f"and breaks their rules in {count} {'place' if count == 1 else 'places'}.{listed}",
            fix="Correct the rows (row 1 is the first below the header), or the recipe where its rule is wrong.",
            details=lines,
        )


def validate_table(
    table: pd.DataFrame | pa.Table | Sequence[Table], recipe: Recipe, *, origin: str, is_all: bool = True
) -> pd.DataFrame:
    """Return `table` with the recipe's columns in order, as float64.

    It is what `TableCheck` yields, as one frame, whose attributes DROPPED and FILTERED count rows that are left out.

    Parameters
    ----------
    table : any frame; not changed.
    origin : names the source in errors.
    is_all : the table has all training rows; else it may have few rows, and one target value.

    Raises
    ------
    SchemaViolations, DataError : as `TableCheck.batches`.
    """
    check = TableCheck(table, recipe, origin=origin, is_all=is_all)
    (frame,) = check.batches()
    frame.attrs |= check.left_out
    return frame


def _as_files(table: pd.DataFrame | pa.Table | Sequence[Table], origin: str) -> Sequence[Table]:
    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table, preserve_index=False)
    return [Table(MemoryRows(table), origin)] if isinstance(table, pa.Table) else table


def _refuse_long(recipe: Recipe) -> dict[str, str]:
    """Return the rule for numbers from 2^53 on, of groups, labels and IDs.

    These are names, of which the next number is another one. It is as good of a feature, a time, a weight or a number that is
    predicted, but an integer target is an int64.
    """
    rules, as_numbers = dict[str, str](), {*recipe.features, recipe.split.time, recipe.weight}
    for name, it in recipe.columns.items():
        are_names = KINDS[it.type].is_whole or name == recipe.split.group or it.role == "id"
        if KINDS[it.type].is_numeric and are_names and name not in as_numbers and it.role != "ignore":
            is_predicted = name == recipe.target and not TASK_RULES[recipe.task].has_labels
            rules[name] = f"{_SHORT}: longer " + (
                "ones are of the type number" if is_predicted else "numbers are names, of the type category"
            )
    return rules


class TableCheck:
    """The check of a table that is read piece by piece: valid rows, or all faults.

    Patterns of the recipe stand for columns of the table: `recipe` has these. Rows that `rows.filter` leaves out are not
    checked. `left_out` has the numbers of rows that are in no batch, by DROPPED and FILTERED, once all are read.

    Parameters are those of `validate_table`.
    """

    def __init__(
        self, table: pd.DataFrame | pa.Table | Sequence[Table], recipe: Recipe, *, origin: str, is_all: bool = True
    ) -> None:
        self.files, self.origin, self.is_all = _as_files(table, origin), origin, is_all
        if recipe.patterns:
            names = (name for it in self.files for name in it.file.columns if name not in it.file.index)
            recipe = recipe.with_columns(dict.fromkeys(names))
        self.recipe, self.rows, self.filtered, self.kept = recipe, 0, 0, 0
        self._conditions = conditions_of(recipe)
        self._long = _refuse_long(recipe)
        self._parts: dict[str, list[pd.Series]] = {name: [] for name in recipe.columns}
        self._no_rows: dict[str, pd.Series] = {}
        self._held = 0
        self._only: object = None
        self._away = 0.0
        self._faults: list[tuple[str, int, str, str, str]] = []
        self._count = 0
        self._groups = Groups()

    def batches(self, cells: float = math.inf, then: Callable[[], object] | None = None) -> Iterator[pd.DataFrame]:
        """Yield the valid rows, numbered from 0, with the recipe's columns in order.

        Numbers are float64; an integer target is int64. A frame has little more than `cells` cells; the last one is yielded
        when the whole table is known to be valid and `then` was called. There is one frame at least.

        Raises
        ------
        SchemaViolations : a column is missing, or unknown unless the recipe's `other_columns` is ignore, or a value is of
            another type, missing, infinite, not whole, or out of range.
        DataError : too few rows, or all rows have the same target.
        """
        for table in self.files:
            readable = self._read_header(table)
            for piece in table.file.pieces():
                self._read_piece(table, piece, readable)
                if self._held * len(self._parts) > cells and not self._faults:
                    yield self._frame()
        self._require_faultless()
        frame = self._frame()
        if self.is_all:
            self._require_rows()
        if then:
            then()
        yield frame

    @property
    def left_out(self) -> dict[str, int]:
        """The number of rows without a target, and of those that are filtered, if any."""
        found = {DROPPED: self.rows - self.kept, FILTERED: self.filtered}
        return {reason: count for reason, count in found.items() if count}

    def _read_header(self, table: Table) -> list[str]:
        """Check the columns of a file; return the names of those that can be read."""
        file, where = table.file, _where(table)
        found = [name for name in file.columns if name not in file.index]
        for fault in compare_names(found, list(self.recipe.columns), may_have_others=self.recipe.other_columns == "ignore"):
            rule = "a pattern must match a column of the table" if is_pattern(fault.column) else fault.rule
            self._add_faults([(table.name, 0, fault.column, rule, fault.got)])
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
            self._add_faults([(table.name, 0, name, rule, got)])
            self._groups.add(name, rule, got, 0, where=where)
        return readable

    def _add_faults(self, faults: Sequence[tuple[str, int, str, str, str]]) -> None:
        """Count faults, and keep them as long as there are not too many."""
        self._count += len(faults)
        self._faults += faults[: max(0, MOST_FAULTS - len(self._faults))]

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
        self._add_faults([(table.name, row, name, rule, got) for row, _, name, rule, got in sorted(faults)])
        self.rows += len(piece.numbers) + len(piece.ragged)
        self._held += len(piece.numbers)

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
        if kind.is_faultless(read, column) and column.role != "weight" and name not in self._long:
            return []
        faults, seen = [], np.zeros(len(values), dtype=bool)
        rules = [*kind.broken(read, column)]
        if name == self.recipe.target and self.recipe.missing_target == "drop":
            rules = [(rule, broken & ~read.missing) for rule, broken in rules]
        if column.role == "weight":
            rules.append(("must be above 0, as a weight is", read.typed <= 0))
        if name in self._long:
            rules.append((self._long[name], np.abs(read.typed) >= _LONG))
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

    def _require_faultless(self) -> None:
        """Raise SchemaViolations where there are faults."""
        if self._faults:
            table = pd.DataFrame(self._faults, columns=[_FILE, *_FIELDS])
            table = table if len(self.files) > 1 else table[[*_FIELDS]]
            raise SchemaViolations(table, self.origin, self._groups.lines(self.rows), self._count)

    def _frame(self) -> pd.DataFrame:
        """Return the rows since the last frame that have a target.

        The parts of each column are released when it is joined.
        """
        columns = {}
        for name in self.recipe.columns:
            parts, self._parts[name] = self._parts[name], []
            columns[name] = _join(parts) if parts else self._no_rows.get(name, _join(parts))
            self._no_rows[name] = columns[name].iloc[:0].copy()  # of the type that a last frame without rows has, too
        self._held, target = 0, self.recipe.target
        known = columns[target].notna()
        if not known.all():
            columns = {name: values[known].reset_index(drop=True) for name, values in columns.items()}
        # Features stay floats: a signature of integers could not take a missing value, nor 7.0 for 7.
        if self.recipe.columns[target].type == "integer":
            columns[target] = columns[target].astype("int64")
        frame = pd.DataFrame(columns, copy=False)
        frame.index = pd.RangeIndex(self.kept, self.kept + len(frame))
        self.kept += len(frame)
        if len(frame):
            self._only = frame[target].iloc[0] if self._only is None else self._only
            values = frame[target].to_numpy()
            is_number = pd.api.types.is_numeric_dtype(frame[target])
            self._away = max(self._away, float(np.max(np.abs(values - self._only) if is_number else values != self._only)))
        return frame

    def _require_rows(self) -> None:
        """Raise DataError where there is too little to train on."""
        origin, target = self.origin, self.recipe.target
        if self.rows and not self.kept:
            raise DataError(
                f"{origin} has no value of the target '{target}' in any of its {self.rows} rows (missing_target: drop).",
                fix="Name a table whose target is known.",
            )
        if self.filtered and not self.rows:
            raise DataError(
                f"{origin} has no rows to train on: rows.filter leaves out all of its {self.filtered} rows.",
                fix="Correct rows.filter in the recipe, or name another table.",
            )
        if not self.kept:
            raise DataError(f"{origin} has no rows: header only.", fix="Name a file that holds the table.")
        if self.kept < self.recipe.data.min_rows:
            raise DataError(
                f"{origin} must have at least {self.recipe.data.min_rows} rows.",
                got=f"{self.kept} and {self.filtered} that rows.filter leaves out" if self.filtered else self.kept,
                fix="Name a larger table, or lower data.min_rows in the recipe.",
            )
        if self._away < _LEAST:
            only, is_same = self._only, self._away == 0
            raise DataError(
                f"{origin} must have different values in its target '{target}'.",
                got=f"only {show_field(only) if isinstance(only, str) else f'{only:g}'}{'' if is_same else ', nearly,'}",
                fix="Name a table with different targets." if is_same else "Give it in another unit.",
            )


def _join(parts: list[pd.Series]) -> pd.Series:
    return pd.concat(parts, ignore_index=True) if parts else pd.Series(dtype="float64")


def _where(table: Table) -> str:
    """Return how a row of a file begins in a sentence."""
    return f"{table.name}, " if table.name else ""
