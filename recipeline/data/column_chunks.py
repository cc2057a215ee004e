"""Further columns for a Parquet file whose own columns are copied as they are.

A Parquet file is groups of rows, each of them one chunk of bytes per column, and a footer that says where these lie. A copy has
each group's chunks byte for byte, behind them the chunks of the further columns, as pyarrow writes them, and a footer made of
both: nothing is decoded, compressed or encoded again. The schema, the values and the statistics that a reader finds are those
of a file that was written anew. Page indexes and Bloom filters, which lie between chunks, are left out; so is the metadata of
the file, as that of a pandas index.

Not copied (`CopiedFile.open` returns None) are encrypted files, files that keep their chunks elsewhere, and those of writers
that state wrong sizes; and files of so large groups, or so many chunks, that memory or time would not be bounded.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from recipeline.data import thrift
from recipeline.data.reading.csv_files import unreadable
from recipeline.data.reading.parquet_files import ParquetFile
from recipeline.data.reading.pieces import Piece
from recipeline.data.thrift import I64, LIST, List, Struct

_MAGIC = b"PAR1"

#: Fields of the footer, by the numbers of parquet.thrift.
_SCHEMA, _ROWS, _GROUPS, _METADATA, _MAKER, _ORDERS, _ENCRYPTION = 2, 3, 4, 5, 6, 7, 8
_NAME, _CHILDREN = 4, 5
_COLUMNS, _GROUP_BYTES, _GROUP_ROWS, _GROUP_START, _GROUP_COMPRESSED = 1, 2, 3, 5, 6
_CHUNK_PATH, _CHUNK_START, _CHUNK = 1, 2, 3
_BYTES, _COMPRESSED, _INDEX_PAGES = 6, 7, 10
#: Where the data pages of a chunk begin, and its dictionary.
_STARTS = (9, 11)
#: What lies outside of the chunks: page indexes, and Bloom filters; and the metadata of an encrypted chunk.
_OUTSIDE, _OUTSIDE_OF_CHUNK, _SECRET = (4, 5, 6, 7), (14, 15), (8, 9)

#: Their chunks are longer than they say, by the header of the dictionary.
_WRONG_SIZES = tuple(b"parquet-mr version 1.%d." % number for number in range(3))

#: A group of more rows, and a file of more chunks, are not copied.
_MOST_ROWS, _MOST_CHUNKS = 1 << 21, 1 << 15

_COPIED_BYTES = 1 << 22

#: The added columns of a group of more rows are encoded in parallel.
_FEW_ROWS = 100_000


class NotCopiedError(Exception):
    """A file cannot be copied, since some of its rows are not to be in the copy."""


@dataclass(frozen=True)
class CopiedFile:
    """A Parquet file that can be copied, by its footer."""

    file: ParquetFile
    footer: Struct

    @classmethod
    def open(cls, source: ParquetFile) -> Self | None:
        """Return a file; None if it is not to be copied."""
        try:
            with source.path.open("rb") as file:
                footer = _read_footer(file)
            groups = footer[_GROUPS][1].values
            chunks = [chunk for group in groups for chunk in group[_COLUMNS][1].values]
            can_be = (
                _ENCRYPTION not in footer
                and not footer.get(_MAKER, (0, b""))[1].startswith(_WRONG_SIZES)
                and len(chunks) <= _MOST_CHUNKS
                and all(group[_GROUP_ROWS][1] <= _MOST_ROWS for group in groups)
                and not any(_CHUNK_PATH in chunk or _CHUNK not in chunk or {*_SECRET} & {*chunk} for chunk in chunks)
            )
        except (OSError, ValueError, LookupError, AttributeError, struct.error):
            return None
        return cls(source, footer) if can_be else None

    def read(self, names: Sequence[str]) -> Generator[CopiedRows, None, None]:
        """Yield these columns of all rows, piece by piece."""
        for rows in self.file.columns_of(names):
            yield CopiedRows(rows)


@dataclass(frozen=True)
class CopiedRows:
    """Consecutive rows of a file that is copied: the values of some of its columns."""

    rows: pa.RecordBatch

    def pieces(self) -> Iterator[Piece]:
        """Raise NotCopiedError: all rows of the file are copied, or none."""
        raise NotCopiedError

    def extended(self, numbers: Sequence[np.ndarray], text: str) -> pa.RecordBatch:
        """Return the values of further columns: `numbers`, and one text for all rows."""
        texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(self.rows.num_rows, np.int32)), [text])
        return pa.record_batch([*map(pa.array, numbers), texts], names=[str(place) for place in range(len(numbers) + 1)])


class CopySink:
    """A copy of a Parquet file with further columns, which are written to it.

    `schema` is that of the copy; its last fields are the `added` columns.
    """

    def __init__(self, file: IO[bytes], source: CopiedFile, schema: pa.Schema, added: Sequence[str]) -> None:
        self._file, self._source = file, source
        self._added = pa.schema([schema.field(name) for name in added])
        self._metadata = _read_footer(_as_file(schema.empty_table()))[_METADATA]
        self._rest = list(source.footer[_GROUPS][1].values)
        self._waiting, self._copied, self._written = list[pa.RecordBatch](), list[Struct](), list[Struct]()
        self._at = file.write(_MAGIC)
        self._from = source.file.path.open("rb")

    def write(self, rows: pa.RecordBatch | memoryview) -> None:
        """Add the values of the added columns for the next rows."""
        assert isinstance(rows, pa.RecordBatch)
        while rows.num_rows:
            part = rows.slice(0, self._missing)
            self._waiting.append(part)
            rows = rows.slice(part.num_rows)
            self._copied = self._copied or self._copy(self._rest[0], self._from)
            self._end_groups()

    @property
    def _missing(self) -> int:
        """The number of rows that the group lacks."""
        count: int = self._rest[0][_GROUP_ROWS][1]
        return count - int(sum(rows.num_rows for rows in self._waiting))

    def close(self) -> None:
        """Write the footer, if the columns have all their values."""
        self._end_groups()
        self._from.close()
        if self._rest:
            return
        source, added = self._source.footer, _read_footer(_as_file(self._added.empty_table()))
        elements, further = source[_SCHEMA][1].values, added[_SCHEMA][1].values
        root = elements[0] | {_CHILDREN: (thrift.I32, elements[0][_CHILDREN][1] + len(self._added))}
        footer = source | {
            _SCHEMA: _structs(root, *elements[1:], *further[1:]),
            _GROUPS: _structs(*self._written),
            _METADATA: self._metadata,
        }
        if orders := footer.pop(_ORDERS, None):
            footer[_ORDERS] = _structs(*orders[1].values, *added[_ORDERS][1].values)
        content = thrift.write(footer)
        self._file.write(content + struct.pack("<I", len(content)) + _MAGIC)

    def _end_groups(self) -> None:
        """Write the groups that have all their rows."""
        while self._rest and not self._missing:
            group = self._rest.pop(0)
            chunks = self._copied or self._copy(group, self._from)
            with ThreadPoolExecutor() as threads:
                for content in threads.map(_as_file, self._tables()):
                    chunks += self._copy(_read_footer(content)[_GROUPS][1].values[0], content)
            sums = {
                number: (I64, sum(chunk[_CHUNK][1][field][1] for chunk in chunks))
                for number, field in ((_GROUP_BYTES, _BYTES), (_GROUP_COMPRESSED, _COMPRESSED))
            }
            start = _start(chunks[0][_CHUNK][1])
            self._written.append(group | sums | {_COLUMNS: _structs(*chunks), _GROUP_START: (I64, start)})
            self._waiting, self._copied = [], []

    def _tables(self) -> list[pa.Table]:
        """Return the waiting values of the added columns, many of them one by one."""
        table = pa.Table.from_batches(self._waiting) if self._waiting else self._added.empty_table()
        table = table.rename_columns(self._added.names)
        return [table.select([name]) for name in table.column_names] if table.num_rows > _FEW_ROWS else [table]

    def _copy(self, group: Struct, file: IO[bytes]) -> list[Struct]:
        """Copy the chunks of a group and return their descriptions at their new places."""
        return [self._copy_chunk(chunk, file) for chunk in group[_COLUMNS][1].values]

    def _copy_chunk(self, chunk: Struct, file: IO[bytes]) -> Struct:
        known = chunk[_CHUNK][1]
        start, left = _start(known), known[_COMPRESSED][1]
        moved = self._at - start
        file.seek(start)
        while left:
            content = file.read(min(left, _COPIED_BYTES))
            if not content:
                raise unreadable(self._source.file.label, "a column ends too early")
            self._at += self._file.write(content)
            left -= len(content)
        places = {
            field: (I64, known[field][1] + moved) for field in (*_STARTS, _INDEX_PAGES) if known.get(field, (0, 0))[1] > 0
        }
        described = {field: value for field, value in known.items() if field not in _OUTSIDE_OF_CHUNK} | places
        kept = {field: value for field, value in chunk.items() if field not in _OUTSIDE}
        return kept | {_CHUNK_START: (I64, 0), _CHUNK: (thrift.STRUCT, described)}


def _start(chunk: Struct) -> int:
    """Return where a chunk begins: with its dictionary, if it has one."""
    return int(min(chunk[field][1] for field in _STARTS if chunk.get(field, (0, 0))[1] > 0))


def _structs(*values: Struct) -> tuple[int, List]:
    return LIST, List(thrift.STRUCT, list(values))


def _as_file(table: pa.Table) -> pa.BufferReader:
    """Return a table as a Parquet file of one group."""
    stream = pa.BufferOutputStream()
    pyarrow.parquet.write_table(table, stream, compression="zstd", row_group_size=_MOST_ROWS)
    return pa.BufferReader(stream.getvalue())


def _read_footer(file: IO[bytes]) -> Struct:
    file.seek(-8, 2)
    length, magic = struct.unpack("<I4s", file.read(8))
    if magic != _MAGIC:
        raise ValueError("no footer")
    file.seek(-8 - length, 2)
    return thrift.read(file.read(length))
