"""Files of rows as everything else sees them: their columns, and pieces of rows with their numbers."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from recipeline.data.writers import Layout


@dataclass(frozen=True)
class Ragged:
    """A line that is no row: its number, the rule that it breaks, what it is, and as many fields as there are columns.

    Missing fields are empty; those too many are in the last one.
    """

    number: int
    fields: tuple[str, ...]
    rule: str
    got: str

    @property
    def fault(self) -> str:
        """What is wrong with it, as a sentence."""
        return f"{self.rule}. Got {self.got} instead."


@dataclass(frozen=True)
class Piece:
    """Some rows of a file, in order, with their numbers: 1 is the first below the header. Lines that are no rows are apart."""

    rows: pa.RecordBatch
    numbers: np.ndarray
    ragged: tuple[Ragged, ...] = ()


class RowFile(Protocol):
    """A file of rows: its columns as the file names them, and its rows."""

    #: The names of its columns, without spaces around them.
    columns: list[str]
    #: Those of them that the file itself says are an index, as pandas writes one into Parquet.
    index: frozenset[str]
    #: Of a CSV its header as it is, and its separator; of a Parquet file what a CSV of it would have.
    layout: Layout

    def pieces(self) -> Generator[Piece, None, None]:
        """Yield all rows, piece by piece. Raises DataError where the file turns out to be broken."""


@dataclass(frozen=True)
class Table:
    """A file of the input, by the name that errors and rejected rows have for it; "" where it is the only one."""

    file: RowFile
    label: str
    name: str = ""
