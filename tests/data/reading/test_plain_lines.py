from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recipeline.data.reading import csv_files
from recipeline.data.reading.formats import Format
from recipeline.data.reading.pieces import Piece, Table
from recipeline.data.reading.plain_lines import Fields, PlainLines, read_plain
from tests.tables import opened

HEADER = "name,acid,alcohol\n"
FIELDS = Fields(["name"], ["acid", "alcohol"], ["NA", "-999"])


def table(text: str | bytes, names: tuple[str, ...] = ("name", "acid", "alcohol")) -> Table:
    return opened(text if isinstance(text, bytes) else text.encode(), list(names))[0]


def read(text: str | bytes, fields: Fields = FIELDS) -> list[PlainLines | Piece]:
    return list(read_plain(table(text).file, fields))


def test_numbers_are_parsed_and_lines_stay_as_they_are() -> None:
    (lines,) = read(f"{HEADER}007 é, 7.50,1e1\nb,NA,3\n")
    assert isinstance(lines, PlainLines)
    assert lines.rows.to_pydict() == {"name": ["007 é", "b"], "acid": [7.5, None], "alcohol": [10.0, 3.0]}
    assert lines.text.decode() == "\n007 é, 7.50,1e1\nb,NA,3\n"


PLAIN = {
    "LF": "a,1,2\nb,3,4\n",
    "CRLF": "a,1,2\r\nb,3,4\r\n",
    "no end of the last line": "a,1,2\nb,3,4",
    "a missing word": "a,NA,2\nb,-999,4\n",
    "no value, and no name": "a,,2\n,3,4\n",
    "spaces around values": " a , 1,2 \nb,3\t,4\n",
    "letters beyond ASCII": "é,1,2\n\ufeff\u2028,3,4\n",
}


@pytest.mark.parametrize("rows", PLAIN.values(), ids=PLAIN)
def test_plain_lines_hold_the_values_that_the_exact_way_finds(rows: str) -> None:
    (lines,), (piece,) = read(HEADER + rows), list(table(HEADER + rows).file.pieces())
    assert isinstance(lines, PlainLines)
    assert lines.rows.column("name") == piece.rows.column("name")
    for name in FIELDS.numbers:
        text = pc.utf8_trim_whitespace(piece.rows.column(name)).to_pylist()
        expected = [None if word in ("", *FIELDS.na) else float(word) for word in text]
        assert lines.rows.column(name).to_pylist() == expected
    (again,) = lines.pieces()
    assert again.rows == piece.rows
    assert again.numbers.tolist() == piece.numbers.tolist()


OTHERS = {
    "a quote": 'a,1,2\n"b",3,4\n',
    "CR ends a line": "a,1,2\rb,3,4\n",
    "CR before CRLF": "a,1,2\r\r\nb,3,4\r\n",
    "CR ends all lines": "a,1,2\rb,3,4\r",
    "empty lines at the end": "a,1,2\nb,3,4\n\n\n",
    "an empty line": "a,1,2\n\nb,3,4\n",
    "a line too long": "a,1,2\nb,3,4,5\n",
    "a line too short": "a,1,2\nb,3\n",
    "no number": "a,1,2\nb,x,4\n",
    "nan is no number": "a,1,2\nb,nan,4\n",
    "nan beside a missing value": "a,,2\nb,NaN,4\n",
    "no number in a line": "a,1,2\nb,NA,\n",
    "spaces for nothing": "a,1,2\nb, ,4\n",
    "the header again": f"a,1,2\n{HEADER}",
    "separators only": "a,1,2\n,,\n",
    "a mark where a number is": "a,1,2\nb,\ufeff3,4\n",
    "separators at the end": "a,1,2,\nb,3,4,\n",
}


@pytest.mark.parametrize("rows", OTHERS.values(), ids=OTHERS)
def test_other_lines_are_read_the_exact_way(rows: str) -> None:
    parts, pieces = read(HEADER + rows), list(table(HEADER + rows).file.pieces())
    assert [(it.rows, it.numbers.tolist(), it.ragged) for it in parts if isinstance(it, Piece)] == [
        (it.rows, it.numbers.tolist(), it.ragged) for it in pieces
    ]
    assert len(parts) == len(pieces)


def test_a_header_of_numbers_could_be_a_row() -> None:
    years = table("name,2023,2024\na,1,2\n", ("name", "2023", "2024")).file
    assert [type(it) for it in read_plain(years, Fields(["name"], ["2023", "2024"]))] == [Piece]


@pytest.mark.parametrize("separator", ["-", ".", "e", "1"])
def test_a_separator_that_may_be_a_part_of_a_number_is_not_plain(separator: str) -> None:
    text = "".join(f"{separator.join(line)}\n" for line in (["nam", "acid", "alcohol"], ["a", "7", "2"]))
    (file,) = opened(text.encode(), ["acid", "alcohol"], format=Format(separator=separator))
    assert [type(it) for it in read_plain(file.file, Fields([], ["acid", "alcohol"]))] == [Piece]


def test_bytes_that_are_not_utf_8_are_refused_as_ever() -> None:
    with pytest.raises(csv_files.DataError, match="CSV in UTF-8"):
        read(HEADER.encode() + b"a,1,2\n" * 20_000 + b"\xe9,1,2\n")  # not in the beginning, which is read with the header


def test_a_word_with_spaces_is_no_word_for_a_missing_value() -> None:
    (part,) = read(f"{HEADER}a, NA,1\n", Fields([], ["acid", "alcohol"], [" NA"]))
    assert isinstance(part, Piece)


@pytest.mark.parametrize("place", range(70))
def test_a_quote_that_is_never_closed_has_the_same_verdict_wherever_it_is(monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 64)
    text = HEADER + "b" * (place % 6) + "a,1,2\n" * (place // 6) + 'bbb,1,"\n' + "a,1,2\n" * 20
    found = []
    for way in (lambda: list(table(text).file.pieces()), lambda: read(text)):
        try:
            found.append(sum(len(part.ragged) for part in way() if isinstance(part, Piece)))
        except csv_files.DataError as error:
            found.append(str(error))
    assert found[0] == found[1]


def test_a_line_longer_than_a_block_is_refused_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 64)
    text = HEADER + "a,1,2\n" * 20 + "b" * 500 + ",1,2\n" + "a,1,2\n" * 20
    for way in (lambda: list(table(text).file.pieces()), lambda: read(text)):
        with pytest.raises(csv_files.DataError, match="must have rows of less than"):
            way()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["a,1,2", "b,3.25,4", "c,NA,1", "d,x,1", "e,1", '"f",1,2', ""]), max_size=60),
    st.sampled_from([40, 90]),
)
def test_both_ways_cut_a_file_into_the_same_pieces_of_the_same_numbers(lines: list[str], block: int) -> None:
    text = HEADER + "\n".join(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_files, "BLOCK_BYTES", block)
        exact = [it.numbers.tolist() for it in table(text).file.pieces() if len(it.numbers)]
        found = []
        for part in read(text):
            pieces = [part] if isinstance(part, Piece) else list(part.pieces())
            found += [it.numbers.tolist() for it in pieces if len(it.numbers)]
            assert isinstance(part, Piece) or part.rows.num_rows == len(found[-1])
    assert found == exact


SIZES = st.floats(allow_nan=True, allow_infinity=True) | st.floats(1e-6, 1e12) | st.integers(-(10**12), 10**12).map(float)


@settings(max_examples=200, deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=6), st.sampled_from(";,\t|"))
@example([0.0, -0.0], ",")
@example([5.0, 105.50, -2e9], ",")
def test_appended_numbers_are_written_as_pyarrow_writes_them(values: list[float], separator: str) -> None:
    text, ends = b"\nx" * len(values), np.arange(0, 2 * len(values) + 1, 2, dtype=np.int32)
    lines = PlainLines(pa.record_batch({}), text, ends, separator, lambda: iter(()))
    numbers = np.array(values)
    texts = pc.cast(pa.array(numbers), pa.string()).to_pylist()
    assert bytes(lines.extended([numbers, numbers], "v7")).decode() == "\n".join(
        separator.join(["x", text, text, "v7"]) for text in texts
    )
