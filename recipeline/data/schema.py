"""The table schema that a recipe declares, and the violations of it, all at once and in row order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from recipeline.config.recipe import Recipe
from recipeline.config.table import Column
from recipeline.data.causes import NO_NUMBER, Groups, compare_names
from recipeline.data.numbers import holds_numbers, read_numbers, show_field
from recipeline.data.reading.parquet_files import MemoryRows
from recipeline.data.reading.pieces import Piece, Table
from recipeline.errors import DataError

if TYPE_CHECKING:
    import pandera.pandas as pandera

#: The columns of `violations.csv`; the file is there where there are several.
_FILE, _FIELDS = "file", ("row", "column", "rule", "got")


class SchemaViolations(DataError):
    """The table breaks the recipe's schema; `table` has one row per fault: row, column, rule, got (of several files: file)."""

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
    """Return rows as the recipe declares them: its columns in its order, float64, but an integer target as int64.

    Files are read piece by piece: beside the result, one piece of them is in memory as text, and for a moment the numbers of
    all pieces a second time.

    Parameters
    ----------
    table : the files of a source, or a table in memory, which is left as it is.
    origin : names the source in errors.
    is_all : whether it is all that is learned from; else it may have few rows, and one target.

    Raises
    ------
    SchemaViolations : a column is missing or unknown, a line is no row, or a value is text, missing, infinite, not whole, or
        out of range.
    DataError : no rows or too few, or all rows have the same target.
    """
    check = _Check(recipe, _as_files(table, origin))
    for file in check.files:
        check.look_at(file)
    check.require_faultless(origin)
    numbers = check.joined()
    rows, target = numbers.shape[1], numbers[list(recipe.columns).index(recipe.target)]
    if is_all and not rows:
        raise DataError(
            f"{origin} must hold rows below its header.", got="a header only", fix="Name a file that holds the table."
        )
    if is_all and rows < recipe.data.min_rows:
        raise DataError(
            f"{origin} must have at least {recipe.data.min_rows} rows.",
            got=rows,
            fix="Name a larger table, or lower data.min_rows in the recipe.",
        )
    if is_all and not (target != target[0]).any():
        raise DataError(
            f"{origin} must have different values in its target '{recipe.target}'.",
            got=f"only {target[0]:g}",
            fix="There is nothing to learn from such a table.",
        )
    # Features stay floats: a signature of integers could not take a missing value, nor 7.0 for 7.
    frame = pd.DataFrame(numbers.T, columns=list(recipe.columns), copy=False)
    if recipe.columns[recipe.target].type == "integer":
        frame[recipe.target] = target.astype("int64")
    return frame


def _as_files(table: pd.DataFrame | pa.Table | Sequence[Table], origin: str) -> Sequence[Table]:
    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table, preserve_index=False)
    return [Table(MemoryRows(table), origin)] if isinstance(table, pa.Table) else table


class _Check:
    """The rows of files, looked at piece by piece: their numbers, and all their faults."""

    def __init__(self, recipe: Recipe, files: Sequence[Table]) -> None:
        self.recipe, self.files = recipe, files
        self._numbers: list[np.ndarray] = []
        self._faults: list[tuple[str, int, str, str, str]] = []
        self._groups, self._rows = Groups(), 0

    def look_at(self, table: Table) -> None:
        """Read a file."""
        file, where = table.file, f"{table.name}, " if table.name else ""
        found = [name for name in file.columns if name not in file.index]
        for fault in compare_names(found, list(self.recipe.columns)):
            self._note(table, 0, fault.column, fault.rule, fault.got)
            if not fault.partner:
                self._groups.add(fault.column, fault.rule, fault.got, 0, where=where)
        types = dict(zip(file.columns, file.layout.schema.types, strict=True))
        known = [name for name in self.recipe.columns if name in found]
        for name in known:
            if not holds_numbers(types[name]):
                rule, got = "the column must hold numbers", f"the type {types[name]}"
                self._note(table, 0, name, rule, got)
                self._groups.add(name, rule, got, 0, where=where)
        readable = [name for name in known if holds_numbers(types[name])]
        for piece in file.pieces():
            self._look_at_piece(table, piece, readable, where)

    def _look_at_piece(self, table: Table, piece: Piece, names: Sequence[str], where: str) -> None:
        recipe, rows = self.recipe, len(piece.numbers)
        fields = dict(zip(table.file.columns, piece.rows.columns, strict=True))
        numbers, faults = np.empty((len(recipe.columns), rows)), []
        for place, name in enumerate(recipe.columns):
            if name not in names:
                continue
            values, missing = read_numbers(fields[name], name, recipe.na, decimal=recipe.data.decimal)
            numbers[place] = values
            for rule, broken in _find_broken(recipe.columns[name], values, missing):
                places = np.flatnonzero(broken)
                found, is_number = fields[name].take(pa.array(places)), rule != NO_NUMBER and not missing[places[0]]
                shown = [show_field(value, is_number=is_number) for value in found.to_pylist()]
                faults += [
                    (row, place, name, rule, got) for row, got in zip(piece.numbers[places].tolist(), shown, strict=True)
                ]
                more = {"where": where, "decimal": recipe.data.decimal}
                self._groups.add_values(name, rule, found, piece.numbers[places], is_number=is_number, **more)
        for line in piece.ragged:
            faults.append((line.number, -1, "", line.rule, line.got))
            self._groups.add("", line.rule, line.got, line.number, where=where)
        for row, _, name, rule, got in sorted(faults):
            self._note(table, row, name, rule, got)
        self._rows += rows + len(piece.ragged)
        if not self._faults:  # else there is no table in the end
            self._numbers.append(numbers)

    def _note(self, table: Table, row: int, column: str, rule: str, got: str) -> None:
        self._faults.append((table.name, row, column, rule, got))

    def require_faultless(self, origin: str) -> None:
        """Raise SchemaViolations where there are faults."""
        if self._faults:
            table = pd.DataFrame(self._faults, columns=[_FILE, *_FIELDS])
            table = table if len(self.files) > 1 else table[[*_FIELDS]]
            raise SchemaViolations(table, origin, self._groups.lines(self._rows))

    def joined(self) -> np.ndarray:
        """Return the numbers of all pieces, (columns, rows); they are given up on the way."""
        joined, start = np.empty((len(self.recipe.columns), sum(part.shape[1] for part in self._numbers))), 0
        self._numbers.reverse()
        while self._numbers:
            part = self._numbers.pop()
            joined[:, start : start + part.shape[1]] = part
            start += part.shape[1]
        return joined


def _find_broken(column: Column, values: np.ndarray, missing: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the rules of a column that values break, with where; the first rule that a value breaks names its fault."""
    if _is_faultless(column, values, missing):
        return
    unreadable = np.isnan(values) & ~missing
    if unreadable.any():
        yield NO_NUMBER, unreadable
    rules = _broken_by_rule(column, np.where(unreadable, 0.0, values), unreadable)
    yield from rules.items()


def _is_faultless(column: Column, values: np.ndarray, missing: np.ndarray) -> bool:
    """Whether no value breaks a rule, by a look at the extremes, which is much faster than one at each."""
    known = values
    if missing.any():
        if not column.nullable:
            return False
        known = values[~missing]
    if not len(known):
        return True
    low, high = known.min(), known.max()  # NaN where one is no number
    is_within = (column.min is None or low >= column.min) and (column.max is None or high <= column.max)
    return bool(np.isfinite(low) and np.isfinite(high) and is_within and (column.type != "integer" or not (known % 1).any()))


def _broken_by_rule(column: Column, values: np.ndarray, apart: np.ndarray) -> dict[str, np.ndarray]:
    """Return for each rule that values break which ones do; those `apart` are not looked at."""
    import pandera.pandas as pandera
    from pandera.errors import SchemaErrors

    rules: dict[str, np.ndarray] = {}
    try:
        pandera.DataFrameSchema({"it": _pandera_column(column)}).validate(pd.DataFrame({"it": values}), lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases.drop_duplicates("index")
        for check, broken in cases.groupby("check", sort=False):
            rule = "must not be missing" if check == "not_nullable" else str(check)
            places = broken["index"].to_numpy(dtype=np.int64)
            rules[rule] = np.zeros(len(values), dtype=bool)
            rules[rule][places[~apart[places]]] = True
    return {rule: broken for rule, broken in rules.items() if broken.any()}


def _pandera_column(column: Column) -> pandera.Column:
    import pandera.pandas as pandera

    unit = f" {column.unit}" if column.unit else ""
    checks = [pandera.Check(np.isfinite, error="must be finite", ignore_na=True)]
    if column.type == "integer":
        checks.append(pandera.Check(lambda values: values == values.round(), error="must be a whole number"))
    if column.min is not None:
        checks.append(pandera.Check.ge(column.min, error=f"must be at least {column.min:g}{unit}"))
    if column.max is not None:
        checks.append(pandera.Check.le(column.max, error=f"must be at most {column.max:g}{unit}"))
    return pandera.Column("float64", checks=checks, nullable=column.nullable)
