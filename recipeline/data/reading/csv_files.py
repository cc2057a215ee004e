"""A CSV of any size, read in pieces.

Values are unchanged text; lines that are not rows are kept apart.
"""

from __future__ import annotations

import codecs
import csv
import io
import lzma
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from recipeline.data.reading.formats import (
    IN_RECIPE,
    PARQUET_MAGIC,
    Format,
    NulError,
    Place,
    SettingNames,
    Text,
    decompressed,
    not_encoded,
    refuse_other,
)
from recipeline.data.reading.header import SEPARATORS, HeaderError, fault_of, read_header
from recipeline.data.reading.lines import Behind, Lines
from recipeline.data.reading.pieces import Piece, Ragged
from recipeline.data.writers import Layout
from recipeline.errors import DataError

#: So many bytes of a CSV are in memory at a time.
BLOCK_BYTES = 4 << 20

_LONGEST_HEADER = 1 << 20

#: pyarrow has one type, ArrowInvalid, for all that is wrong with a file: only its words (seen in pyarrow 25) tell bytes
#: that are no UTF-8, and a row longer than a block, from the rest. Where they change, the sentence is the general one.
_NOT_UTF8_WORDS, _LONG_ROW_WORDS = "UTF8", "straddling"


@contextmanager
def as_data_error(label: str, encoding: str, names: SettingNames = IN_RECIPE) -> Iterator[None]:
    """Turn errors of pyarrow and decompressors on a broken file into DataError."""
    try:
        yield
    except NulError:
        raise DataError(
            f"{label} is not text: it has a NUL byte.",
            fix=f"Write it again; if it is UTF-16 without a mark, state utf-16-le as {names.encoding}.",
        ) from None
    except UnicodeDecodeError as error:
        raise not_encoded(label, encoding if error.encoding == "charmap" else error.encoding, names) from None
    except (pa.ArrowException, OSError, EOFError, lzma.LZMAError, zlib.error, csv.Error) as error:
        text = " ".join(str(error).split())
        if _NOT_UTF8_WORDS in text:
            raise not_encoded(label, encoding, names) from None
        if _LONG_ROW_WORDS in text:
            raise too_long(label) from None
        raise unreadable(label, text[:200]) from None


def too_long(label: str) -> DataError:
    return DataError(
        f"{label} must have rows of less than {BLOCK_BYTES >> 20} MB.",
        got="a longer one, or a quote that is never closed",
        fix="Correct that row.",
    )


def unreadable(label: str, reason: str) -> DataError:
    return DataError(f"{label} must be a whole CSV or Parquet file.", got=f"'{reason}'", fix="Write or download it again.")


class CsvFile:
    """A CSV file; every column is text."""

    #: The number of the file's rows before the first that is read.
    before = 0

    def __init__(self, path: Place, label: str, wanted: Sequence[str], format: Format, names: SettingNames = IN_RECIPE) -> None:
        self.path, self.label, self.format, self._names = path, label, format, names
        with self.as_data_error():
            start = self._start()
            text = codecs.getincrementaldecoder("utf-8")().decode(start)
        try:
            header = read_header(text, wanted, format.separator, rename=format.rename)
        except HeaderError as error:
            raise DataError(
                f"{label} must have its columns in its header, separated by {self._separators()}.",
                got=error.got,
                fix=error.fix,
            ) from None
        if header is None:
            raise DataError(
                f"{label} must be a CSV or Parquet file with rows.", got="an empty file", fix="Name a file that holds rows."
            )
        self.header, self.columns, self.index = header, header.columns, frozenset[str]()
        #: Where the rows begin in the text.
        self.end = len(text[: header.end].encode())
        self.layout = Layout(header.text, header.separator, pa.schema([(name, pa.string()) for name in self.columns]))

    def _start(self) -> bytes:
        """Return the beginning of the text: at least the header and the first row.

        It ends with a line or with the text.
        """
        start = b""
        with decompressed(self.path) as stream:
            text = Text(stream, self.format.encoding)
            refuse_other(text.beginning, self.label)
            if text.beginning.startswith(PARQUET_MAGIC):
                raise DataError(f"{self.label} is a Parquet file within another compression.", fix="Unpack it.")
            while more := text.read(1 << 16):
                start += more
                if len(start) > _LONGEST_HEADER or sum(map(bool, start.replace(b"\r", b"\n").split(b"\n"))) > _FIRST_LINES:
                    end = max(start.rfind(b"\n"), start.rfind(b"\r")) + 1
                    return start[: end or len(start)]
        return start

    def as_data_error(self) -> AbstractContextManager[None]:
        return as_data_error(self.label, self.format.encoding, self._names)

    def _separators(self) -> str:
        stated = self.format.separator
        return f"'{stated}' ({self._names.separator})" if stated else ", ".join(SEPARATORS.values())

    @contextmanager
    def opened(self) -> Iterator[Behind]:
        """Yield the text below the header; errors of its block are DataError."""
        with self.as_data_error(), decompressed(self.path) as stream:
            yield Behind(Text(stream, self.format.encoding), self.end)

    def pieces(self) -> Generator[Piece, None, None]:
        """Yield all rows, piece by piece."""
        with self.opened() as lines:
            yield from self.parse(lines, self.before)

    def parse(self, lines: Lines, passed: int = 0) -> Generator[Piece, None, None]:
        """Yield the rows of lines, piece by piece.

        `passed` is the number of the file's rows before them.

        Raises
        ------
        DataError : they are no CSV, for example because a quote is never closed.
        """
        ragged: list[Ragged] = []
        seen, handed_on, final = passed, 0, None
        with self.as_data_error():
            for batch in self._read(lines, ragged, passed):
                # The reader may be ahead: what is known by now is all ragged rows before the last of these, and perhaps more.
                known = list(ragged)
                places = np.arange(seen, seen + batch.num_rows)
                before = np.array([row.number for row in known], dtype=np.int64) - 1 - np.arange(len(known))
                numbers = places + 1 + np.searchsorted(before, places, side="right")
                seen += batch.num_rows
                until = handed_on + sum(row.number < numbers[-1] for row in known[handed_on:]) if len(numbers) else handed_on
                yield self._piece(batch, numbers, known[handed_on:until])
                handed_on, final = until, batch
        if last := self._find_open(final, seen, ragged, lines.last):
            raise DataError(
                f"{self.label} must close each quote that begins a value.",
                got=f"an open one in row {last}, the last one",
                fix="Close it, or write a quote that belongs to a value twice, in quotes.",
            )
        if ragged[handed_on:]:
            none = pa.RecordBatch.from_pylist([], schema=self.layout.schema)
            yield Piece(none, np.zeros(0, dtype=np.int64), tuple(ragged[handed_on:]))

    def _find_open(self, final: pa.RecordBatch | None, passed: int, ragged: Sequence[Ragged], end: bytes) -> int:
        """Return the number of a last row behind an open quote, else 0.

        pyarrow takes the rest of the text into its last value.

        Parameters
        ----------
        passed : the number of rows with the right number of fields, of which `final` are the last ones.
        end : the last byte of the text.
        """
        if end == b'"':
            return 0
        number = passed + len(ragged)
        if ragged and ragged[-1].number == number:
            values: Sequence[str] = ragged[-1].fields
        else:
            values = [final.columns[-1][-1].as_py()] if final is not None and final.num_rows else []
        return number if any("\n" in value or "\r" in value for value in values) else 0

    def _piece(self, batch: pa.RecordBatch, numbers: np.ndarray, ragged: list[Ragged]) -> Piece:
        """Return a batch as a piece, with the lines that are not rows kept apart.

        These have the right number of fields (see `_find_odd`).
        """
        odd = self._find_odd(batch)
        rows = batch.select(range(len(self.columns)))
        if len(odd):
            for place in odd.tolist():
                fields = [column[place].as_py() for column in batch.columns]
                ragged.append(self._as_ragged(int(numbers[place]), fields))
            ragged = sorted(ragged, key=lambda row: row.number)
            is_row = np.ones(len(numbers), dtype=bool)
            is_row[odd] = False
            rows, numbers = rows.filter(pa.array(is_row)), numbers[is_row]
        return Piece(rows, numbers, tuple(ragged))

    def _find_odd(self, batch: pa.RecordBatch) -> np.ndarray:
        """Return the positions of lines that are not rows.

        They have no value, repeat the header, or have fields behind the columns.
        """
        if not batch.num_rows:
            return np.zeros(0, dtype=np.int64)
        again = [[name] for name in self.columns]
        again[0] = [self.columns[0], f"\ufeff{self.columns[0]}"]  # the mark of a file that was joined behind another
        odd = set(_find_rows(batch, again).tolist())
        if batch.num_columns > 1:
            odd.update(_find_rows(batch, [[""]] * batch.num_columns).tolist())
        for column in batch.columns[len(self.columns) :]:
            filled = pc.not_equal(pc.utf8_trim_whitespace(column), "")
            odd.update(np.flatnonzero(filled.to_numpy(zero_copy_only=False)).tolist())
        return np.array(sorted(odd), dtype=np.int64)

    def _read(self, lines: Lines, ragged: list[Ragged], passed: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows with the right number of fields.

        The others are added to `ragged`, in order.
        """

        def set_aside(row: Any) -> str:
            fields = next(csv.reader(io.StringIO(row.text), delimiter=self.layout.separator), [])
            ragged.append(self._as_ragged(passed + row.number, fields))
            return "skip"

        names = [*self.columns, *(f"\0{place}" for place in range(self.header.width - len(self.columns)))]
        try:
            reader = pyarrow.csv.open_csv(
                lines,
                # Only the serial reader numbers the rows that it cannot split.
                read_options=pyarrow.csv.ReadOptions(column_names=names, block_size=BLOCK_BYTES, use_threads=False),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter=self.layout.separator, newlines_in_values=True, invalid_row_handler=set_aside
                ),
                convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
            )
        except pa.ArrowInvalid:
            if lines.is_empty:  # which pyarrow takes for a fault
                return
            raise
        yield from reader

    def _as_ragged(self, number: int, fields: list[str]) -> Ragged:
        """Return the line of these fields."""
        rule, got = fault_of(fields, self.header) or ("", "")
        count = len(self.columns)
        if len(fields) == self.header.width and not any(fields[count:]):
            fields = fields[:count]
        kept = [*fields[: count - 1], self.layout.separator.join(fields[count - 1 :])]
        return Ragged(number, tuple([*kept, *[""] * count][:count]), rule, got)


def _find_rows(batch: pa.RecordBatch, values: Sequence[Sequence[str]]) -> np.ndarray:
    """Return the positions of rows whose first columns hold these values.

    Spaces around them are ignored.
    """
    places = np.arange(batch.num_rows)
    for column, wanted in zip(batch.columns, values, strict=False):
        fields = column if len(places) == batch.num_rows else column.take(pa.array(places))
        found = pc.is_in(pc.utf8_trim_whitespace(fields), pa.array(wanted, pa.string()))
        places = places[found.to_numpy(zero_copy_only=False)]
        if not len(places):
            break
    return places


#: The line before the header, the header, the first row, and one more, as the last one may not be whole.
_FIRST_LINES = 4
