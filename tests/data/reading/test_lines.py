from __future__ import annotations

import codecs
import io

import pytest

from recipeline.data.reading.lines import Behind, Block


@pytest.mark.parametrize(
    ("text", "is_empty", "last"),
    [(b"", True, b""), (b"\r\n\n", True, b""), (b'1,"a"\n \r\n', False, b'"'), (b"1\n2 \n", False, b"2")],
)
def test_what_was_read_last_is_known_in_whatever_parts_it_is_read(text: bytes, is_empty: bool, last: bytes) -> None:
    for size in (1, 2, 1 << 10):
        behind, read = Behind(io.BytesIO(b"a,b\n" + text), 4), b""
        while part := behind.read(len(codecs.BOM_UTF8) + size):
            read += part
        assert read == (codecs.BOM_UTF8 + text if text else b"")
        assert (behind.is_empty, behind.last) == (is_empty, last)
    block = Block(text)
    assert (block.is_empty, block.last) == (is_empty, last)
    assert (block.read(0), block.read(0)) == (codecs.BOM_UTF8 + text, b"")


def test_lines_that_are_given_back_are_read_again_behind_a_mark() -> None:
    behind = Behind(io.BytesIO(b"a\n1\n2\n"), 2)
    read = behind.read(1 << 10).removeprefix(codecs.BOM_UTF8)
    behind.give_back(read[:2], b"", read[2:])
    assert (behind.read(9), behind.read(9), behind.read(9)) == (codecs.BOM_UTF8 + b"1\n", b"2\n", b"")
