"""Plain lines of a CSV: read as numbers at once, and written back as they are.

A block of lines is plain if the exact way, `CsvFile.pieces`, would find the same values in it and write each line byte for byte
as it is. Then its numbers are parsed straight from the bytes, no other field is looked at, and further columns are appended to
the text. Not plain, and left to the exact way, are

- quotes: what a line is, and how it is written, depends on them. From the first one on, the rest of the file is;
- a block with anything that is not plainly a row of numbers: another number of fields, a field of a number that is neither one
  nor a missing word, "nan", an empty line, a line without a number, the header again, CR without LF, bytes that are not UTF-8;
- a whole file whose lines have more fields than its header, or in which the header could be taken for a row.

Both ways cut a file into the same pieces: the last bit of a prediction may depend on the rows that it is made with.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from recipeline.data.checking.numbers import NUMBER
from recipeline.data.kinds.every import KINDS
from recipeline.data.reading import csv_files
from recipeline.data.reading.csv_files import CsvFile, too_long
from recipeline.data.reading.lines import Behind, Block
from recipeline.data.reading.pieces import Piece, RowFile

#: Numbers of these sizes are written by orjson as by pyarrow, digit for digit, four times as fast: both give the shortest
#: digits that read as the same number, and exponents begin elsewhere only beyond.
_LEAST, _MOST = 1e-4, 1e9


class Column(Protocol):
    """The part of a column's description that says how its values are written."""

    @property
    def name(self) -> str:
        """The name."""

    @property
    def type(self) -> str:
        """The name of its kind."""

    @property
    def na(self) -> Sequence[str]:
        """The words for a missing value."""

    @property
    def decimal(self) -> str:
        """The mark before the fraction of a number."""


@dataclass(frozen=True)
class Fields:
    """The fields of a line that are read: columns of text, and of numbers.

    `na` are the words for a missing number, and `decimal` is the mark before its fraction.
    """

    texts: Sequence[str]
    numbers: Sequence[str]
    na: Sequence[str] = ()
    decimal: str = "."

    @classmethod
    def of(cls, columns: Sequence[Column]) -> Self:
        """Return the columns of a model as fields.

        Numbers with another decimal mark or other missing words than the first are read as text.
        """
        numbers = [it for it in columns if KINDS[it.type].is_float_text]
        alike = [it for it in numbers if (it.na, it.decimal) == (numbers[0].na, numbers[0].decimal)]
        na, decimal = (alike[0].na, alike[0].decimal) if alike else ((), ".")
        names = dict.fromkeys(it.name for it in alike)
        return cls([it.name for it in columns if it.name not in names], list(names), na, decimal)


@dataclass(frozen=True)
class PlainLines:
    """Consecutive plain lines: the values of the fields read, numbers as float64.

    `text` has an LF before each line, and perhaps one at its end; `ends` are the offsets, of shape (rows + 1,), where lines
    begin with their LF, and that of the end of the last one. `pieces` reads the lines the exact way.
    """

    rows: pa.RecordBatch
    text: bytes
    ends: np.ndarray
    separator: str
    pieces: Callable[[], Iterator[Piece]]

    def extended(self, numbers: Sequence[np.ndarray], text: str, mark: str = ".") -> memoryview:
        """Return the lines as they are with further fields, without the last line end.

        The fields are `numbers`, float64 of shape (rows,) each, and one text for all lines, which needs no quotes. `mark` is
        before the fraction of a number, and is not the separator.
        """
        lines = _as_array(self.text, self.ends)
        fields = [_as_fields(column, self.separator.encode(), mark.encode()) for column in numbers]
        joined = pc.binary_join_element_wise(lines, *fields, f"{self.separator}{text}".encode(), b"")
        return memoryview(joined.buffers()[2])[1:]


def read_plain(file: RowFile, fields: Fields) -> Generator[PlainLines | Piece, None, None]:
    """Yield all rows of a file: plain lines where it has them, else pieces.

    Raises
    ------
    DataError : the file is broken.
    """
    if not isinstance(file, CsvFile) or not _may_be_plain(file, fields):
        yield from file.pieces()
        return
    with file.opened() as lines:
        yield from _read(file, fields, lines)


def _may_be_plain(file: CsvFile, fields: Fields) -> bool:
    """Whether lines have the header's width, and a number where it has a name.

    No separator may be a part of a number.
    """
    separator = file.header.separator
    is_apart = separator.isascii() and not separator.isalnum() and separator not in '"\r\n+-.'
    names = [
        name for name in fields.numbers if name not in fields.na and not re.search(NUMBER, name.replace(fields.decimal, "."))
    ]
    return bool(names) and is_apart and file.header.width == len(file.columns)


def _read(file: CsvFile, fields: Fields, lines: Behind) -> Iterator[PlainLines | Piece]:
    passed, rest, content = file.before, b"", lines.read(csv_files.BLOCK_BYTES).removeprefix(codecs.BOM_UTF8)
    while content:
        following = lines.read(csv_files.BLOCK_BYTES)
        end = content.rfind(b"\n") + 1
        if b'"' in content or (b"\r" in content and not end):
            lines.give_back(rest, content, following)  # one by one: a row may not reach over three blocks
            yield from file.parse(lines, passed)
            return
        if rest and following and not end:
            raise too_long(file.label)
        end = end if following else len(content)
        if end:
            block = b"".join((b"\n", rest, memoryview(content)[:end]))
            for part in _read_block(file, fields, block, passed):
                passed += part.rows.num_rows + (len(part.ragged) if isinstance(part, Piece) else 0)
                yield part
        rest, content = content[end:], following


def _read_block(file: CsvFile, fields: Fields, block: bytes, passed: int) -> Iterator[PlainLines | Piece]:
    def pieces() -> Iterator[Piece]:
        return file.parse(Block(block), passed)

    text = _as_plain(block) or b""
    ends = _find_ends(text)
    rows = _parse(file, fields, text) if text else None
    if rows is None or rows.num_rows != len(ends) - 1 or not _are_numbers(rows, fields):
        yield from pieces()
    else:
        yield PlainLines(rows, text, ends, file.header.separator, pieces)


def _find_ends(text: bytes) -> np.ndarray:
    """Return the `ends` of lines; one of them may lack its LF at the end."""
    return _places(text, b"\n", *([] if text.endswith(b"\n") else [len(text)]))


def _as_plain(block: bytes) -> bytes | None:
    """Return lines that end with LF instead of CRLF; None if they are not plain."""
    lines = block.replace(b"\r\n", b"\n") if b"\r" in block else block
    try:
        return lines if b"\r" not in lines and (lines.isascii() or lines.decode()) else None
    except UnicodeDecodeError:
        return None


def _parse(file: CsvFile, fields: Fields, text: bytes) -> pa.RecordBatch | None:
    """Return the values of the lines; None if one of them cannot be read."""
    types = dict.fromkeys(fields.texts, pa.string()) | dict.fromkeys(fields.numbers, pa.float64())
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(text),
            read_options=pyarrow.csv.ReadOptions(column_names=file.columns, block_size=len(text) + 1, use_threads=False),
            parse_options=pyarrow.csv.ParseOptions(delimiter=file.header.separator, quote_char=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=types,
                include_columns=list(types),
                null_values=["", *(word for word in fields.na if word == word.strip())],
                decimal_point=fields.decimal,
                check_utf8=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    return table.to_batches()[0] if table.num_rows else None


def _are_numbers(rows: pa.RecordBatch, fields: Fields) -> bool:
    """Whether what was read as a number is one, and each line has one."""
    numbers = [rows.column(name) for name in fields.numbers]
    return not (any(map(_has_nan, numbers)) or _has_no_number(numbers))


def _has_nan(column: pa.Array) -> bool:
    """Whether a text reads as NaN, which is no number; a missing value is null."""
    if column.null_count:
        return bool(pc.any(pc.is_nan(column)).as_py())
    return bool(np.isnan(column.to_numpy().min()))  # NaN is less than any number to it


def _has_no_number(columns: Sequence[pa.Array]) -> bool:
    """Whether a line has no number, and might hold nothing but separators."""
    if not all(column.null_count for column in columns):
        return False
    return bool(np.logical_and.reduce([column.is_null().to_numpy(zero_copy_only=False) for column in columns]).any())


def _as_fields(values: np.ndarray, separator: bytes, mark: bytes) -> pa.Array:
    """Return numbers as text, a separator before each.

    It is the shortest text that reads as the same number.
    """
    sizes = np.abs(values)
    if not (sizes.min() >= _LEAST and sizes.max() < _MOST):
        words = pc.cast(pa.array(values), pa.string())
        words = words if mark == b"." else pc.replace_substring(words, ".", mark.decode())
        return pc.binary_join_element_wise(b"", pc.cast(words, pa.binary()), separator)
    text = orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY).replace(b"[", b",")  # a list, "[1.5,2.5]"
    if (values == np.rint(values)).any():
        text = text.replace(b".0,", b",").replace(b".0]", b"]")
    if separator != b",":
        text = text.replace(b",", separator)
    if mark != b".":
        text = text.replace(b".", mark)
    return _as_array(text, _places(text, separator, len(text) - 1))


def _places(text: bytes, mark: bytes, *more: int) -> np.ndarray:
    """Return the places of a byte, and `more`, as offsets of an Arrow array."""
    return np.append(np.flatnonzero(np.frombuffer(text, np.uint8) == mark[0]), more).astype(np.int32)


def _as_array(text: bytes, offsets: np.ndarray) -> pa.Array:
    return pa.Array.from_buffers(pa.binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(text)])
