"""Predictions for files of any size, piece by piece in bounded memory."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recipeline.data.checking.causes import compare_names
from recipeline.data.checking.conditions import find_broken
from recipeline.data.checking.numbers import is_text
from recipeline.data.kinds.every import KINDS
from recipeline.data.origin.prefetch import read_ahead, write_behind
from recipeline.data.reading.pieces import Piece, Table
from recipeline.data.reading.plain_lines import Fields, PlainLines, read_plain
from recipeline.data.writers import Layout, Write, as_line, is_parquet, open_sink
from recipeline.errors import DataError, guess
from recipeline.inference.predictor import Asked
from recipeline.inference.row_checks import Checked, Fault, check_rows, is_unseen
from recipeline.inference.tally import BadRowsError, Tally

ROW, FAULT, FILE = "row", "fault", "file"

#: A function that writes what a function returns, in the thread that writes.
Later = Callable[[Callable[[], pa.RecordBatch | memoryview]], None]


@dataclass(frozen=True)
class Job:
    """A prediction of tables: model, output, and the file for bad rows.

    Without such a file (None) bad rows stop it. With `may_be_empty` the tables may have no rows.
    """

    tables: Sequence[Table]
    asked: Asked
    output: Path
    rejects: Path | None
    origin: str
    may_be_empty: bool = False

    def run(self, report: Callable[[int], None]) -> Tally:
        """Predict all rows and return their counts.

        `report` is called with the number of rows checked; the last of them are still being predicted and written.

        Raises
        ------
        DataError : a file is broken or has the wrong columns, or no file has rows.
        BadRowsError : there are bad rows, and no file for them.
        UnavailableError : the output cannot be written.
        """
        for table in self.tables:
            self._check_columns(table)
        tally = Tally()
        with ExitStack() as stack:
            sink = stack.enter_context(open_sink(self.output, self._layout))
            reject = stack.enter_context(open_sink(self.rejects, self._rejects_layout)) if self.rejects else None
            # What fails in a thread is raised at the end of its block at the latest: before a file is there.
            with write_behind(sink) as written, write_behind(_making(written)) as write:
                for table in self.tables:
                    for part in read_ahead(self._read(table)):
                        self._do(part, table, tally, write, reject)
                        report(tally.rows)
            if tally.faults and reject is None:
                raise BadRowsError(tally, self.origin)
            if not tally.rows and not self.may_be_empty:
                raise DataError(f"{self.origin} has no rows: header only.", fix="Name a file with rows.")
        return tally

    @property
    def _is_extended(self) -> bool:
        """Whether lines can be extended: answers are numbers, and rows have no warnings."""
        return self.asked.are_numbers and not self.asked.filter

    def _read(self, table: Table) -> Generator[PlainLines | Piece, None, None]:
        """Yield the rows of a table; plain lines only if they can be lines of the output."""
        layout, output = table.file.layout, self._layout
        version = self.asked.version
        if (
            is_parquet(self.output)
            or not self._is_extended
            or (table.file.columns, layout.separator) != (self._columns, output.separator)
            or as_line([version, ""], output.separator) != version + output.separator
            or self._mark == output.separator
        ):
            return table.file.pieces()
        return read_plain(table.file, Fields.of(self.asked.features))

    def _do(self, part: PlainLines | Piece, table: Table, tally: Tally, write: Later, reject: Write | None) -> None:
        """Check, predict and write rows."""
        if isinstance(part, Piece):
            self._do_piece(part, table, tally, write, reject)
            return
        checked = check_rows(part.rows, self.asked.features)
        if checked.count:
            for piece in part.pieces():
                self._do_piece(piece, table, tally, write, reject)
            return
        tally.rows += part.rows.num_rows
        if reject is None and tally.faults:  # the rest is only looked at
            return
        self._count_unseen(checked.codes, tally)
        write(lambda: part.extended(self.asked.numbers(checked.codes), self.asked.version, self._mark))

    def _do_piece(self, piece: Piece, table: Table, tally: Tally, write: Later, reject: Write | None) -> None:
        """Check, predict and write the rows of a piece."""
        rows = piece.rows.select(self._columns)
        checked = check_rows(rows, self.asked.features)
        where = f"{table.name}, " if table.name else ""
        tally.rows += rows.num_rows + len(piece.ragged)
        checked.count_into(tally.groups, piece.numbers, where)
        for line in piece.ragged:
            tally.groups.add("", line.rule, line.got, line.number, where=where)
        if reject is None and tally.faults:  # the rest is only looked at
            return
        if reject is not None and (checked.count or piece.ragged):
            ragged = (Fault(line.number, line.fault) for line in piece.ragged)
            faults = heapq.merge(checked.faults(piece.numbers), ragged, key=lambda fault: fault.row)
            rejected = self._rejected(checked, piece, table, faults)
            tally.rejected += rejected.num_rows
            reject(rejected)
        numbers = checked.codes
        if checked.count:
            rows, numbers = rows.filter(pa.array(checked.good)), numbers[checked.good]
        self._count_unseen(numbers, tally)
        broken = find_broken(self.asked.filter, dict(zip(self._columns, rows.columns, strict=True)))
        tally.left_out.update({name: int(np.count_nonzero(marked)) for name, marked in broken.items()})
        if rows.num_rows:
            write(lambda: self._answered(rows, numbers))

    def _count_unseen(self, numbers: np.ndarray, tally: Tally) -> None:
        for feature, values in zip(self.asked.features, numbers.T, strict=True):
            tally.unseen[feature.name] += int(np.count_nonzero(is_unseen(feature, values)))

    def _answered(self, rows: pa.RecordBatch, numbers: np.ndarray) -> pa.RecordBatch:
        """Return rows with their predictions.

        From text into Parquet, features that are numbers or booleans become such.
        """
        columns = list(rows.columns)
        for place, feature in self._numbers.items():
            if is_text(columns[place].type) or is_text(self._pattern.schema.types[place]):
                columns[place] = pa.array(numbers[:, feature], from_pandas=True)
        return self._as_batch([*columns, *self.asked.answer(numbers)], self.output, self._layout)

    def _rejected(self, checked: Checked, piece: Piece, table: Table, faults: Iterable[Fault]) -> pa.RecordBatch:
        """Return the bad rows in order, with their numbers and faults."""
        texts: dict[int, str] = {}
        for fault in faults:
            texts[fault.row] = f"{texts[fault.row]} {fault.text}" if fault.row in texts else fault.text
        rows, numbers = checked.rows.filter(pa.array(~checked.good)), piece.numbers[~checked.good]
        if piece.ragged:
            apart = [dict(zip(table.file.columns, row.fields, strict=True)) for row in piece.ragged]
            numbers = np.concatenate([numbers, [row.number for row in piece.ragged]])
            order = np.argsort(numbers)
            rows = pa.concat_batches([rows, pa.RecordBatch.from_pylist(apart, schema=rows.schema)]).take(pa.array(order))
        names = [pa.array([table.name] * len(texts))] if table.name else []
        added = [*names, pa.array(list(texts), pa.int64()), pa.array(list(texts.values()), pa.string())]
        assert self.rejects is not None
        return self._as_batch([*rows.columns, *added], self.rejects, self._rejects_layout)

    def _as_batch(self, columns: list[pa.Array], path: Path, layout: Layout) -> pa.RecordBatch:
        """Return columns as the table at `path` has them."""
        if not is_parquet(path):
            texts = [_as_text(column, self._mark) for column in columns]
            return pa.RecordBatch.from_arrays(texts, names=layout.schema.names)
        try:
            return pa.RecordBatch.from_arrays(
                [column.cast(kind) for column, kind in zip(columns, layout.schema.types, strict=True)], schema=layout.schema
            )
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise DataError(
                f"The files of {self.origin} must have the same types in their columns.",
                got=f"'{' '.join(str(error).split())[:200]}'",
                fix="Name an output that ends in .csv.",
            ) from None

    @property
    def _columns(self) -> list[str]:
        return self._first.file.columns

    @cached_property
    def _first(self) -> Table:
        """The table whose names, separator and types the output has.

        That of a CSV is a CSV where there is one: the text of its numbers stays, so that all others are written like them.
        """
        texts = () if is_parquet(self.output) else (table for table in self.tables if _has_text(table))
        return next(iter(texts), self.tables[0])

    @property
    def _pattern(self) -> Layout:
        return self._first.file.layout

    @cached_property
    def _numbers(self) -> dict[int, int]:
        """The features that the output has as numbers or booleans, by position.

        They may be text in a table. A Parquet file keeps its text.
        """
        if not is_parquet(self.output):
            return {}
        types, is_csv = self._pattern.schema.types, _has_text(self._first)
        places = {self._columns.index(feature.name): number for number, feature in enumerate(self.asked.features)}
        return {
            place: number
            for place, number in places.items()
            if self.asked.features[number].is_numeric and (is_csv or not is_text(types[place]))
        }

    @cached_property
    def _mark(self) -> str:
        """The mark before the fractions of answers: that of the table's own numbers."""
        marks = {feature.decimal for feature in self.asked.features}
        return marks.pop() if _has_text(self._first) and len(marks) == 1 else "."

    @cached_property
    def _layout(self) -> Layout:
        schema = self._pattern.schema
        for place, feature in self._numbers.items() if _has_text(self._first) else ():
            kind = pa.bool_() if KINDS[self.asked.features[feature].type].holds(pa.bool_()) else pa.float64()
            schema = schema.set(place, pa.field(schema.names[place], kind))
        return replace(self._pattern, schema=schema).extended(self.asked.columns)

    @cached_property
    def _rejects_layout(self) -> Layout:
        return self._pattern.extended(self._reject_columns)

    @property
    def _reject_columns(self) -> list[tuple[str, pa.DataType]]:
        names = [(FILE, pa.string())] if self.tables[0].name else []
        return [*names, (ROW, pa.int64()), (FAULT, pa.string())]

    def _check_columns(self, table: Table) -> None:
        """Raise DataError if a table has the wrong columns.

        It lacks a feature, has a column that is to be added, or differs from the first table.
        """
        found = table.file.columns
        missing = compare_names(found, self.asked.names, may_have_others=True)
        if missing:
            name = missing[0].column
            raise DataError(
                f"{table.label} lacks {'a column' if len(missing) == 1 else f'{len(missing)} columns'} of the model: '{name}'.",
                fix=f"{guess(name, sorted(set(found) - set(self.asked.names)))}Add or rename the missing columns.",
                details=[fault.line for fault in missing],
            )
        added = [name for name, _ in (*self.asked.columns, *(self._reject_columns if self.rejects else ()))]
        own = table.file.layout.schema.names  # the output has the table's own names, and these are found under the recipe's
        taken = [name for name in added if name in found or name in own]
        if taken:
            raise DataError(
                f"{table.label} must not have a column that predict adds ({', '.join(added)}).",
                got=f"'{taken[0]}'",
                fix="Rename or remove it.",
            )
        other = sorted(set(found) ^ set(self._columns))
        if other:
            raise DataError(
                f"{table.label} must have the same columns as {self._first.label}.",
                got=f"{'a further' if other[0] in found else 'no'} '{other[0]}'",
                fix="Make them alike, or predict them one by one.",
            )
        if not is_parquet(self.output):
            _require_text(table)


def _making(write: Write) -> Later:
    def make_and_write(make: Callable[[], pa.RecordBatch | memoryview]) -> None:
        write(make())

    return make_and_write


def _as_text(column: pa.Array, mark: str) -> pa.Array:
    """Return a column as a CSV can have it: numbers and booleans stay what they are.

    A fraction that is not behind a point is text.
    """
    kind = column.type
    if mark != "." and (pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return pc.replace_substring(pc.cast(column, pa.string()), ".", mark)
    plain = pa.types.is_string(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return column if plain else pc.cast(column, pa.string())


def _has_text(table: Table) -> bool:
    """Whether all columns of a table are text, as those of a CSV are."""
    schema = table.file.layout.schema
    return bool(schema.types == [pa.string()] * len(schema))


def _require_text(table: Table) -> None:
    """Raise DataError where a column of the table cannot be written as text."""
    for column in table.file.layout.schema:
        try:
            pc.cast(pa.array([], column.type), pa.string())
        except pa.ArrowNotImplementedError:
            raise DataError(
                f"The column '{column.name}' of {table.label} must be one that a CSV can hold.",
                got=f"the type {column.type}",
                fix="Name an output that ends in .parquet.",
            ) from None
