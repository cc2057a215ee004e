"""Files of rows for all callers: columns, and pieces of numbered rows."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from recipeline.data.writers import Layout
from recipeline.errors import DataError


@dataclass(frozen=True)
class Ragged:
    """A line that is not a row: its number, fields, broken rule, and the value found.

    There are as many fields as columns: missing ones are empty, additional ones are in the last.
    """

    number: int
    fields: tuple[str, ...]
    rule: str
    got: str

    @property
    def fault(self) -> str:
        """The fault as a sentence."""
        return f"{self.rule}. Got {self.got} instead."


@dataclass(frozen=True)
class Piece:
    """Consecutive rows of a file with their numbers; 1 is the first below the header.

    Lines that are not rows are kept apart, in `ragged`.
    """

    rows: pa.RecordBatch
    numbers: np.ndarray
    ragged: tuple[Ragged, ...] = ()

    def require_rows(self, label: str) -> None:
        """Raise DataError for the first line that is not a row of the table `label`."""
        for line in self.ragged[:1]:
            raise DataError(
                f"{label} must be a table: each line {line.rule}.",
                got=f"{line.got} in row {line.number}",
                fix="Correct or remove that line.",
            )


class RowFile(Protocol):
    """A file of rows: its columns as the file names them, and its rows."""

    #: The names of its columns, without spaces around them.
    columns: list[str]
    #: Those of them that the file declares as an index, as pandas writes one into Parquet.
    index: frozenset[str]
    #: A CSV's own header and separator; for a Parquet file those that a CSV of it would have.
    layout: Layout

    def pieces(self) -> Generator[Piece, None, None]:
        """Yield all rows, piece by piece.

        Raises
        ------
        DataError : the file is broken.
        """


@dataclass(frozen=True)
class Table:
    """A file of the input, with its label in errors and its name in rejected rows.

    The name of a single file is "".
    """

    file: RowFile
    label: str
    name: str = ""
