from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import hashlib
import lzma
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from recipeline.data import readers as row_files
from recipeline.data.readers import open_rows
from recipeline.data.reading import csv_files
from recipeline.data.reading.formats import Format, compression_of
from recipeline.data.writers import open_sink
from recipeline.errors import DataError
from tests.batches import PLAIN, run, write

COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda content: pa.compress(content, "zstd", asbytes=True),
    "two members": lambda content: gzip.compress(content[:9]) + gzip.compress(content[9:]),
    "a mark of UTF-8": lambda content: b"\xef\xbb\xbf" + content,
    "lines of Windows": lambda content: content.replace(b"\n", b"\r\n"),
    "empty lines": lambda content: b"\n\n" + content.replace(b"\n", b"\n\n"),
}


@pytest.mark.parametrize("kind", COMPRESSED)
def test_what_the_bytes_are_is_found_out_from_the_bytes(tmp_path: Path, out: Path, kind: str) -> None:
    source = tmp_path / "in.data"
    source.write_bytes(COMPRESSED[kind](PLAIN))
    run(source, out, interval=None)
    assert out.read_text() == "acid;alcohol;prediction;model_version\n4;10;104;7\n5;11;115;7\n"


@pytest.mark.parametrize("kind", ["gzip", "bz2", "xz", "zstd", "two members"])
def test_the_digest_of_a_content_is_the_same_however_it_is_compressed(tmp_path: Path, kind: str) -> None:
    source = tmp_path / "in.data"
    source.write_bytes(PLAIN)
    assert compression_of(source) is None
    assert row_files.content_digest(source, "") == hashlib.sha256(PLAIN).hexdigest()
    source.write_bytes(COMPRESSED[kind](PLAIN))
    assert compression_of(source) is not None
    assert row_files.content_digest(source, "") == hashlib.sha256(PLAIN).hexdigest()
    source.write_bytes(COMPRESSED["xz"](PLAIN * 100)[:-12])
    with pytest.raises(DataError, match="must be a whole CSV or Parquet file"):
        row_files.content_digest(source, "rows.xz")


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
def test_the_separator_is_found_and_kept(tmp_path: Path, out: Path, separator: str) -> None:
    run(write(tmp_path / "in.csv", "alcohol;x;acid\n10;hello, | you;4\n".replace(";", separator).replace(", | ", " ")), out)
    assert out.read_text().splitlines()[1].split(separator)[:4] == ["10", "hello you", "4", "104"]


def test_ragged_rows_are_set_aside_whole_and_in_order(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 16)
    source = write(tmp_path / "in.csv", "acid;alcohol\n4;10\n4\n5;x\n5;11;6;7\n6;12\n\n7;;\n8\n")
    tally = run(source, out, reject=True, interval=None)
    assert out.read_text() == "acid;alcohol;prediction;model_version\n4;10;104;7\n6;12;126;7\n"
    with (out.parent / "scored.rejects.csv").open(newline="") as file:
        rejected = list(csv.reader(file, delimiter=";"))[1:]
    assert [row[:3] for row in rejected] == [
        ["4", "", "2"],
        ["5", "x", "3"],
        ["5", "11;6;7", "4"],
        ["7", ";", "6"],
        ["8", "", "7"],
    ]
    assert (tally.rows, tally.rejected) == (7, 5)


BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "Got an empty file"),
    "empty lines": (b"\n\r\n", "Got an empty file"),
    "header only": (b"acid;alcohol\n", "has no rows: header only"),
    "wrong separator": (b"acid&alcohol\n4&10\n", "separated by semicolon, comma, tab, bar"),
    "missing column": (b"acid;Alcohol;x\n4;10;1\n", "alcohol: the column is missing. Got 'Alcohol', in other letter case"),
    "a column twice": (b"acid;alcohol;acid\n4;10;4\n", "name each column once. Got 'acid' twice"),
    "a column that is added": (b"acid;alcohol;prediction\n4;10;4\n", "Got 'prediction' instead"),
    "no UTF-8": ("acid;alcohol;é\n4;10;1\n".encode("latin-1"), "UTF-8"),
    "no UTF-8 in a row": ("acid;alcohol;x\n4;10;é\n".encode("latin-1"), "UTF-8"),
    "a quote that is never closed": (b'acid;alcohol;x\n4;10;a\n4;10;"b\n4;10;c\n', "must close each quote that begins a value"),
    "cut-off gzip": (gzip.compress(PLAIN * 100)[:-12], "must be a whole CSV or Parquet file"),
    "cut-off xz": (lzma.compress(PLAIN * 100)[:-12], "must be a whole CSV or Parquet file"),
    "cut-off Parquet": (b"PAR1 and no more", "must be a whole CSV or Parquet file"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_cannot_be_read_is_a_data_error_and_leaves_no_output(tmp_path: Path, out: Path, case: str) -> None:
    content, words = BROKEN[case]
    (tmp_path / "in.csv").write_bytes(content)
    with pytest.raises(DataError) as raised:
        run(tmp_path / "in.csv", out)
    assert words in str(raised.value)
    assert list(out.parent.iterdir()) == []


def test_a_row_that_never_ends_is_a_data_error(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 1000)
    with pytest.raises(DataError, match="a quote that is never closed"):
        run(write(tmp_path / "in.csv", 'acid;alcohol\n4;"10\n' + "4;10\n" * 1000), out)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "latin-1", "utf-16-le", "shift_jis"])
@pytest.mark.parametrize("source", ["csv", "parquet"])
@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.parquet"])
def test_what_is_written_beside_a_table_is_read_by_the_format_of_the_table(
    tmp_path: Path, encoding: str, source: str, name: str
) -> None:
    word = "ﾃｽﾄ" if encoding == "shift_jis" else "Größe"
    table, format = pd.DataFrame({word: [word, "b"], "n": ["1", "2"]}), Format(encoding)
    path = tmp_path / f"in.{source}"
    if source == "csv":
        table.to_csv(path, index=False, encoding=encoding)
    else:
        table.to_parquet(path)
    rows = open_rows(path, [word, "n"], "it", format)
    with open_sink(tmp_path / name, rows.layout.extended([("more", pa.string())])) as write:
        for piece in rows.pieces():
            write(
                pa.RecordBatch.from_arrays(
                    [*piece.rows.columns, pa.array(["x"] * 2)], names=[*rows.layout.schema.names, "more"]
                )
            )
    again = open_rows(tmp_path / name, [word, "n"], "it", format)
    (piece,) = again.pieces()
    assert piece.rows.to_pydict() == {word: [word, "b"], "n": ["1", "2"], "more": ["x", "x"]}
    if name == "out.csv":
        assert (tmp_path / name).read_bytes().startswith(codecs.BOM_UTF8) == (encoding != "utf-8")
