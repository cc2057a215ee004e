"""Ranges of a file have the pieces of the whole file, with its row numbers."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from recipeline.data.readers import open_rows
from recipeline.data.reading import csv_files, formats, parquet_files, ranges
from recipeline.data.reading.formats import Format
from recipeline.data.reading.plain_lines import Fields, PlainLines, read_plain
from recipeline.data.reading.ranges import divide_file
from recipeline.errors import DataError

WANTED = ["a", "b"]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a block have a few lines, and a range at least two of them."""
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 80)
    monkeypatch.setattr(formats, "START_BYTES", 32)
    monkeypatch.setattr(ranges, "LEAST_PIECES", 2)
    for module in (ranges, parquet_files):
        monkeypatch.setattr(module, "BATCH_ROWS", 7)


Read = list[tuple[list[tuple[str, ...]], list[int], list[int]]]


def read(path: Path, *spans: ranges.Span | None) -> Read:
    """Return rows, their numbers and those of other lines, by piece.

    Empty pieces are left out.
    """
    found: Read = []
    for span in spans:
        for piece in open_rows(path, WANTED, "rows", span=span).pieces():
            rows = [tuple(map(str, row.values())) for row in piece.rows.to_pylist()]
            if rows or piece.ragged:
                found.append((rows, piece.numbers.tolist(), [line.number for line in piece.ragged]))
    return found


def flat(pieces: Read) -> tuple[list[tuple[str, ...]], list[int], list[int]]:
    """Return all rows, numbers, and numbers of other lines, of all pieces."""
    rows = [it for piece in pieces for it in piece[0]]
    return rows, [it for piece in pieces for it in piece[1]], [it for piece in pieces for it in piece[2]]


def read_lines(path: Path, *spans: ranges.Span | None) -> Read:
    """Return the same of the way that takes plain lines as they are."""
    found: Read = []
    for span in spans:
        for part in read_plain(open_rows(path, WANTED, "rows", span=span), Fields([], ["a"])):
            for piece in part.pieces() if isinstance(part, PlainLines) else [part]:
                rows = [tuple(map(str, row.values())) for row in piece.rows.to_pylist()]
                found += [(rows, piece.numbers.tolist(), [line.number for line in piece.ragged])] * bool(rows or piece.ragged)
    return found


FIELD = st.sampled_from(["1", "2.5", "-3", "", "x", "é", '"q"', '"a\nb"', '"a\r\n""b"', '"c,d"', '""', '""""', " "])
LINE = st.one_of(st.tuples(FIELD, FIELD).map(",".join), st.sampled_from(["1,2", "1,2", "1,2,3", "", "a,b", "1", "\ufeff1,2"]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINE, max_size=80), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.sampled_from(["", "\ufeff"]))
@example(["1,2"] * 200, "\n", True, "")
@example(['1,"a\nb"'] * 80, "\n", True, "")
@example([*["1,2", ""] * 80, "1,2,3", "1,2"], "\r\n", True, "\ufeff")
@example([*["1,2", "1,2,3"] * 60], "\n", False, "")
def test_the_ranges_of_a_csv_together_are_the_whole(
    tmp_path: Path, lines: list[str], end: str, is_ended: bool, mark: str
) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes((mark + end.join(["a,b", *lines]) + (end if is_ended else "")).encode())
    try:
        whole = read(path, None)
    except DataError:
        return
    division = divide_file(path, WANTED, "rows.csv", Format())
    assert division.spans
    for way in (read, read_lines):
        apart, whole = way(path, *division.spans), way(path, None)
        assert flat(apart) == flat(whole)
        assert [piece[0] for piece in apart if piece[0]] == [piece[0] for piece in whole if piece[0]]
    assert division.spans[-1].end == path.stat().st_size
    assert [it.start for it in division.spans[1:]] == [it.end for it in division.spans[:-1]]


def test_a_long_file_has_many_ranges_and_a_long_header_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n" + "1,2\n" * 2000)
    assert len(divide_file(path, WANTED, "", Format()).spans) == 51
    name = "c" * 100
    path.write_text(f"a,b,{name}\n" + "1,2,3\n" * 100)
    spans = divide_file(path, WANTED, "", Format()).spans
    assert len(spans) > 2
    assert read(path, *spans) == read(path, None)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\r1,2\r3,4\r", "CR alone"),
        (b'a,b\n1,5" pipe\n', "no quotes around it"),
        (b'a,b\n1,"x\n', "never closed"),
        ("a,b\n1,é\n".encode("utf-16"), "encoding is utf-16"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "compressed (gzip)"),
    ],
)
def test_a_file_that_cannot_be_divided_says_why(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    division = divide_file(path, WANTED, "", Format())
    assert division.spans == ()
    assert words in division.reason


@pytest.mark.parametrize("is_dictionary", [False, True])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.integers(0, 120), size=st.integers(1, 40))
@example(rows=42, size=14)
def test_the_ranges_of_a_parquet_file_together_are_the_whole(tmp_path: Path, is_dictionary: bool, rows: int, size: int) -> None:
    path = tmp_path / "rows.parquet"
    letters = pa.array([str(place % 5) for place in range(rows)], pa.string())
    table = pa.table({"a": np.arange(rows) / 2, "b": letters.dictionary_encode() if is_dictionary else letters})
    pyarrow.parquet.write_table(table, path, row_group_size=size)
    spans = divide_file(path, WANTED, "", Format()).spans
    assert len(spans) == -(-rows // 14)
    assert read(path, *spans) == read(path, None)


def test_a_file_that_becomes_shorter_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n" + "1,2\n" * 200)
    spans = divide_file(path, WANTED, "", Format()).spans
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match="was shortened"):
        read(path, *spans)


def test_a_stream_that_is_no_path_is_read_alike(tmp_path: Path) -> None:
    class Kept:
        def __init__(self, content: bytes) -> None:
            self.content = content

        def open(self, _: str) -> io.BytesIO:
            return io.BytesIO(self.content)

    def contents() -> Iterator[bytes]:
        yield b"a,b\n" + b"1,2\n" * 200
        frame = pd.DataFrame({"a": np.arange(50.0), "b": "x"})
        frame.to_parquet(tmp_path / "x.parquet")
        yield (tmp_path / "x.parquet").read_bytes()

    for content in contents():
        path = tmp_path / "rows"
        path.write_bytes(content)
        kept = Kept(content)
        assert divide_file(kept, WANTED, "", Format()) == divide_file(path, WANTED, "", Format())
        spans = divide_file(kept, WANTED, "", Format()).spans
        assert read(kept, *spans) == read(path, None)
