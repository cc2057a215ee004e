from __future__ import annotations

import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recipeline.data.reading.formats import NulError, Text, compression_in, detect_encoding, refuse_other
from recipeline.errors import DataError

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), min_size=1)


def read(content: bytes, stated: str = "utf-8", size: int = 1 << 16) -> bytes:
    stream, found = Text(io.BytesIO(content), stated), b""
    while part := stream.read(size):
        assert len(part) <= size
        found += part
    return found


@given(
    TEXTS, st.sampled_from(["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]), st.integers(1, 3), st.integers(1, 9)
)
@example("a" * 5000 + "€" * 5000, "utf-16-le", 2, 7)
def test_a_text_with_a_mark_is_utf8_whatever_it_is_written_in(text: str, encoding: str, marks: int, size: int) -> None:
    content = ("\ufeff" * marks + text).encode(encoding)
    assert detect_encoding(content, "latin-1") == encoding
    assert read(content, "latin-1", size).decode() == text


@given(
    st.text(st.characters(codec="latin-1", exclude_characters="\0"), min_size=3).filter(
        lambda it: it[:2] not in ("ÿþ", "þÿ", "ï»")
    )
)
def test_a_text_without_a_mark_is_read_as_it_is_stated(text: str) -> None:
    assert read(text.encode("latin-1"), "latin-1").decode() == text


@pytest.mark.parametrize("place", [0, 5, 4095, 4096, 100_000])
def test_a_nul_byte_is_found_wherever_it_is(place: int) -> None:
    with pytest.raises(NulError):
        read(b"a" * place + b"\0" + b"a" * 9)


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"PK\x03\x04....xl/workbook.xml", "Excel"),
        (b"PK\x03\x04....mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "OpenDocument"),
        (b"PK\x03\x04....a.csv", "zip"),
        (b"\xef\xbb\xbf  <HTML>", "HTML"),
        (b"SQLite format 3\0", r"data\.sql"),
        (b"x" * 257 + b"ustar", "tar archive"),
    ],
)
def test_what_people_take_for_a_table_is_refused_by_its_name(start: bytes, name: str) -> None:
    with pytest.raises(DataError, match=name):
        refuse_other(start, "x")


def test_a_table_is_not_taken_for_something_else() -> None:
    for start in (b"", b"a,b\n1,2\n", b"PAR1", b"\x1f\x8b"):
        refuse_other(start, "x")
    assert (compression_in(b"a,b"), compression_in(b"\x1f\x8b")) == (None, "gzip")
