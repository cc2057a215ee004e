"""Parts of an input, their names and shards."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.batch.parts import InputFile, Part, Shard, divide, make_parts
from recipeline.data.origin.stores.objects import Found, StoredFile
from recipeline.data.reading.formats import PLAIN
from recipeline.data.reading.ranges import Span
from recipeline.errors import DataError

NOWHERE = Path("/nowhere")


def named(*names: str) -> list[InputFile]:
    return [InputFile(NOWHERE / name, name, name) for name in names]


@given(st.integers(0, 60), st.integers(1, 20))
def test_each_part_is_in_one_shard_and_shards_differ_by_one_part(parts: int, of: int) -> None:
    shares = [[place for place in range(parts) if Shard(number, of).has(place)] for number in range(1, of + 1)]
    assert sorted(place for share in shares for place in share) == list(range(parts))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(
    ("names", "outputs"),
    [
        (["a.csv", "2024/b.csv.gz", "c.parquet"], ["a.predictions.csv", "2024/b.predictions.csv", "c.predictions.parquet"]),
        (["/x/y/a.csv", "/x/z/a.csv"], ["y/a.predictions.csv", "z/a.predictions.csv"]),
        (["a.TSV", "b.pq"], ["a.predictions.tsv", "b.predictions.pq"]),
    ],
)
def test_each_file_has_an_output_of_its_name(names: list[str], outputs: list[str]) -> None:
    parts = make_parts(named(*names), "", ())
    assert [part.output for part in parts] == outputs
    assert parts[0].rejects == f"_rejects/{parts[0].name}.rejects{parts[0].suffix}"


def test_two_files_with_one_output_are_refused() -> None:
    with pytest.raises(DataError, match=r"Got 'a\.csv' and 'a\.csv\.gz', both 'a\.predictions\.csv', instead"):
        make_parts(named("a.csv", "a.csv.gz"), "", ())


def test_a_single_file_has_a_part_for_each_of_its_ranges(tmp_path: Path) -> None:
    file = InputFile(tmp_path / "rows", "rows")
    file.place.write_text("a\n1\n")
    spans = [Span(0, 1, 0), Span(1, 2, 1)]
    assert [it.output for it in make_parts([file], "rows.csv", spans)] == [
        "rows-00001-of-00002.predictions.csv",
        "rows-00002-of-00002.predictions.csv",
    ]
    assert make_parts([file], "rows.parquet", spans[:1]) == [Part("rows", ".parquet", file)]
    assert [it.output for it in make_parts([file], "", ())] == ["rows.predictions.csv"]  # by what is in it


def test_only_a_single_file_is_divided(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
    one, packed = (InputFile(tmp_path / name, name) for name in ("a.csv", "b.csv.gz"))
    assert divide([one], ["a"], PLAIN).spans == (Span(4, 8, 0),)
    assert divide([packed], ["a"], PLAIN).reason == "it is compressed (gzip)"
    assert divide([one, packed], ["a"], PLAIN).spans == ()


def test_a_files_state_and_digest_change_with_it(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    file = InputFile(path, "a.csv")
    state, digest = file.state, file.digest()
    assert (file.state, file.digest()) == (state, digest)
    path.write_text("a\n22\n")
    assert file.state != state
    assert file.digest() != digest
    path.unlink()
    with pytest.raises(DataError):
        _ = file.state
    with pytest.raises(DataError):
        file.digest()
    stored = [InputFile(StoredFile("s3://x/a.csv", Found("a.csv", 4, mark)), "a") for mark in "12"]
    assert stored[0].digest() != stored[1].digest()
    assert stored[0].digest() == stored[0].state == "4 bytes, 1"
