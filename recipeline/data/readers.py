"""Files of rows, of any size, read in pieces. Out of a CSV every value comes as the text it is."""

from __future__ import annotations

import csv
import hashlib
import io
import lzma
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from recipeline.data.tables import SEPARATORS, detect_separator, require_distinct
from recipeline.data.writers import CSV_SUFFIXES, PARQUET_SUFFIXES, Layout, as_line
from recipeline.errors import DataError


@dataclass(frozen=True)
class Table:
    """A file of the input, by the name that errors and rejected rows have for it; "" where it is the only one."""

    file: RowFile
    label: str
    name: str = ""


#: So many bytes of a CSV, or rows of a Parquet file, are in memory at a time.
BLOCK_BYTES, BATCH_ROWS = 4 << 20, 65_536

COMPRESSIONS = {"gzip": b"\x1f\x8b", "bz2": b"BZh", "zstd": b"\x28\xb5\x2f\xfd", "xz": b"\xfd7zXZ\x00"}

_COMPRESSED_SUFFIXES = (".gz", ".bz2", ".zst", ".xz")

_PARQUET_MAGIC = b"PAR1"

_LONGEST_HEADER = 1 << 20

#: pyarrow has one type, ArrowInvalid, for all that is wrong with a file: only its words (seen in pyarrow 25) tell bytes
#: that are no UTF-8, and a row longer than a block, from the rest. Where they change, the sentence is the general one.
_NOT_UTF8_WORDS, _LONG_ROW_WORDS = "UTF8", "straddling"


@dataclass(frozen=True)
class Ragged:
    """A row with `found` fields, more or fewer than the header: its number, and as many fields as there are columns.

    Missing fields are empty; those too many are in the last one.
    """

    number: int
    fields: tuple[str, ...]
    found: int


@dataclass(frozen=True)
class Piece:
    """Some rows of a file, in order, with their numbers: 1 is the first below the header. Ragged ones are apart."""

    rows: pa.RecordBatch
    numbers: np.ndarray
    ragged: tuple[Ragged, ...] = ()


class RowFile(Protocol):
    """A file of rows: its columns as the file names them, and its rows."""

    #: The names of its columns, without spaces around them.
    columns: list[str]
    #: Of a CSV its first line as it is, and its separator; of a Parquet file what a CSV of it would have.
    layout: Layout

    def pieces(self) -> Generator[Piece, None, None]:
        """Yield all rows, piece by piece. Raises DataError where the file turns out to be broken."""


def split_name(name: str) -> tuple[str, str]:
    """Return a file's name without the suffixes of tables and compression, and the former in lower case ("": none)."""
    path = Path(name)
    if path.suffix.lower() in _COMPRESSED_SUFFIXES:
        path = path.with_suffix("")
    suffix = path.suffix.lower()
    return (path.stem, suffix) if suffix in (*CSV_SUFFIXES, *PARQUET_SUFFIXES) else (path.name, "")


def open_rows(path: Path, wanted: Sequence[str], label: str) -> RowFile:
    """Return the CSV (its separator and compression are detected) or Parquet file at `path`.

    Parameters
    ----------
    wanted : names that the header is expected to hold; they decide which separator a CSV uses.
    label : names the file in errors.

    Raises
    ------
    DataError : it cannot be read, is no table, or two of its columns have one name.
    """
    try:
        with path.open("rb") as file:
            is_parquet = file.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC
    except OSError as error:
        raise _unreadable(label, error.strerror or str(error)) from None
    found: RowFile = _ParquetFile(path, label) if is_parquet else _CsvFile(path, label, wanted)
    require_distinct(found.columns, label)
    return found


@contextmanager
def _as_data_error(label: str) -> Iterator[None]:
    """Turn what pyarrow and the decompressors raise about a broken file into a DataError."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, lzma.LZMAError) as error:
        text = " ".join(str(error).split())
        if _NOT_UTF8_WORDS in text:
            raise _not_utf8(label) from None
        if _LONG_ROW_WORDS in text:
            raise DataError(
                f"{label} must have rows of less than {BLOCK_BYTES >> 20} MB.",
                got="a longer one, or a quote that is never closed",
                fix="Correct that row.",
            ) from None
        raise _unreadable(label, text[:200]) from None


def _not_utf8(label: str) -> DataError:
    return DataError(
        f"{label} must be a Parquet file or a CSV in UTF-8.", got="bytes that are neither", fix="Save it as UTF-8."
    )


def _unreadable(label: str, reason: str) -> DataError:
    return DataError(f"{label} must be a whole CSV or Parquet file.", got=f"'{reason}'", fix="Write or download it again.")


class _CsvFile:
    """A CSV file; every column is text."""

    def __init__(self, path: Path, label: str, wanted: Sequence[str]) -> None:
        self._path, self._label = path, label
        with _as_data_error(label):
            first = self._first_line()
        if not first.strip():
            raise DataError(
                f"{label} must be a CSV or Parquet file with rows.", got="an empty file", fix="Name a file that holds rows."
            )
        try:
            text = first.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise _not_utf8(label) from None
        separator = detect_separator(text, wanted)
        if separator is None:
            raise DataError(
                f"{label} must have the model's columns in its header, separated by {', '.join(SEPARATORS.values())}.",
                got=f"'{text.strip()[:80]}'",
                fix=f"The columns are: {', '.join(wanted)}.",
            )
        header = text.strip("\r\n")
        self.columns = [name.strip() for name in next(csv.reader([header], delimiter=separator, skipinitialspace=True))]
        self.layout = Layout(header, separator, pa.schema([(name, pa.string()) for name in self.columns]))

    def _first_line(self) -> bytes:
        """Return the first line that is not empty; `_skipped` becomes the number of lines up to it, itself included."""
        start = b""
        with _decompressed(self._path) as stream:
            while len(start) < _LONGEST_HEADER and b"\n" not in start.lstrip(b"\r\n"):
                more = stream.read(1 << 16)
                if not more:
                    break
                start += more
        lines = start.split(b"\n")
        empty = next((i for i, line in enumerate(lines) if line.strip(b"\r")), len(lines) - 1)
        self._skipped = empty + 1
        return lines[empty]

    def pieces(self) -> Generator[Piece, None, None]:
        """Yield all rows, piece by piece."""
        ragged: list[Ragged] = []
        seen = handed_on = 0
        with _as_data_error(self._label), _decompressed(self._path) as stream:
            for rows in self._read(stream, ragged):
                # The reader may be ahead: what is known by now is all ragged rows before the last of these, and perhaps more.
                known = list(ragged)
                places = np.arange(seen, seen + rows.num_rows)
                before = np.array([row.number for row in known], dtype=np.int64) - 1 - np.arange(len(known))
                numbers = places + 1 + np.searchsorted(before, places, side="right")
                seen += rows.num_rows
                passed = handed_on + sum(row.number < numbers[-1] for row in known[handed_on:]) if rows.num_rows else handed_on
                yield Piece(rows, numbers, tuple(known[handed_on:passed]))
                handed_on = passed
        if ragged[handed_on:]:
            none = pa.RecordBatch.from_pylist([], schema=self.layout.schema)
            yield Piece(none, np.zeros(0, dtype=np.int64), tuple(ragged[handed_on:]))

    def _read(self, stream: Any, ragged: list[Ragged]) -> Iterator[pa.RecordBatch]:
        """Yield the rows that have as many fields as the header; the others are added to `ragged`, in order."""

        def set_aside(row: Any) -> str:
            ragged.append(self._split(row.number - self._skipped, row.text))
            return "skip"

        yield from pyarrow.csv.open_csv(
            stream,
            # Only the serial reader numbers the rows that it cannot split.
            read_options=pyarrow.csv.ReadOptions(
                column_names=self.columns, skip_rows=self._skipped, block_size=BLOCK_BYTES, use_threads=False
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=self.layout.separator, newlines_in_values=True, invalid_row_handler=set_aside
            ),
            convert_options=pyarrow.csv.ConvertOptions(column_types=self.layout.schema),
        )

    def _split(self, number: int, text: str) -> Ragged:
        """Return the ragged row `text`."""
        separator, width = self.layout.separator, len(self.columns)
        fields = next(csv.reader(io.StringIO(text), delimiter=separator), [])
        kept = [*fields[: width - 1], separator.join(fields[width - 1 :])]
        return Ragged(number, tuple([*kept, *[""] * width][:width]), len(fields))


def compression_of(path: Path) -> str | None:
    """Return how a file is compressed, by its first bytes; None where it is not."""
    with path.open("rb") as file:
        start = file.read(6)
    return next((kind for kind, magic in COMPRESSIONS.items() if start.startswith(magic)), None)


def content_digest(path: Path, label: str) -> str:
    """Return the sha256 of a file's content, in hex: the same whether it is compressed or not.

    Raises
    ------
    DataError : it is compressed and cut off.
    """
    digest = hashlib.sha256()
    with _as_data_error(label), _decompressed(path) as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


@contextmanager
def _decompressed(path: Path) -> Iterator[Any]:
    """Give the bytes of a file as a stream, decompressed where they are compressed."""
    kind = compression_of(path)
    if kind == "xz":
        with lzma.open(path) as unpacked:
            yield unpacked
    else:
        with pa.input_stream(str(path), compression=kind) as stream:
            yield stream


class _ParquetFile:
    """A Parquet file."""

    def __init__(self, path: Path, label: str) -> None:
        self._path, self._label = path, label
        with _as_data_error(label), pyarrow.parquet.ParquetFile(path) as file:
            schema = file.schema_arrow.remove_metadata()
        self.columns = [name.strip() for name in schema.names]
        self.layout = Layout(as_line(schema.names, ","), ",", schema)

    def pieces(self) -> Generator[Piece, None, None]:
        """Yield all rows, piece by piece."""
        seen = 0
        with _as_data_error(self._label), pyarrow.parquet.ParquetFile(self._path, pre_buffer=False) as file:
            for rows in file.iter_batches(BATCH_ROWS):
                yield Piece(rows.rename_columns(self.columns), np.arange(seen, seen + rows.num_rows) + 1)
                seen += rows.num_rows
