"""The rules of a CSV's lines: its header, and lines that are not rows.

They are the same for files and for bodies of requests. A line ends with LF, CRLF or CR. Empty lines before the header are
skipped, and so is Excel's ``sep=;``, which states the separator. Empty fields that a line has beyond the header are
separators at its end and no fields, if the first row has them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from recipeline.errors import DataError
from recipeline.escape import is_unseen

SEPARATORS = {";": "semicolon", ",": "comma", "\t": "tab", "|": "bar"}

_LINE = re.compile(r"([^\r\n]+)(\r\n|\r|\n|\Z)")

_LINE_WITH_END = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")

_NO_LINE_END = re.compile(r"[^\r\n]")

#: The first row is looked for in so many characters.
_LONGEST_ROW = 1 << 20

_EXCEL_SEPARATOR = re.compile(r'"?sep=(.)"?', re.IGNORECASE)

_SHOWN = 80


class HeaderError(Exception):
    """The first line is not a header: the line found, and the fix."""

    def __init__(self, got: str, fix: str) -> None:
        self.got, self.fix = got, fix
        super().__init__(f"{got}: {fix}")


@dataclass(frozen=True)
class Header:
    """The header of a CSV.

    `text` is its line as it is, without separators at its end, `end` the place in the text where the rows begin, and `width`
    the number of fields of a line: that of the columns, and of empty ones behind them.
    """

    columns: list[str]
    separator: str
    text: str
    end: int
    width: int


#: Of a table whose columns have the recipe's names.
_AS_NAMED: Mapping[str, str] = {}

#: Nothing is known of the first row.
_UNKNOWN: Mapping[str, int] = {}


def detect_separator(
    header: str, columns: Sequence[str], rename: Mapping[str, str] = _AS_NAMED, *, first: Mapping[str, int] = _UNKNOWN
) -> str | None:
    """Return the separator that splits `header` into the most of `columns`.

    `rename` has those of other names in the header. A separator inside of quotes separates nothing. None if no separator finds
    two of the columns. If fewer are found, names also count that differ in case or in invisible characters. Without known
    columns it is the separator that splits the header into the most fields, before others one that splits the first row into
    as many; `first` has the numbers of its fields by separator.
    """
    found = {separator: _split_or_none(header, separator) for separator in SEPARATORS}
    if not columns:
        widths = {separator: len(names) for separator, names in found.items()}
        return max(SEPARATORS, key=lambda it: (widths[it] == first.get(it) and widths[it] > 1, widths[it]))
    wanted = set(columns)
    for spelled in (str, plain_name):
        meant = wanted if spelled is str else {plain_name(name) for name in columns}
        known = {
            separator: len(meant & {spelled(rename.get(name, name)) for name in names}) for separator, names in found.items()
        }
        best = max(SEPARATORS, key=lambda separator: known[separator])
        if known[best] >= min(2, len(columns)):
            return best
    return None


def plain_name(name: str) -> str:
    """Return a name in lower case, without outer spaces and invisible characters."""
    if not name.isascii() or not name.isprintable():
        name = "".join(" " if char.isspace() else char for char in name if char.isspace() or not is_unseen(char))
    return name.strip().casefold()


def require_distinct(names: Sequence[str], origin: str) -> None:
    """Raise DataError if two columns of the table `origin` have the same name."""
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if twice:
        raise DataError(f"{origin} must name each column once.", got=f"'{twice[0]}' twice", fix="Rename one of them.")


def read_header(
    text: str, columns: Sequence[str], separator: str = "", *, default: str = "", rename: Mapping[str, str] = _AS_NAMED
) -> Header | None:
    """Return the header of a CSV that begins with `text`; None if all lines are empty.

    Parameters
    ----------
    columns : its expected names, which determine the separator.
    separator : the stated separator; empty: it is detected, and `default` if it cannot be.
    rename : the expected names of columns that may have other ones.

    Raises
    ------
    HeaderError : no separator splits it into the columns, or it is a comment.
    """
    lines = _lines(text)
    line, end = next(lines, ("", 0))
    said = _EXCEL_SEPARATOR.fullmatch(line.strip(" "))
    if said:
        separator, (line, end) = said[1], next(lines, ("", end))
    if not line:
        return None
    if _is_open(line, text[end : end + _LONGEST_ROW]):
        raise HeaderError(
            f"a name over several lines in '{line.strip()[:_SHOWN]}', or a quote that is never closed",
            "Write each name of the header in one line, and close its quotes.",
        )
    widths = {} if separator or columns else {it: len(_first_row(text, end, it)) for it in SEPARATORS}
    found = separator or detect_separator(line, columns, rename, first=widths)
    known = [*columns, *rename] if columns else []
    if line.lstrip().startswith("#") and not _is_header(line, text[end : end + _LONGEST_ROW], known, found):
        raise HeaderError(f"the comment '{line.strip()[:_SHOWN]}'", "Remove lines that begin with '#'.")
    found = found or default
    if not found:
        raise HeaderError(f"'{line.strip()[:_SHOWN]}'", f"The columns are: {', '.join(columns)}.")
    names = _split(line, found)
    named = len(names)
    while named > 1 and not names[named - 1]:
        named -= 1
    first = _first_row(text, end, found)
    if any(field.strip() for field in first[named : len(names)]):  # columns without a name that hold something
        named = len(names)
    text = line if named == len(names) else _without_last(line, found, len(names) - named)
    names = [name or f"Unnamed: {place}" for place, name in enumerate(names[:named])]
    surplus = first[named:]
    width = named if any(field.strip() for field in surplus) else max(len(first), named)
    return Header(names, found, text, end, width)


def _lines(text: str) -> Iterator[tuple[str, int]]:
    """Yield the lines that are not empty, and the place behind each."""
    for match in _LINE.finditer(text):
        if match[1].strip():
            yield match[1], match.end()


def _split(line: str, separator: str) -> list[str]:
    """Return the fields of a line, without spaces around them."""
    return [name.strip() for name in next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])]


def _split_or_none(line: str, separator: str) -> list[str]:
    """Return the fields of a line; none where one is longer than the module takes."""
    try:
        return _split(line, separator)
    except csv.Error:
        return []


def _is_open(line: str, below: str) -> bool:
    """Whether a quote that begins a name is not closed at the end of the line.

    It is no fault where no further line follows: a table without rows has another one.
    """
    if line.count('"') % 2 == 0:
        return False
    for separator in SEPARATORS:
        rows = csv.reader([f"{line}\n", below[:1]], delimiter=separator, skipinitialspace=True)
        if "\n" in "".join(next(rows, [])):
            return True
    return False


def _is_header(line: str, below: str, columns: Sequence[str], separator: str | None) -> bool:
    """Whether a line that looks like a comment has names of columns.

    Without known columns it needs as many fields as the next line.
    """
    fields = _split(line, separator) if separator else []
    if columns:
        return bool(set(fields) & set(columns))
    return len(fields) == len(_split(next(_lines(below), ("", 0))[0], separator or ","))


def _first_row(text: str, place: int, separator: str) -> list[str]:
    """Return the fields of the first row from `place` on, none where there is no row."""
    start = _NO_LINE_END.search(text, place)
    if start is None:
        return []
    lines = (match[0] for match in _LINE_WITH_END.finditer(text, start.start(), start.start() + _LONGEST_ROW))
    try:
        return next(csv.reader(lines, delimiter=separator), [])
    except csv.Error:  # a field of more characters than the module takes
        return []


def _without_last(line: str, separator: str, count: int) -> str:
    """Return a header without so many nameless fields at its end."""
    for _ in range(count):
        line = line.rstrip().removesuffix('""').rstrip(" ").removesuffix(separator)
    return line


def fault_of(fields: Sequence[str], header: Header) -> tuple[str, str] | None:
    """Return the rule that a line breaks and the value found; None for a row.

    `fields` are all fields of the line, also those behind the columns.
    """
    count, width = len(header.columns), header.width
    if len(fields) != width and fields and fields[0].lstrip().startswith("#"):
        return "must be a row of values", f"the comment '{header.separator.join(fields)[:_SHOWN]}'"
    if len(fields) != width or any(field.strip() for field in fields[count:]):
        return f"must have {count} fields", str(len(fields))
    if is_empty(fields):
        return "must hold a value in a field", "separators only"
    return ("must be a row of values", "the header again") if is_header(fields, header) else None


def is_empty(fields: Sequence[str]) -> bool:
    """Whether a line of several fields holds nothing."""
    return len(fields) > 1 and not any(field.strip() for field in fields)


def is_header(fields: Sequence[str], header: Header) -> bool:
    """Whether a line repeats the header, as in concatenated files."""
    return [field.strip().lstrip("\ufeff") for field in fields[: len(header.columns)]] == header.columns
