"""A quote that is never closed, at the end of a CSV.

Pyarrow takes all that follows it for one value: rows would be lost without a word, and of a file that was cut off the half of a
text would be read.
"""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa

from recipeline.data.reading.formats import ReadOnly
from recipeline.errors import DataError

#: So many of the last bytes of a text are kept.
_KEPT = 1 << 16


class _Source(Protocol):
    def read(self, size: int, /) -> bytes:
        """Return further text; none at the end."""


class Ending(ReadOnly):
    """A stream whose last bytes are kept."""

    def __init__(self, source: _Source) -> None:
        self._source, self.end = source, b""

    def read(self, size: int) -> bytes:
        """Return so many bytes at most; none at the end."""
        content = self._source.read(size)
        if content:
            self.end = content[-_KEPT:] if len(content) >= _KEPT else (self.end + content)[-_KEPT:]
        return content


def refuse_open_quote(last: pa.RecordBatch | None, end: bytes, label: str) -> None:
    """Raise DataError if the last value of a text is in quotes that are not closed.

    `last` are its last rows as text, None without any; `end` is its end.
    """
    if last is not None and last.num_rows and _is_open(str(last.columns[-1][-1].as_py()), end):
        raise DataError(
            f"{label} must close each of its quotes.",
            got="one that is never closed, so that all behind it would be one value",
            fix="Correct that row, or write the file again.",
        )


def _is_open(value: str, end: bytes) -> bool:
    """Whether a text with this end, whose last value is `value`, ends within quotes."""
    written = value.replace('"', '""').encode()
    shown = written[1 - _KEPT :]
    if not end.endswith(shown) or end.rstrip(b"\r\n").endswith(b'"' + shown + b'"'):
        return False  # something follows the value
    # Without quotes the separator is before it.
    return end[: len(end) - len(shown)].endswith(b'"') if shown == written else b"\n" in written or b"\r" in written
