"""The format of a file by its bytes: compression, encoding, or not a table.

Files that are not tables are those of Excel, zip, PDF, HTML and the like.
"""

from __future__ import annotations

import codecs
import lzma
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

import pyarrow as pa

from recipeline.errors import DataError
from recipeline.records import LEFT_OUT

COMPRESSIONS = {"gzip": b"\x1f\x8b", "bz2": b"BZh", "zstd": b"\x28\xb5\x2f\xfd", "xz": b"\xfd7zXZ\x00"}

PARQUET_MAGIC = b"PAR1"

#: So many bytes tell what a file is.
START_BYTES = 4096

#: Marks of an encoding at the beginning of a text; the longer ones first.
_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (codecs.BOM_UTF8, "utf-8"),
)

_EXCEL = "Save the sheet as CSV (UTF-8), or as Parquet."

_UNPACK = "Unpack it, and name the table in it."

#: Files that are mistaken for tables, by first bytes: the name of the kind, and the fix.
_OTHERS = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel file (.xls)", _EXCEL),
    (b"%PDF-", "a PDF file", "Get the table as CSV or Parquet."),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"ARROW1", "an Arrow (Feather) file", "Write it as Parquet."),
    (b"SQLite format 3\0", "a SQLite database", "Read a query of it with data.sql in the recipe or profile."),
    (b"\x89HDF\r\n", "an HDF5 file", "Write the table as Parquet."),
)

_PAGES = (b"<!doctype html", b"<html", b"<?xml", b"<head", b"<body")


@dataclass(frozen=True)
class SettingNames:
    """The names of settings that an error tells users to state or correct.

    `type` takes the name of a type; it is empty where no type can be stated.
    """

    encoding: str
    separator: str
    decimal: str
    na: str
    type: str = ""


#: The names of those who have a recipe.
IN_RECIPE = SettingNames(
    encoding="data.encoding in the recipe",
    separator="data.separator in the recipe",
    decimal="data.decimal in the recipe",
    na="na in the recipe",
    type="type: {} for the column in the recipe",
)


class HasFormat(Protocol):
    """The settings of a CSV's format: the recipe's `data`."""

    @property
    def encoding(self) -> str:
        """The encoding of a file without a mark of its own."""

    @property
    def separator(self) -> str:
        """The separator of fields; empty: it is detected."""

    @property
    def rename(self) -> Mapping[str, str]:
        """The recipe's names of columns, by those of the file."""


@dataclass(frozen=True)
class Format:
    """The format of a CSV that does not state its own: encoding and separator.

    An empty separator is detected. `rename` has the recipe's names of columns that any table may have another name for.
    """

    encoding: str = "utf-8"
    separator: str = ""
    rename: Mapping[str, str] = field(default_factory=dict, metadata=LEFT_OUT)

    @classmethod
    def of(cls, settings: HasFormat) -> Format:
        """Return the format that the recipe's `data` states."""
        return cls(settings.encoding, settings.separator, dict(settings.rename))


PLAIN = Format()


class Stored(Protocol):
    """A file of an object store, opened as a path is."""

    def open(self, mode: str, /) -> IO[bytes]:
        """Return its bytes as a stream that can be read from any place."""


#: A file of this machine or of an object store.
Place = Path | Stored


def refuse_other(start: bytes, label: str) -> None:
    """Raise DataError if a file that begins with `start` is not a table.

    The error has the name of its kind.
    """
    found = _name_other(start)
    if found:
        raise DataError(f"{label} must be a CSV or Parquet file.", got=found[0], fix=found[1])


def _name_other(start: bytes) -> tuple[str, str] | None:
    """Return what a file is, and what to do; None where it may be a table."""
    if start.startswith(b"PK\x03\x04"):
        if b"opendocument.spreadsheet" in start:
            return "an OpenDocument spreadsheet (.ods)", _EXCEL
        is_excel = b"[Content_Types].xml" in start or b"xl/" in start
        return ("an Excel file (.xlsx)", _EXCEL) if is_excel else ("a zip archive", _UNPACK)
    if start[257:262] == b"ustar":
        return "a tar archive", _UNPACK
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGES):
        return "an HTML or XML page", "Name the file itself: such a page is often a login or an error message."
    return next(((name, fix) for magic, name, fix in _OTHERS if start.startswith(magic)), None)


def detect_encoding(start: bytes, stated: str = "utf-8") -> str:
    """Return the encoding of a text's mark; without a mark, the `stated` one."""
    return next((name for mark, name in _MARKS if start.startswith(mark)), stated)


def not_encoded(label: str, encoding: str, names: SettingNames) -> DataError:
    """Return the error for bytes that are not text of the encoding."""
    if codecs.lookup(encoding).name != "utf-8":
        return DataError(
            f"{label} must be a CSV in {encoding}, the encoding of its mark or of {names.encoding}.",
            got="bytes that are not",
            fix=f"Correct {names.encoding}, or save it as UTF-8.",
        )
    return DataError(
        f"{label} must be a Parquet file or a CSV in UTF-8.",
        got="bytes that are neither",
        fix=f"Save it as UTF-8, or state {names.encoding}, such as latin-1 or cp1252.",
    )


def compression_of(path: Place) -> str | None:
    """Return the compression of a file by its first bytes; None without one."""
    with path.open("rb") as file:
        return compression_in(file.read(6))


def compression_in(start: bytes) -> str | None:
    """Return the compression of bytes that begin so; None without one."""
    return next((kind for kind, magic in COMPRESSIONS.items() if start.startswith(magic)), None)


@contextmanager
def decompressed(path: Place) -> Iterator[Any]:
    """Yield the bytes of a file as a stream, decompressed if necessary."""
    kind = compression_of(path)
    if kind == "xz":
        with path.open("rb") as packed, lzma.open(packed) as unpacked:
            yield unpacked
    elif isinstance(path, Path):
        with pa.input_stream(str(path), compression=kind) as stream:
            yield stream
    else:
        with path.open("rb") as file, pa.input_stream(file, compression=kind) as stream:
            yield stream


class NulError(ValueError):
    """A text holds a NUL byte."""


class ReadOnly:
    """The methods that pyarrow asks of a stream besides `read`."""

    closed = False

    def close(self) -> None:
        """Do nothing: the stream is closed by whoever opened it."""
        self.closed = True

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def writable(self) -> bool:
        """Whether it can be written."""
        return False

    def seekable(self) -> bool:
        """Whether it can be read from another place."""
        return False


class Text(ReadOnly):
    """The text of a CSV as a stream of UTF-8, without marks at its beginning.

    Raises
    ------
    NulError : it has a NUL byte.
    """

    def __init__(self, stream: Any, stated: str) -> None:
        self.beginning = stream.read(START_BYTES)
        self.encoding = detect_encoding(self.beginning, stated)
        self._stream = stream
        self._decode = None
        if codecs.lookup(self.encoding).name != "utf-8":
            self._decode = codecs.getincrementaldecoder(self.encoding)().decode
        self._rest, self._is_new = b"", True

    def read(self, size: int) -> bytes:
        """Return so many bytes at most; none at the end."""
        if self._is_new:  # not before anybody could look at the beginning: it may be no text
            self._is_new, self._rest = False, self._checked(self.beginning) if self.beginning else b""
            while self._rest.startswith(codecs.BOM_UTF8):
                self._rest = self._rest[len(codecs.BOM_UTF8) :]
        content, is_end = self._rest, False
        while not content and not is_end:
            read = self._stream.read(size)
            content, is_end = self._checked(read), not read
        if len(content) <= size:
            self._rest = b""
            return content
        self._rest = content[size:]
        return content[:size]

    def _checked(self, content: bytes) -> bytes:
        """Return bytes of the stream as UTF-8; at its end, what is left to decode."""
        if self._decode:
            content = self._decode(content, final=not content).encode()
        if b"\0" in content:
            raise NulError
        return content
