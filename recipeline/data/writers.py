"""Tables of any size, written whole or not at all, with reproducible bytes."""

from __future__ import annotations

import csv
import fcntl
import glob
import gzip
import io
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from recipeline.errors import UnavailableError, UsageError

CSV_SUFFIXES, PARQUET_SUFFIXES = (".csv", ".tsv"), (".parquet", ".pq")

#: So many rows become text at a time.
BATCH_ROWS = 65_536

#: Fewer rows say too little of how often values repeat themselves.
_ENOUGH = 1_000

#: A function that writes rows with the columns of the table, in its order; into a CSV also lines as they are to be in it.
Write = Callable[[pa.RecordBatch | memoryview], None]


def check_output(path: Path, inputs: Sequence[Path]) -> None:
    """Raise UsageError if `path` cannot be written or is one of the inputs.

    Files of an input folder are inputs too.
    """
    if not path.parent.is_dir():
        raise UsageError(
            "output must lie in a folder that exists.", got=f"'{path}'", fix=f"Create it: mkdir -p '{path.parent}'."
        )
    if path.exists() and not path.is_file():
        raise UsageError("output must be a file.", got=f"'{path}', which is not,", fix="Name a file.")
    for other in inputs:
        if path.exists() and path.samefile(other):
            raise UsageError("output must differ from the input.", got=f"'{path}'", fix="Name another file.")
        if other.is_dir() and path.resolve().is_relative_to(other.resolve()):
            raise UsageError(
                "output must lie outside of the input folder.",
                got=f"'{path}'",
                fix="Name another folder with output=.",
            )


class Sink(Protocol):
    """A table that is being written."""

    def write(self, rows: pa.RecordBatch | memoryview) -> None:
        """Add rows; their columns are those of the table, in its order."""

    def close(self) -> None:
        """Write what is left to write."""


@dataclass(frozen=True)
class Layout:
    """The columns of an output table: CSV header with separator, and schema.

    Text is UTF-8. With `is_marked` a mark says so, to readers that expect another encoding.
    """

    header: str
    separator: str
    schema: pa.Schema
    is_marked: bool = False

    def extended(self, fields: Sequence[tuple[str, pa.DataType]]) -> Layout:
        """Return the layout with further columns."""
        header = self.separator.join((self.header, as_line([name for name, _ in fields], self.separator)))
        schema = pa.schema([*self.schema, *(pa.field(*field) for field in fields)])
        return replace(self, header=header, schema=schema)


@contextmanager
def open_sink(path: Path, layout: Layout) -> Iterator[Write]:
    """Yield a function that writes rows to `path` as CSV or Parquet, by suffix.

    A CSV is compressed if its name ends in .gz. The file replaces an existing one at the end of the block; if the block raises,
    it is not written. The same rows give the same bytes.

    Raises
    ------
    UnavailableError : it cannot be written, for example because the disk is full.
    """
    path = path.resolve()  # a link stays one
    remove_unfinished(path)  # before a killed one's part takes the room that this one needs
    with as_unwritable(path):
        unfinished, file = _begin(path)
    try:
        with file:
            with as_unwritable(path):
                sink = _make_sink(file, path, layout)

            def write(rows: pa.RecordBatch | memoryview) -> None:
                with as_unwritable(path):
                    sink.write(rows)

            try:
                yield write
                with as_unwritable(path):
                    sink.close()
                    file.flush()
                    os.fsync(file.fileno())
            except BaseException:
                # Each would try to write the rest when it is collected, or on the way out of the block.
                with suppress(Exception):
                    sink.close()
                with suppress(OSError):
                    file.close()
                raise
            with as_unwritable(path):
                unfinished.replace(path)  # before it is closed, and with that unlocked
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _begin(path: Path) -> tuple[Path, IO[bytes]]:
    """Return an unfinished file that no other process writes to or removes."""
    while True:
        unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")  # processes of two pods have the same number
        file = unfinished.open("xb")
        if _lock(file) and unfinished.exists():
            return unfinished, file
        file.close()  # another process removes it, which saw it before it was locked
        unfinished.unlink(missing_ok=True)


def remove_unfinished(path: Path) -> None:
    """Remove what killed processes left of a file; what a living one writes stays.

    Where the file system has no locks, nobody knows, and it is removed. Another user's stays.
    """
    for unfinished in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with suppress(OSError), unfinished.open("r+b") as file:
            if _lock(file):
                unfinished.unlink()


def _lock(file: IO[bytes]) -> bool:
    """Lock a file until it is closed; return whether no other process has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def is_parquet(path: Path) -> bool:
    """Whether the file at `path` is, or will be, Parquet by its name."""
    return path.suffix.lower() in PARQUET_SUFFIXES


@contextmanager
def as_unwritable(path: Path) -> Iterator[None]:
    """Raise UnavailableError where the block cannot write to `path`."""
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            f"output cannot be written to {path}: {error.strerror or error}.",
            fix="Free disk space, or name a file in another folder.",
        ) from None


def _make_sink(file: IO[bytes], path: Path, layout: Layout) -> Sink:
    if is_parquet(path):
        return _ParquetSink(file, layout)
    return _CsvSink(file, layout, packed=path.suffix.lower() == ".gz")


class _CsvSink:
    """A CSV: values are quoted only where they must be."""

    def __init__(self, file: IO[bytes], layout: Layout, *, packed: bool) -> None:
        self._packed = packed
        # No name and no time in it: the same rows are the same bytes.
        self._file: Any = gzip.GzipFile("", "wb", 6, file, mtime=0) if packed else file
        self._separator = layout.separator
        self._options = pyarrow.csv.WriteOptions(
            include_header=False, delimiter=self._separator, quoting_style="none", batch_size=BATCH_ROWS
        )
        self._file.write(f"{layout.header}\n".encode("utf-8-sig" if layout.is_marked else "utf-8"))

    def write(self, rows: pa.RecordBatch | memoryview) -> None:
        """Add rows, numbers as the shortest text that reads as the same number; or lines.

        Lines come without the last line end.
        """
        if isinstance(rows, memoryview):
            self._file.write(rows)
            self._file.write(b"\n")
            return
        buffer = pa.BufferOutputStream()
        try:
            pyarrow.csv.write_csv(rows, buffer, self._options)
            self._file.write(buffer.getvalue())
        except pa.ArrowInvalid:  # a value with a separator, a quote or a line end in it
            self._file.write(_quoted(rows, self._separator))

    def close(self) -> None:
        """End the compressed stream."""
        if self._packed:
            self._file.close()


def _quoted(rows: pa.RecordBatch, separator: str) -> bytes:
    """Return rows as lines, in quotes the values that need them."""
    columns = [pc.fill_null(pc.cast(column, pa.string()), "") for column in rows.columns]
    quoted = [
        pc.if_else(
            pc.match_substring_regex(column, f'["{separator}\r\n]'),
            pc.binary_join_element_wise('"', pc.replace_substring(column, '"', '""'), '"', ""),
            column,
        )
        for column in columns
    ]
    lines = pc.binary_join_element_wise(*quoted, separator).to_pylist()
    return "".join(f"{line}\n" for line in lines).encode()


def as_line(values: Sequence[str], separator: str) -> str:
    """Return values as a line of a CSV, without its end."""
    line = io.StringIO()
    csv.writer(line, delimiter=separator, lineterminator="").writerow(values)
    return line.getvalue()


class _ParquetSink:
    """A Parquet file."""

    def __init__(self, file: IO[bytes], layout: Layout) -> None:
        self._file, self._schema = file, layout.schema
        self._writer: pyarrow.parquet.ParquetWriter | None = None

    def write(self, rows: pa.RecordBatch) -> None:
        """Add rows as they are."""
        if self._writer is None:
            self._writer = self._open(rows)
        self._writer.write_batch(rows)

    def close(self) -> None:
        """Write the footer."""
        (self._writer or self._open()).close()

    def _open(self, first: pa.RecordBatch | None = None) -> pyarrow.parquet.ParquetWriter:
        # A dictionary of unique values takes five times as long as the rest, and makes the file larger. Of lists and structs,
        # whose leaves have other names than their column, nothing is known.
        columns = dict(zip(first.schema.names, first.columns, strict=True)) if first else {}
        is_known = bool(columns) and not any(pa.types.is_nested(column.type) for column in columns.values())
        repeating = [name for name, column in columns.items() if _repeats(column)] if is_known else True
        return pyarrow.parquet.ParquetWriter(pa.PythonFile(self._file, "w"), self._schema, use_dictionary=repeating)


def _repeats(column: pa.Array) -> bool:
    """Whether most values are there more than once, or it is not known."""
    values = column.storage if isinstance(column, pa.ExtensionArray) else column
    try:
        return len(values) < _ENOUGH or 2 * int(pc.count_distinct(values, mode="all").as_py()) <= len(values)
    except pa.ArrowNotImplementedError:
        return True
