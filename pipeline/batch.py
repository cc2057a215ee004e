"""Predictions for files of any size: rows checked, predicted and written piece by piece, in bounded memory."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.compiled import Compiled, compile_model, differences
from pipeline.errors import DataError, guess
from pipeline.features import Feature
from pipeline.golden import LIMITS, PREDICTION
from pipeline.interval import Interval
from pipeline.overlap import read_ahead, write_behind
from pipeline.row_checks import Checked, Fault, check_rows, is_unseen
from pipeline.row_files import Piece, RowFile
from pipeline.row_sinks import Layout, Write, is_parquet, open_sink

VERSION = "model_version"
ROW, FAULT, FILE = "row", "fault", "file"
#: How many faults an error message lists.
LISTED = 20
# Into so many slices a piece is cut, whatever the number of threads: the last bit of a product depends on the rows in it.
SLICES, LEAST_ROWS = 4, 8_192
_CHECKED_ROWS = 100


class Predictor:
    """A fitted model as a function of an array, on `threads` threads; its answers do not depend on how many there are.

    The model is asked through its compiled form where there is one that answers as the model does. Pure forests are asked
    themselves where there are threads, because scikit-learn lets go of the interpreter while it walks a tree; and they are
    asked in the order of the leaves of their first trees: similar rows take similar ways, a third faster on distinct rows.
    """

    def __init__(self, model: Any, names: Sequence[str], *, threads: int = 1) -> None:
        self._model, self._names = model, list(names)
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        compiled = compile_model(model, self._names)
        is_forest = compiled is not None and compiled.kind == "trees"
        self._first_trees = list(getattr(model, "estimators_", ()))[:2] if is_forest else []
        self._compiled = None if is_forest and threads > 1 else compiled
        self._is_checked = False

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Return the predictions, (rows,), of float64 rows, (rows, features); NaN is for the model to take or to refuse.

        Raises
        ------
        DataError : the model refuses the rows.
        """
        if not len(rows):
            return np.zeros(0)
        if self._compiled and not self._is_checked:
            self._compiled = self._checked(self._compiled, rows)
        if not self._first_trees or len(rows) < LEAST_ROWS or not _is_plain(rows).all():
            return self._ask(rows)
        order = np.lexsort([tree.apply(rows) for tree in self._first_trees])
        predicted = np.empty(len(rows))
        predicted[order] = self._ask(rows[order])
        return predicted

    def _ask(self, rows: np.ndarray) -> np.ndarray:
        size = max(LEAST_ROWS, -(-len(rows) // SLICES))
        slices = [rows[start : start + size] for start in range(0, len(rows), size)]
        pool = None if self._compiled and self._compiled.is_light else self._pool
        return np.concatenate(list((pool.map if pool else map)(self._predict, slices)))

    def close(self) -> None:
        """End the threads."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def _checked(self, compiled: Compiled, rows: np.ndarray) -> Compiled | None:
        """Return `compiled` where it answers the first rows as the model does."""
        first = rows[_is_plain(rows)][:_CHECKED_ROWS]
        self._is_checked = bool(len(first))
        return compiled if not len(first) or not differences(compiled, self._model, self._frame(first)) else None

    def _predict(self, rows: np.ndarray) -> np.ndarray:
        if self._compiled and _is_plain(rows).all():
            return self._compiled.predict(rows)
        try:
            return np.asarray(self._model.predict(self._frame(rows)), dtype=np.float64)
        except ValueError as error:
            raise DataError(
                "The model must be able to predict every row.",
                got=f"'{' '.join(str(error).split())[:200]}'",
                fix="Correct the rows, or ask another model with model_uri=.",
            ) from None

    def _frame(self, rows: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(rows, columns=self._names)


def _is_plain(rows: np.ndarray) -> np.ndarray:
    """Return which rows a compiled model takes: without NaN, and nothing too large for float32."""
    plain: np.ndarray = (np.abs(rows) < np.finfo(np.float32).max).all(axis=1)
    return plain


@dataclass(frozen=True)
class Asked:
    """The model that is asked: its features, in its order, the function that predicts, and what is said of its answers."""

    features: tuple[Feature, ...]
    predict: Callable[[np.ndarray], np.ndarray]
    version: str
    interval: Interval | None = None

    @property
    def names(self) -> list[str]:
        """The features' names."""
        return [feature.name for feature in self.features]

    @property
    def columns(self) -> list[tuple[str, pa.DataType]]:
        """The columns that the answers are."""
        limits = LIMITS if self.interval else ()
        return [*((name, pa.float64()) for name in (PREDICTION, *limits)), (VERSION, pa.string())]

    def answer(self, rows: np.ndarray) -> list[pa.Array]:
        """Return the values of `columns` for the rows."""
        predicted = self.predict(rows)
        limits = self.interval.around(predicted, rows) if self.interval else ()
        return [*map(pa.array, (predicted, *limits)), pa.array([self.version]).take(pa.array(np.zeros(len(rows), np.int8)))]


@dataclass
class Tally:
    """What became of the rows: read, rejected, per feature predicted beyond what the model has seen; the first faults."""

    rows: int = 0
    rejected: int = 0
    faults: int = 0
    listed: list[str] = field(default_factory=list)
    unseen: Counter[str] = field(default_factory=Counter)

    @property
    def predicted(self) -> int:
        """The number of rows that were predicted."""
        return self.rows - self.rejected


class BadRowsError(DataError):
    """Rows break the rules of the model's columns."""

    def __init__(self, tally: Tally, origin: str) -> None:
        more = [f"and {tally.faults - LISTED} more."] if tally.faults > LISTED else []
        super().__init__(
            f"{origin} must follow the rules of the model's columns, "
            f"and breaks them in {tally.faults} {'place' if tally.faults == 1 else 'places'}.",
            fix="Correct the rows (row 1 is the first below the header), or set them aside with on_bad_rows=reject.",
            details=[*tally.listed, *more],
        )


@dataclass(frozen=True)
class Table:
    """A file of the input, by the name that errors and rejected rows have for it; "" where it is the only one."""

    file: RowFile
    label: str
    name: str = ""


@dataclass(frozen=True)
class Job:
    """What is predicted by whom, where to, and where bad rows go (None: they stop it)."""

    tables: Sequence[Table]
    asked: Asked
    output: Path
    rejects: Path | None
    origin: str

    def run(self, report: Callable[[int], None]) -> Tally:
        """Predict all rows, and return what became of them; `report` is told how many are done.

        Raises
        ------
        DataError : a file is broken, has other columns than it must, or no file has rows.
        BadRowsError : there are bad rows, and nowhere for them to go.
        UnavailableError : the output cannot be written.
        """
        for table in self.tables:
            self._check_columns(table)
        tally = Tally()
        with ExitStack() as stack:
            write = stack.enter_context(write_behind(stack.enter_context(open_sink(self.output, self._layout))))
            reject = stack.enter_context(open_sink(self.rejects, self._rejects_layout)) if self.rejects else None
            for table in self.tables:
                for piece in read_ahead(table.file.pieces()):
                    self._do(piece, table, tally, write, reject)
                    report(tally.rows)
            if tally.faults and reject is None:
                raise BadRowsError(tally, self.origin)
            if not tally.rows:
                raise DataError(
                    f"{self.origin} must hold rows below its header.",
                    got="a header only",
                    fix="Name a file that holds rows.",
                )
        return tally

    def _do(self, piece: Piece, table: Table, tally: Tally, write: Write, reject: Write | None) -> None:
        """Check, predict and write the rows of a piece."""
        rows = piece.rows.select(self._columns)
        checked = check_rows(rows, self.asked.features)
        ragged = (Fault(row.number, f"must have {len(self._columns)} fields. Got {row.found} instead.") for row in piece.ragged)
        faults = heapq.merge(checked.faults(piece.numbers), ragged, key=lambda fault: fault.row)
        tally.rows += rows.num_rows + len(piece.ragged)
        tally.faults += checked.count + len(piece.ragged)
        if reject is None and tally.faults:  # the rest is only looked at
            where = f"{table.name}, " if table.name else ""
            tally.listed += [f"{where}row {fault.row}, {fault.text}" for fault in islice(faults, LISTED - len(tally.listed))]
            return
        if reject is not None and (checked.count or piece.ragged):
            rejected = self._rejected(checked, piece, table, faults)
            tally.rejected += rejected.num_rows
            reject(rejected)
        numbers = checked.numbers
        if checked.count:
            rows, numbers = rows.filter(pa.array(checked.good)), numbers[checked.good]
        for feature, values in zip(self.asked.features, numbers.T, strict=True):
            tally.unseen[feature.name] += int(np.count_nonzero(is_unseen(feature, values)))
        if rows.num_rows:
            write(self._answered(rows, numbers))

    def _answered(self, rows: pa.RecordBatch, numbers: np.ndarray) -> pa.RecordBatch:
        """Return rows as they were, with their predictions; out of text into Parquet, features become the numbers they are."""
        columns = list(rows.columns)
        for place, values in zip(self._features_as_numbers, numbers.T, strict=False):
            columns[place] = pa.array(values, from_pandas=True)
        return self._as_batch([*columns, *self.asked.answer(numbers)], self.output, self._layout)

    def _rejected(self, checked: Checked, piece: Piece, table: Table, faults: Iterable[Fault]) -> pa.RecordBatch:
        """Return the bad rows whole, in order, with their numbers and what is wrong with them."""
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
            return pa.RecordBatch.from_arrays([_as_text(column) for column in columns], names=layout.schema.names)
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
        return self.tables[0].file.columns

    @cached_property
    def _features_as_numbers(self) -> list[int]:
        """The places of the features that are text and become numbers; none where text stays text."""
        schema = self.tables[0].file.layout.schema
        places = [self._columns.index(name) for name in self.asked.names]
        return places if is_parquet(self.output) and schema.types == [pa.string()] * len(schema) else []

    @cached_property
    def _layout(self) -> Layout:
        layout = self.tables[0].file.layout
        schema = layout.schema
        for place in self._features_as_numbers:
            schema = schema.set(place, pa.field(schema.names[place], pa.float64()))
        return Layout(layout.header, layout.separator, schema).extended(self.asked.columns)

    @cached_property
    def _rejects_layout(self) -> Layout:
        return self.tables[0].file.layout.extended(self._reject_columns)

    @property
    def _reject_columns(self) -> list[tuple[str, pa.DataType]]:
        names = [(FILE, pa.string())] if self.tables[0].name else []
        return [*names, (ROW, pa.int64()), (FAULT, pa.string())]

    def _check_columns(self, table: Table) -> None:
        """Raise DataError where a table lacks a feature, has a column that is to be added, or others than the first one."""
        found = table.file.columns
        missing = [name for name in self.asked.names if name not in found]
        if missing:
            raise DataError(
                f"{table.label} must have the model's columns.",
                got=f"none of the name '{missing[0]}'",
                fix=f"{guess(missing[0], sorted(set(found) - set(self.asked.names)))}Add or rename what is missing.",
                details=[f"{name}: the column must be there." for name in missing],
            )
        added = [name for name, _ in (*self.asked.columns, *(self._reject_columns if self.rejects else ()))]
        taken = [name for name in added if name in found]
        if taken:
            raise DataError(
                f"{table.label} must not have a column that is added to it ({', '.join(added)}).",
                got=f"'{taken[0]}'",
                fix="Rename it, or take it out.",
            )
        other = sorted(set(found) ^ set(self._columns))
        if other:
            raise DataError(
                f"{table.label} must have the same columns as {self.tables[0].label}.",
                got=f"{'a further' if other[0] in found else 'no'} '{other[0]}'",
                fix="Make them alike, or predict them one by one.",
            )
        if not is_parquet(self.output):
            _require_text(table)


def _as_text(column: pa.Array) -> pa.Array:
    """Return a column as a CSV can have it: numbers and booleans stay what they are."""
    kind = column.type
    plain = pa.types.is_string(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return column if plain else pc.cast(column, pa.string())


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
