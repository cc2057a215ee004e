"""Small tables that count as large: few cells are held at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from recipeline.data import column_profile, leakage, stored_rows
from recipeline.data.reading import parquet_files
from recipeline.data.relating import relations
from recipeline.data.stored_rows import StoredRows


@contextmanager
def holding(cells: int, sampled: int = 0) -> Iterator[None]:
    """Hold so few cells at once, in batches of half of them.

    `sampled` is the number of cells that describe a larger table, 0: all of them.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_rows, "HELD", cells)
        patch.setattr(relations, "HELD", cells)
        patch.setattr(stored_rows, "_BATCH", max(1, cells // 2))
        patch.setattr(stored_rows, "_GROUP_ROWS", 5)
        patch.setattr(parquet_files, "BATCH_ROWS", 7)
        for module in (column_profile, leakage):
            patch.setattr(module, "SAMPLED", sampled or 10**9)
        yield


def store(table: pd.DataFrame, folder: Path) -> StoredRows:
    """Return a table as the rows of a file."""
    table.to_parquet(folder / "stored.parquet")
    return StoredRows(folder / "stored.parquet")
