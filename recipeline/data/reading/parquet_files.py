"""Parquet files and tables in memory, read in pieces as a CSV is."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from recipeline.data.reading.csv_files import as_data_error
from recipeline.data.reading.formats import Place
from recipeline.data.reading.pieces import Piece
from recipeline.data.writers import Layout, as_line

#: So many rows are in memory at a time.
BATCH_ROWS = 65_536


class ParquetFile:
    """A Parquet file."""

    def __init__(self, path: Place, label: str, wanted: Sequence[str]) -> None:
        self._path, self.label = path, label
        with self.opened() as file:
            schema = file.schema_arrow
        self.columns = [name.strip() or f"Unnamed: {place}" for place, name in enumerate(schema.names)]
        self.index = frozenset(_index_of(schema)) - {*wanted}
        schema = schema.remove_metadata()
        self.layout = Layout(as_line(schema.names, ","), ",", schema)

    @contextmanager
    def opened(self) -> Iterator[pyarrow.parquet.ParquetFile]:
        """Yield the open file; errors of its block are DataError."""
        with as_data_error(self.label, "utf-8"), ExitStack() as stack:
            place = self._path if isinstance(self._path, Path) else stack.enter_context(self._path.open("rb"))
            yield stack.enter_context(pyarrow.parquet.ParquetFile(place, pre_buffer=False))

    def pieces(self) -> Generator[Piece, None, None]:
        """Yield all rows, piece by piece."""
        seen = 0
        with self.opened() as file:
            for rows in file.iter_batches(BATCH_ROWS):
                yield Piece(rows.rename_columns(self.columns), np.arange(seen, seen + rows.num_rows) + 1)
                seen += rows.num_rows


def _index_of(schema: pa.Schema) -> list[str]:
    """Return the columns that pandas wrote as an index."""
    try:
        said = json.loads((schema.metadata or {}).get(b"pandas", b"{}")).get("index_columns", [])
    except (ValueError, AttributeError):
        return []
    return [name.strip() for name in said if isinstance(name, str) and name in schema.names]


class MemoryRows:
    """Rows that are in memory already, as those of a file."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table.combine_chunks()
        self.columns, self.index = list(table.column_names), frozenset[str]()
        self.layout = Layout(as_line(self.columns, ","), ",", table.schema.remove_metadata())

    def pieces(self) -> Generator[Piece, None, None]:
        """Yield all rows, piece by piece."""
        seen = 0
        for rows in self._table.to_batches(BATCH_ROWS):
            yield Piece(rows, np.arange(seen, seen + rows.num_rows) + 1)
            seen += rows.num_rows
