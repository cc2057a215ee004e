from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recipeline.data.readers import open_rows
from recipeline.data.reading import parquet_files
from recipeline.data.reading.parquet_files import MemoryRows


@pytest.mark.parametrize(("index", "columns"), [(None, {"__index_level_0__"}), ("a", {"a"}), ("id", {"id"})])
def test_an_index_is_known_unless_it_is_wanted_as_a_column(tmp_path: Path, index: str | None, columns: set[str]) -> None:
    path = tmp_path / "a.parquet"
    pd.DataFrame({"b": [1.0, 2.0]}, index=pd.Index([7, 9], name=index)).to_parquet(path)
    assert open_rows(path, ["b"], "a").index == columns
    assert open_rows(path, ["a", "b"], "a").index == columns - {"a"}


def test_rows_in_memory_are_read_in_pieces_and_numbered_from_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_files, "BATCH_ROWS", 2)
    pieces = list(MemoryRows(pa.table({"a": [1, 2, 3]})).pieces())
    assert [piece.numbers.tolist() for piece in pieces] == [[1, 2], [3]]


def test_a_column_without_a_name_is_called_as_in_a_csv(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table([[1.0], [2.0], [3.0]], names=["a", "", " "]), path)
    assert open_rows(path, (), "a").columns == ["a", "Unnamed: 1", "Unnamed: 2"]
