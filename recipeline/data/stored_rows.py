"""Rows of a Parquet file, read in batches; and a file written batch by batch.

A table of at most HELD cells is one batch, which is what `pandas.read_parquet` returns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np

if TYPE_CHECKING:  # a command that reads no row imports neither
    import pandas as pd

#: So many cells of a table, of 8 bytes each, may be in memory at once: 160 MB.
HELD = 20_000_000

#: A sample that describes a larger table has so many cells.
SAMPLED = HELD // 8

#: Batches of a table of more cells have so many of them: what is computed from a batch takes several times its memory.
_BATCH = HELD // 8

#: Rows of one group of a file that is written in batches.
_GROUP_ROWS = 131_072


class StoredRows:
    """Rows of a Parquet file that pandas wrote, with their columns and index.

    Nothing is in memory but what a call returns. `folder` is an object that keeps a temporary file alive.
    """

    def __init__(self, path: Path, folder: object = None) -> None:
        import pyarrow.parquet

        self._path, self._folder = path, folder
        with pyarrow.parquet.ParquetFile(path) as file:
            schema, self._metadata = file.schema_arrow, file.metadata
        said = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
        index: list[Any] = said.get("index_columns", [])
        self._index = [name for name in index if isinstance(name, str)]
        stated = next((it for it in index if isinstance(it, dict)), {"start": 0, "step": 1})
        self._start, self._step = int(stated["start"]), int(stated["step"])
        #: The names of the columns, without the index.
        self.columns: list[str] = [name for name in schema.names if name not in self._index]

    def __len__(self) -> int:
        return int(self._metadata.num_rows)

    @property
    def is_large(self) -> bool:
        """Whether the table has more cells than may be held at once."""
        return len(self) * len(self.columns) > HELD

    @cached_property
    def missing(self) -> dict[str, int]:
        """The number of missing values by column, from the file's own statistics."""
        found = dict.fromkeys(self.columns, 0)
        for group in range(self._metadata.num_row_groups):
            chunks = self._metadata.row_group(group)
            for place in range(chunks.num_columns if chunks.num_rows else 0):
                chunk = chunks.column(place)
                if chunk.path_in_schema in found:
                    found[chunk.path_in_schema] += chunk.statistics.null_count
        return found

    def read(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return all rows, however many there are."""
        import pandas as pd

        return pd.read_parquet(self._path, columns=None if columns is None else [*columns])

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """Yield all rows in order, in one batch if all their cells may be held.

        The batches have the index that the whole table has. A table without rows is one batch.
        """
        columns = self.columns if columns is None else [*columns]
        if len(self) * len(columns) <= HELD:
            yield self.read(columns)
            return
        import pandas as pd
        import pyarrow as pa
        import pyarrow.parquet

        seen, rows = 0, max(1, _BATCH // len(columns))
        with pyarrow.parquet.ParquetFile(self._path, pre_buffer=False) as file:
            for read in file.iter_batches(rows, columns=[*columns, *self._index]):
                batch = pa.Table.from_batches([read]).to_pandas()[columns]
                if not self._index:
                    first = self._start + seen * self._step
                    batch.index = pd.RangeIndex(first, first + len(batch) * self._step, self._step)
                seen += len(batch)
                yield batch
                del read, batch  # not held while the next one is read
        pa.default_memory_pool().release_unused()

    def map(self, function: Callable[[pd.DataFrame], np.ndarray], columns: Sequence[str] | None = None) -> np.ndarray:
        """Return what `function` makes of each batch, concatenated, (rows, ...).

        It returns as many values as the batch has rows, such as a hash of each.
        """
        parts = [function(batch) for batch in self.batches(columns)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def select(self, rows: np.ndarray, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """Yield the rows that a mask or positions name, batch by batch, in table order.

        Their index is made of numbers, not of a range: further batches may leave rows out.
        """
        import pandas as pd

        mask = np.zeros(len(self), dtype=bool)
        mask[rows] = True
        seen = 0
        for batch in self.batches(columns):
            found = batch[mask[seen : seen + len(batch)]]
            found.index = pd.Index(np.array(found.index))
            seen += len(batch)
            yield found

    def take(self, rows: np.ndarray, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return some rows, by a mask or by positions, which may repeat, in their order."""
        import pandas as pd

        rows = np.asarray(rows)
        if rows.dtype == bool and len(rows) != len(self):
            raise IndexError(f"a mask of {len(rows)} values for {len(self)} rows")
        wanted = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.intp)
        places, order = np.unique(wanted, return_inverse=True)
        if len(places) and not (places[0] >= 0 and places[-1] < len(self)):
            raise IndexError(f"positions {places[0]} to {places[-1]} of {len(self)} rows")
        seen, parts = 0, list[pd.DataFrame]()
        for batch in self.batches(columns):
            first, last = np.searchsorted(places, (seen, seen + len(batch)))
            if last > first or not parts:
                parts.append(batch.iloc[places[first:last] - seen])
            seen += len(batch)
        found = parts[0] if len(parts) == 1 else pd.concat(parts)
        return found if np.array_equal(order, np.arange(len(found))) else found.iloc[order]

    def sample(self, rows: int, seed: int, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return a uniform sample without replacement, in row order; at most all rows."""
        return self.read(columns) if rows >= len(self) else self.take(draw_places(len(self), rows, seed), columns)


def draw_places(size: int, count: int, seed: int) -> np.ndarray:
    """Return `count` distinct positions below `size`, each as likely, in order."""
    return np.sort(np.random.default_rng(seed).choice(size, min(count, size), replace=False))


class RowsWriter:
    """A Parquet file of rows appended in batches, written whole or not at all.

    A single batch gives the bytes that `frame.to_parquet` gives. The first of several decides the types. An index from
    0 on in steps of 1 numbers the rows and is not written; any other one is a column of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._unfinished = path, path.with_name(f".new-{path.name}")
        self._first: pd.DataFrame | None = None
        self._file: Any = None
        self._is_numbered, self._rows = False, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            if self._file is not None:
                self._file.close()
            self._unfinished.unlink(missing_ok=True)

    def append(self, rows: pd.DataFrame) -> None:
        """Add rows. Raises ValueError where their columns or index do not follow."""
        if self._first is None and self._file is None:
            self._first = rows
            return
        if self._first is not None:
            first, self._first = self._first, None
            self._is_numbered = _numbers(first) and cast("pd.RangeIndex", first.index).start == 0
            self._write(first)
        self._write(rows)

    def _write(self, rows: pd.DataFrame) -> None:
        import pyarrow as pa
        import pyarrow.parquet

        end = self._rows + len(rows)
        if (
            self._is_numbered
            and len(rows)
            and not (_numbers(rows) and (rows.index[0], rows.index[-1]) == (self._rows, end - 1))
        ):
            raise ValueError(f"rows {rows.index[0]} to {rows.index[-1]} cannot follow {self._rows} numbered rows")
        table = pa.Table.from_pandas(rows, preserve_index=not self._is_numbered)
        if self._file is None:
            self._file = pyarrow.parquet.ParquetWriter(self._unfinished, table.schema)
        schema = self._file.schema
        if table.column_names != schema.names:
            raise ValueError(f"columns {table.column_names} cannot follow {schema.names}")
        self._file.write_table(table.cast(schema), row_group_size=_GROUP_ROWS)
        self._rows = end

    def _finish(self) -> None:
        if self._first is not None:
            self._first.to_parquet(self._unfinished)
        elif self._file is None:
            raise ValueError(f"no rows to write to {self._path.name}, not even a frame without any")
        else:
            self._file.close()
        self._unfinished.replace(self._path)


def _numbers(rows: pd.DataFrame) -> bool:
    """Whether the index goes up in steps of 1, as that of a new frame does."""
    import pandas as pd

    return isinstance(rows.index, pd.RangeIndex) and rows.index.step == 1 and rows.index.name is None
