"""Ranges of one large file, which processes and machines read apart.

A range begins where the reading of the whole file begins a piece, and has the same pieces: the last bit of a prediction may
depend on the rows that it is made with. Ranges depend on the file alone, not on the number of those who share it.
"""

from __future__ import annotations

import codecs
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import numpy as np
import pyarrow as pa

from recipeline.data.reading import csv_files, formats
from recipeline.data.reading.csv_files import CsvFile
from recipeline.data.reading.formats import (
    PARQUET_MAGIC,
    Format,
    NulError,
    Place,
    compression_in,
    detect_encoding,
)
from recipeline.data.reading.lines import Behind
from recipeline.data.reading.parquet_files import BATCH_ROWS, ParquetFile
from recipeline.data.reading.pieces import Piece

#: A file is divided into about so many ranges, of at least and at most so many pieces.
RANGES, LEAST_PIECES, MOST_PIECES = 64, 4, 64


@dataclass(frozen=True)
class Span:
    """A range of a file: bytes of a CSV, rows of a Parquet file; rows before it."""

    start: int
    end: int
    before: int


@dataclass(frozen=True)
class Division:
    """The ranges of a file; none, and the reason, where it must be read whole."""

    spans: tuple[Span, ...]
    reason: str = ""


def divide_file(path: Place, wanted: Sequence[str], label: str, format: Format) -> Division:
    """Return the ranges of a CSV or Parquet file; a CSV is read to find them.

    `wanted`, `label` and `format` are as those of `open_rows`.

    Raises
    ------
    DataError : it cannot be read, or is no table.
    """
    with path.open("rb") as stream:
        start = stream.read(formats.START_BYTES)
    if start.startswith(PARQUET_MAGIC):
        return _divide_parquet(ParquetFile(path, label, [*wanted, *format.rename]))
    if kind := compression_in(start):
        return Division((), f"it is compressed ({kind})")
    encoding = codecs.lookup(detect_encoding(start, format.encoding)).name
    if encoding != "utf-8":
        return Division((), f"its encoding is {encoding}")
    file = CsvFile(path, label, wanted, format)
    with file.as_data_error(), path.open("rb") as stream:
        return _divide_csv(stream, _Blocks(file.end + _marks(start)), file.header.separator)


def _marks(start: bytes) -> int:
    """Return the length of the UTF-8 marks at the beginning of a text."""
    count = 0
    while start.startswith(codecs.BOM_UTF8, count):
        count += len(codecs.BOM_UTF8)
    return count


def _pieces_each(pieces: int) -> int:
    """Return how many of a file's pieces a range has."""
    return min(max(-(-pieces // RANGES), LEAST_PIECES), MOST_PIECES)


# --- CSV --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Blocks:
    """The places where `CsvFile` stops reading a text whose rows begin at `rows`.

    A `Text` reads its beginning first; the first block behind the header is shorter by a mark.
    """

    rows: int

    def end_behind(self, place: int) -> int:
        """Return the first end of a block behind `place`."""
        first, size = formats.START_BYTES, csv_files.BLOCK_BYTES
        if self.rows >= first:
            first += size - len(codecs.BOM_UTF8)
        return first if place < first else first + ((place - first) // size + 1) * size


class CsvRange(CsvFile):
    """The rows of a CSV between two places."""

    def __init__(self, path: Place, label: str, wanted: Sequence[str], format: Format, span: Span) -> None:
        super().__init__(path, label, wanted, format)
        with path.open("rb") as stream:
            self._blocks = _Blocks(self.end + _marks(stream.read(formats.START_BYTES)))
        self._span, self.before = span, span.before

    @contextmanager
    def opened(self) -> Iterator[Behind]:
        """Yield the text of the range; errors of its block are DataError."""
        with self.as_data_error(), self.path.open("rb") as stream:
            stream.seek(self._span.start)
            yield Behind(_Between(stream, self._blocks, self._span), 0)


class _Between:
    """The bytes of a range, in the blocks of the whole file."""

    def __init__(self, stream: IO[bytes], blocks: _Blocks, span: Span) -> None:
        self._stream, self._blocks, self._place, self._end = stream, blocks, span.start, span.end

    def read(self, _: int) -> bytes:
        """Return the next block; none at the end."""
        count = min(self._blocks.end_behind(self._place), self._end) - self._place
        content = self._stream.read(count) if count > 0 else b""
        if len(content) < count:
            raise EOFError("the file was shortened while it was read")
        if b"\0" in content:
            raise NulError
        self._place += len(content)
        return content


def _divide_csv(stream: IO[bytes], blocks: _Blocks, separator: str) -> Division:
    size = stream.seek(0, 2)
    each = _pieces_each(-(-(size - blocks.rows) // csv_files.BLOCK_BYTES))
    stream.seek(blocks.rows)
    lines, place, count = _RowEnds(blocks.rows, separator), blocks.rows, 0
    cuts = [(blocks.rows, 0)]
    while content := stream.read(blocks.end_behind(place) - place):
        lines.add(content)
        if lines.fault:
            return Division((), lines.fault)
        place += len(content)
        count += 1
        # Between CR and LF the two ways to read a file end a piece at different places.
        if count >= each and place < size and lines.end > cuts[-1][0] and not content.endswith(b"\r"):
            cuts.append((lines.end, lines.rows))
            count = 0
    if lines.is_quoted:
        return Division((), "a quote in it is never closed")
    ends = [end for end, _ in cuts[1:]] + [place]
    return Division(tuple(Span(start, end, before) for (start, before), end in zip(cuts, ends, strict=True)))


class _RowEnds:
    """The end of the last row of a text that is added block by block, and its rows.

    `fault` says why rows cannot be told apart without reading their values: pyarrow takes a quote inside of a value that has
    no quotes around it for a part of the value, and a CR for the end of a line.
    """

    def __init__(self, place: int, separator: str) -> None:
        self.end, self.rows, self.fault, self.is_quoted = place, 0, "", False
        self._place, self._before = place, b" \n"
        self._starts = {*separator.encode(), *b"\r\n"}
        if not separator.isascii():
            self.fault = "its separator is no ASCII character"

    def add(self, content: bytes) -> None:
        """Go on with the next bytes."""
        text = self._before + content
        self._before = text[-2:]
        if (b"\r" in text or self._before.endswith(b"\r")) and text[:-1].count(b"\r") != text.count(b"\r\n"):
            self.fault = "a line in it ends with CR alone"
        elif self.is_quoted or b'"' in content:
            self._add_quoted(text)
        else:
            end = text.rfind(b"\n", 2)
            if end > 0:
                has_empty = b"\n\n" in text or b"\n\r\n" in text
                ends = np.flatnonzero(np.frombuffer(text, np.uint8)[2:] == ord("\n")) + 2 if has_empty else None
                self._count(end, content.count(b"\n") if ends is None else _not_empty(text, ends))
        self._place += len(content)

    def _count(self, end: int, rows: int) -> None:
        """Count rows, the last of which ends at `end` of the bytes before and these."""
        self.rows, self.end = self.rows + rows, self._place + end - 1

    def _add_quoted(self, text: bytes) -> None:
        values = np.frombuffer(text, np.uint8)
        quotes = np.flatnonzero(values[2:] == ord('"')) + 2
        opening = quotes[1 if self.is_quoted else 0 :: 2]
        ahead = values[opening - 1]
        if not np.isin(ahead, [*self._starts, ord('"')]).all():
            self.fault = "a value in it has a quote, and no quotes around it"
            return
        ends = np.flatnonzero(values[2:] == ord("\n")) + 2
        ends = ends[(np.searchsorted(quotes, ends) + self.is_quoted) % 2 == 0]
        self.is_quoted = bool((len(quotes) + self.is_quoted) % 2)
        if len(ends):
            self._count(int(ends[-1]), _not_empty(text, ends))


def _not_empty(text: bytes, ends: np.ndarray) -> int:
    """Return how many of the lines with these ends hold anything."""
    values = np.frombuffer(text, np.uint8)
    one, two = values[ends - 1], values[ends - 2]
    empty = (one == ord("\n")) | ((one == ord("\r")) & (two == ord("\n")))
    return len(ends) - int(np.count_nonzero(empty))


# --- Parquet ----------------------------------------------------------------------------------------------------------------


class ParquetRange(ParquetFile):
    """Consecutive rows of a Parquet file."""

    def __init__(self, path: Place, label: str, wanted: Sequence[str], span: Span) -> None:
        super().__init__(path, label, wanted)
        self._span = span

    def pieces(self) -> Generator[Piece, None, None]:
        """Yield the rows of the range, in the pieces of the whole file."""
        with self.opened() as file:
            groups = np.cumsum([0, *(file.metadata.row_group(it).num_rows for it in range(file.num_row_groups))])
            first = int(np.searchsorted(groups, self._span.start, side="right")) - 1
            last = int(np.searchsorted(groups, self._span.end, side="left"))
            place = self._span.start
            ends = [*range(place + BATCH_ROWS, self._span.end, BATCH_ROWS), self._span.end]
            if any(pa.types.is_dictionary(kind) for kind in self.layout.schema.types):  # each group has a dictionary of its own
                ends = sorted({*ends, *groups[first + 1 : last].tolist()})
            batches = file.iter_batches(BATCH_ROWS, row_groups=list(range(first, last)))
            for rows in _cut(batches, place - int(groups[first]), np.diff([place, *ends]).tolist()):
                yield Piece(rows.rename_columns(self.columns), np.arange(place, place + rows.num_rows) + 1)
                place += rows.num_rows


def _cut(batches: Iterator[pa.RecordBatch], skipped: int, sizes: Sequence[int]) -> Iterator[pa.RecordBatch]:
    """Yield batches of these sizes from the rows of others, without the first ones."""
    rest = next(batches)
    while rest.num_rows <= skipped:
        skipped -= rest.num_rows
        rest = next(batches)
    rest = rest.slice(skipped)
    for size in sizes:
        parts = []
        while size > rest.num_rows:
            parts.append(rest)
            size -= rest.num_rows
            rest = next(batches)
        parts.append(rest.slice(0, size))
        rest = rest.slice(size)
        yield parts[0] if len(parts) == 1 else pa.concat_batches(parts)


def _divide_parquet(file: ParquetFile) -> Division:
    with file.opened() as opened:
        rows = opened.metadata.num_rows
    each = _pieces_each(-(-rows // BATCH_ROWS)) * BATCH_ROWS
    spans = tuple(Span(start, min(start + each, rows), start) for start in range(0, rows, each))
    return Division(spans, "" if spans else "it has no rows")
