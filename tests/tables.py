"""Tables out of bytes, opened as every door opens them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa

from recipeline.data.readers import open_rows
from recipeline.data.reading.formats import PLAIN, Format
from recipeline.data.reading.pieces import Table

_FOLDER, _NUMBERS = tempfile.TemporaryDirectory(), count()


def opened(content: bytes, columns: Sequence[str], label: str = "x", format: Format = PLAIN) -> list[Table]:
    """Return bytes as the one table of a source."""
    path = Path(_FOLDER.name) / f"{next(_NUMBERS)}"
    path.write_bytes(content)
    return [Table(open_rows(path, columns, label, format), label)]


def fields(tables: Sequence[Table]) -> dict[str, list[Any]]:
    """Return the fields of tables, by column; a line that is no row fails."""
    found: dict[str, list[Any]] = {name: [] for name in tables[0].file.columns}
    for table in tables:
        for piece in table.file.pieces():
            assert not piece.ragged, piece.ragged
            for name, column in pa.Table.from_batches([piece.rows]).to_pydict().items():
                found[name] += column
    return found
