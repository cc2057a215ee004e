from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipeline.data.stored_rows import RowsWriter, StoredRows, draw_places
from tests.large import holding


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Return a table with each type of a kind, gaps, and an index as of a split."""
    rows = draw(st.integers(0, 30))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    known = rng.random(rows) < 0.7
    table = pd.DataFrame(
        {
            "a b": np.where(known, rng.normal(size=rows), np.nan),
            "n": rng.integers(9, size=rows),
            "text": pd.Series(rng.choice(["x", "", "ü"], rows), dtype="str").where(pd.Series(known, dtype=bool)),
            "when": pd.Series(rng.integers(10**15, size=rows).astype("datetime64[us]")).where(pd.Series(known, dtype=bool)),
        }
    )
    kind = draw(st.sampled_from(["new", "filtered", "shuffled", "from 7"]))
    if kind == "filtered":
        table = table[rng.random(rows) < 0.6]
    elif kind == "shuffled":
        table = table.iloc[rng.permutation(rows)]
    elif kind == "from 7":
        table.index = pd.RangeIndex(7, 7 + rows)
    return table


CELLS = st.integers(1, 140)


def cut(table: pd.DataFrame, ends: list[int]) -> list[pd.DataFrame]:
    """Return a table in parts that end at such places."""
    places = [0, *sorted(min(end, len(table)) for end in ends), len(table)]
    return [table.iloc[first:last] for first, last in pairwise(places)]


@given(frames(), CELLS, st.integers(1, 40), st.sampled_from([None, ["text", "n"], ["when"]]))
@settings(max_examples=12, deadline=None)
def test_every_way_to_the_rows_gives_those_of_the_whole_table(
    table: pd.DataFrame, cells: int, count: int, columns: list[str] | None
) -> None:
    with TemporaryDirectory() as folder, holding(cells):
        table.to_parquet(path := Path(folder) / "rows.parquet")
        rows, whole = StoredRows(path), table if columns is None else table[columns]
        rng = np.random.default_rng(count)
        mask, places = rng.random(len(table)) < 0.5, rng.integers(len(table), size=count if len(table) else 0)
        batches = [*rows.batches(columns)]
        assert (len(rows), rows.columns, rows.is_large) == (len(table), [*table], table.size > cells)
        assert max(map(len, batches)) <= max(1, cells // whole.shape[1])
        assert (len(batches) == 1) or whole.size > cells
        same = pd.testing.assert_frame_equal
        same(pd.concat(batches), whole)
        same(rows.read(columns), whole)
        same(rows.take(mask, columns), whole[mask], check_index_type=False)
        same(rows.take(places, columns), whole.iloc[places], check_index_type=False)
        assert rows.map(lambda batch: batch["n"].to_numpy() + 1, ["n"]).tolist() == (table["n"] + 1).tolist()
        assert rows.missing == table.isna().sum().to_dict()
        selected = pd.concat(rows.select(mask, columns))
        same(selected, whole[mask], check_index_type=False)
        assert not isinstance(selected.index, pd.RangeIndex)
        drawn = rows.sample(count, 3, columns)
        same(drawn, whole.iloc[draw_places(len(table), count, 3)], check_index_type=False)
        assert len(drawn) == min(count, len(table))


@given(frames(), st.lists(st.integers(0, 30), max_size=4))
@settings(max_examples=15, deadline=None)
def test_rows_written_in_batches_are_the_table(table: pd.DataFrame, ends: list[int]) -> None:
    with TemporaryDirectory() as folder, holding(10):
        path, parts = Path(folder) / "rows.parquet", cut(table, ends)
        write(path, *parts)
        pd.testing.assert_frame_equal(pd.read_parquet(path), table)
        assert [it.name for it in Path(folder).iterdir()] == [path.name]


def test_a_single_batch_has_the_bytes_that_pandas_writes(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [0.1, None], "t": ["x", None]}, index=[7, 3])
    table.to_parquet(tmp_path / "whole")
    write(tmp_path / "batches", table)
    assert (tmp_path / "batches").read_bytes() == (tmp_path / "whole").read_bytes()


def write(path: Path, *parts: pd.DataFrame, error: Exception | None = None) -> None:
    with RowsWriter(path) as file:
        for part in parts:
            file.append(part)
        if error:
            raise error


@pytest.mark.parametrize("batches", [0, 1, 2, 3])
def test_a_file_that_is_not_finished_is_not_there(tmp_path: Path, batches: int) -> None:
    parts = [pd.DataFrame({"a": [1.0, 2.0]}, index=pd.RangeIndex(2 * number, 2 * number + 2)) for number in range(batches)]
    with pytest.raises(KeyError):
        write(tmp_path / "rows", *parts, error=KeyError())
    assert [*tmp_path.iterdir()] == []


def test_a_file_of_no_batch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no rows to write to rows"):
        write(tmp_path / "rows")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (pd.DataFrame({"b": [1.0]}, index=pd.RangeIndex(2, 3)), r"columns \['b'\] cannot follow \['a'\]"),
        (pd.DataFrame({"a": [1.0]}, index=pd.RangeIndex(3, 4)), "rows 3 to 3 cannot follow 2 numbered rows"),
        (pd.DataFrame({"a": [1.0]}), "rows 0 to 0 cannot follow 2 numbered rows"),
    ],
)
def test_a_batch_that_does_not_follow_is_refused(tmp_path: Path, other: pd.DataFrame, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        write(tmp_path / "rows", pd.DataFrame({"a": [1.0, 2.0]}), other)


@pytest.mark.parametrize("rows", [np.array([3]), np.array([-1]), np.array([True, False])], ids=["beyond", "below", "short"])
def test_rows_that_are_not_there_are_refused(tmp_path: Path, rows: np.ndarray) -> None:
    pd.DataFrame({"a": [1.0, 2.0, 3.0]}).to_parquet(tmp_path / "rows")
    with pytest.raises(IndexError):
        StoredRows(tmp_path / "rows").take(rows)


def test_a_sample_is_uniform() -> None:
    counts = np.bincount(np.concatenate([draw_places(20, 5, seed) for seed in range(2000)]), minlength=20)
    assert counts.sum() == 10_000
    assert abs(counts - 500).max() < 100  # five standard deviations


def test_two_readings_at_a_time_do_not_disturb_each_other(tmp_path: Path) -> None:
    pd.DataFrame({"a": np.arange(40.0)}).to_parquet(tmp_path / "rows")
    with holding(8):
        rows = StoredRows(tmp_path / "rows")
        pairs = [(one["a"].tolist(), other["a"].tolist()) for one, other in zip(rows.batches(), rows.batches(), strict=True)]
    assert len(pairs) == 10
    assert all(one == other for one, other in pairs)
