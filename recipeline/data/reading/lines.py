"""Lines of a CSV as pyarrow reads them: a stream's rest, or a block in memory."""

from __future__ import annotations

import codecs
from typing import Protocol

from recipeline.data.reading.formats import ReadOnly


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return so many bytes at most; none at the end."""


class Lines(Protocol):
    """Lines as pyarrow reads them: after a UTF-8 mark, of which it removes one."""

    #: Whether nothing but line ends has been read.
    is_empty: bool
    #: The last byte that was read and is no space and no line end.
    last: bytes

    def read(self, size: int, /) -> bytes:
        """Return further text; none at the end."""


class Behind(ReadOnly):
    """The rest of a stream behind its first bytes, after an added UTF-8 mark.

    Pyarrow removes one mark: a mark in the first row remains.
    """

    def __init__(self, text: Readable, count: int) -> None:
        self._text, self._left, self._mark = text, count, codecs.BOM_UTF8
        self._again: list[bytes] = []
        self.is_empty, self.last = True, b""

    def read(self, size: int) -> bytes:
        """Return so many bytes at most; none at the end."""
        if self._again:
            return self._again.pop(0)
        while content := self._text.read(max(size - len(self._mark), 1)):
            left = content[self._left :]
            self._left = max(self._left - len(content), 0)
            if left:
                self.is_empty = self.is_empty and not left.strip(b"\r\n")
                self.last = _last_of(left) or self.last
                left, self._mark = self._mark + left, b""
                return left
        return b""

    def give_back(self, *contents: bytes) -> None:
        """Let text be read again, in these parts, after a mark."""
        first, *others = filter(None, contents)
        self._again = [codecs.BOM_UTF8 + first, *others]


class Block(ReadOnly):
    """Lines that are in memory, read at once."""

    def __init__(self, text: bytes) -> None:
        self._text, self.is_empty, self.last = codecs.BOM_UTF8 + text, not text.strip(b"\r\n"), _last_of(text)

    def read(self, _: int) -> bytes:
        """Return all of it, then nothing."""
        text, self._text = self._text, b""
        return text


def _last_of(text: bytes) -> bytes:
    """Return the last byte that is no space and no line end; empty: none."""
    return text.rstrip(b" \t\r\n")[-1:]
