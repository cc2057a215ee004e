from __future__ import annotations

import datetime
import decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipeline.data import column_chunks
from recipeline.data.column_chunks import CopiedFile, CopySink
from recipeline.data.reading.parquet_files import ParquetFile
from recipeline.data.writers import open_sink
from recipeline.errors import DataError

DAY = datetime.date(2024, 2, 29)
#: A column of each type that tables have, as values of four rows.
COLUMNS = {
    "number": pa.array([1.5, None, 3.0, np.nan]),
    "single": pa.array([1.5, 2, None, 4], pa.float32()),
    "whole": pa.array([1, 2, None, 2**60]),
    "small": pa.array([1, None, 3, 4], pa.int8()),
    "text": pa.array(["a", "é", None, ""]),
    "code": pa.array(["a", "b", None, "a"]).dictionary_encode(),
    "bytes": pa.array([b"\0", None, b"", b"x"]),
    "flag": pa.array([True, None, False, True]),
    "day": pa.array([DAY, None, DAY, DAY]),
    "time": pa.array([datetime.datetime(2024, 1, 1, 10), None, None, datetime.datetime(1969, 1, 1)], pa.timestamp("us", "UTC")),
    "nanoseconds": pa.array([1000, 2000, -3000, None], pa.timestamp("ns")),
    "amount": pa.array([decimal.Decimal("1.50"), None, decimal.Decimal("-2.25"), None], pa.decimal128(9, 2)),
    "tags": pa.array([["a", "b"], [], None, ["c"]]),
    "pair": pa.array([{"x": 1, "y": "a"}, None, {"x": None, "y": "b"}, {"x": 2, "y": None}]),
    "nothing": pa.nulls(4),
}
HOW: dict[str, st.SearchStrategy[Any]] = {
    "compression": st.sampled_from(["none", "snappy", "zstd", "gzip", "lz4", "brotli"]),
    "version": st.sampled_from(["1.0", "2.4", "2.6"]),
    "data_page_version": st.sampled_from(["1.0", "2.0"]),
    "use_dictionary": st.booleans(),
    "write_statistics": st.booleans(),
    "write_page_index": st.booleans(),
    "store_schema": st.booleans(),
    "row_group_size": st.integers(1, 50),
    "use_deprecated_int96_timestamps": st.booleans(),
}


def copy(source: Path, output: Path, added: pa.Table, rows: int) -> None:
    """Copy a file with further columns, written in pieces of so many rows."""
    file = ParquetFile(source, source.name, [])
    found = CopiedFile.open(file)
    assert found is not None
    layout = file.layout.extended([(field.name, field.type) for field in added.schema])
    with open_sink(output, layout, lambda out: CopySink(out, found, layout.schema, added.column_names)) as write:
        for batch in added.to_batches(rows):
            write(batch)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sets(st.sampled_from(sorted(COLUMNS)), min_size=1), st.integers(1, 80), st.fixed_dictionaries(HOW), st.integers(1, 90)
)
def test_a_copy_reads_as_a_file_that_is_written_anew(
    tmp_path: Path, names: set[str], count: int, how: dict[str, Any], piece: int
) -> None:
    places = pa.array(np.arange(count) % 4)
    table = pa.table({name: COLUMNS[name].take(places) for name in names})
    if how["version"] == "1.0":
        how = how | {"coerce_timestamps": "us", "allow_truncated_timestamps": True}
    pq.write_table(table, tmp_path / "in.parquet", **how)
    added = pa.table({"prediction": np.arange(count) / 7, "model_version": ["7"] * count})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(column_chunks, "_FEW_ROWS", count % 2 * 100)  # all columns in one, or one by one
        copy(tmp_path / "in.parquet", tmp_path / "copy.parquet", added, piece)
    source = pq.read_table(tmp_path / "in.parquet").replace_schema_metadata(None)
    anew = pa.table([*source.columns, *added.columns], schema=pa.schema([*source.schema, *added.schema]))
    pq.write_table(anew, tmp_path / "anew.parquet", compression="zstd")
    found = pq.read_table(tmp_path / "copy.parquet")
    assert found.schema.equals(pq.read_schema(tmp_path / "anew.parquet"), check_metadata=False)
    assert [str(column.to_pylist()) for column in found.columns] == [str(column.to_pylist()) for column in anew.columns]
    for group in range(
        pq.read_metadata(tmp_path / "in.parquet").num_row_groups
    ):  # statistics and places are those of the group
        part = pq.ParquetFile(tmp_path / "copy.parquet").read_row_group(group)
        assert str(part.select(source.column_names).to_pylist()) == str(
            pq.ParquetFile(tmp_path / "in.parquet").read_row_group(group).to_pylist()
        )
        known, first = (pq.read_metadata(tmp_path / name).row_group(group) for name in ("copy.parquet", "in.parquet"))
        for place in range(first.num_columns):
            assert known.column(place).statistics == first.column(place).statistics


def test_filters_of_a_reader_find_the_rows_of_a_copy(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": range(100)}), tmp_path / "in.parquet", row_group_size=10, write_page_index=True)
    copy(tmp_path / "in.parquet", tmp_path / "copy.parquet", pa.table({"p": np.arange(100) * 2.0}), 7)
    has_index = [
        pq.read_metadata(tmp_path / name).row_group(0).column(0).has_offset_index for name in ("in.parquet", "copy.parquet")
    ]
    assert has_index == [True, False]  # it lies outside of the chunks
    for wanted in ([("a", ">", 97)], [("p", ">", 195)]):
        assert pq.read_table(tmp_path / "copy.parquet", filters=wanted).to_pydict() == {"a": [98, 99], "p": [196.0, 198.0]}


def test_files_that_cannot_be_copied_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table({"a": range(10)}), tmp_path / "a.parquet")
    file = ParquetFile(tmp_path / "a.parquet", "a", [])
    assert CopiedFile.open(file) is not None
    monkeypatch.setattr("recipeline.data.column_chunks._MOST_ROWS", 9)
    assert CopiedFile.open(file) is None
    monkeypatch.undo()
    monkeypatch.setattr("recipeline.data.column_chunks._MOST_CHUNKS", 0)
    assert CopiedFile.open(file) is None
    monkeypatch.undo()
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and then no footer")
    assert CopiedFile.open(file) is None


def test_a_file_that_became_shorter_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": np.random.default_rng(0).normal(size=9)}), tmp_path / "a.parquet")
    found = CopiedFile.open(ParquetFile(tmp_path / "a.parquet", "a.parquet", []))
    assert found is not None
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    layout = found.file.layout.extended([("p", pa.float64())])
    with (
        pytest.raises(DataError, match=r"a\.parquet must be a whole CSV or Parquet file"),
        open_sink(tmp_path / "out.parquet", layout, lambda out: CopySink(out, found, layout.schema, ["p"])) as write,
    ):
        write(pa.record_batch({"p": np.zeros(9)}))
    assert not (tmp_path / "out.parquet").exists()
