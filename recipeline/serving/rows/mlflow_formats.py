"""The request formats of `mlflow models serve`: its JSON formats and CSV.

Extra columns are ignored, as MLflow does.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TextIO

import numpy as np

from recipeline.data.checking.numbers import NUMBER
from recipeline.data.reading.formats import START_BYTES, Format, compression_in, detect_encoding, refuse_other
from recipeline.data.reading.header import Header, HeaderError, fault_of, read_header
from recipeline.errors import DataError, guess
from recipeline.inference.model_info import Feature
from recipeline.serving.rows.beside import Beside
from recipeline.serving.rows.faults import BadRows, Fault, Faults, TooManyRows, UnreadableBody, kind_of, no_rows, shorten
from recipeline.serving.rows.json_rows import read_json, refuse_many_rows, require_lists, require_once
from recipeline.serving.rows.schema import Schema

Table = tuple[Sequence[str] | None, Sequence[Sequence[Any]]]

#: A header of as many characters has thousands of columns.
_LONGEST_HEADER = 1 << 17

#: And below such a header, a row has fewer characters than this.
_LONGEST_ROW = 1 << 20

# What is too long is told by us: a value that JSON may have is one in a CSV too.
csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_ROW))

#: The header and the first row are looked for in so many characters.
_START = 1 << 20

_FIRST_LINE = re.compile(rf"[^\r\n]{{1,{_LONGEST_HEADER + 1}}}")

_FORMATS = "dataframe_split, dataframe_records, instances or inputs"


def parse_json(body: bytes, schema: Schema, *, max_rows: int, beside: Beside | None = None) -> np.ndarray:
    """Return the rows of a JSON body in one of MLflow's formats.

    The shape is (rows, features), in the model's order. Columns that the model does not use are ignored; what the log keeps of
    them is added to `beside`.

    Raises
    ------
    UnreadableBody, TooManyRows, BadRows : as `Schema.parse`.
    """
    refuse_many_rows(body, schema.names, max_rows)
    value = read_json(body)
    if not isinstance(value, dict):
        raise BadRows(Fault(None, None, f"must be an object with one of {_FORMATS}", kind_of(value)))
    require_once(value)
    found = [name for name in _READERS if name in value]
    if len(found) != 1:
        got = ", ".join(found) or "none"
        raise BadRows(Fault(None, None, f"must have exactly one of {_FORMATS}; /predict takes rows by column name", got))
    content = value[found[0]]
    if isinstance(content, dict) and any(isinstance(cells, list) and len(cells) > max_rows for cells in content.values()):
        raise TooManyRows  # before columns become rows
    names, rows = _READERS[found[0]](content, found[0], schema)
    return _select(names, rows, schema, max_rows, beside)


def parse_csv(body: bytes, schema: Schema, *, max_rows: int, beside: Beside | None = None) -> np.ndarray:
    """Return the rows of a CSV body with a header, of shape (rows, features).

    Columns are in the model's order. The rules are those of files (`recipeline.data.reading.header`). No more than `max_rows`
    rows are read. Other columns that the log keeps are added to `beside`.

    Raises
    ------
    UnreadableBody, TooManyRows, BadRows : as `parse_json`.
    """
    encoding = _check_text(body, schema.format)
    start = _open_text(body, encoding).read(_START)
    header = _read_header(start.lstrip("\ufeff"), schema)
    if header is None:
        raise BadRows(no_rows())
    lines = _open_text(body, encoding)
    lines.read(len(start) - len(start.lstrip("\ufeff")) + header.end)
    names = [schema.format.rename.get(name, name) for name in header.columns]
    places, faults, rows = _find_columns(names, schema), Faults(), list[list[float | str | None]]()
    wanted = list(zip(places, schema.features, strict=True))
    others = {name: names.index(name) for name in schema.kept if names.count(name) == 1}
    sent: dict[str, list[Any]] = {name: [] for name in others}
    try:
        for number, cells in enumerate(_read_rows(lines, header)):
            if number >= max_rows:
                raise TooManyRows
            fault = None if _is_plainly_a_row(cells, header) else fault_of(cells, header)
            if fault is None:
                rows.append([_as_value(cells[place], feature) for place, feature in wanted])
                for name, place in others.items():
                    sent[name].append(cells[place].strip() or None)
            else:
                faults.add(number, None, fault[0].replace("fields", "values"), fault[1])
                if faults.is_over:
                    break
    except csv.Error as error:
        raise UnreadableBody(f"The body is not CSV: {error}.") from None
    if faults.count:
        raise BadRows(faults)
    return schema.check(rows, beside, sent)


def _check_text(body: bytes, format: Format) -> str:
    """Return the encoding of a CSV.

    Raises
    ------
    UnreadableBody : it is of another kind or encoding, or has a NUL byte.
    """
    start = body[:START_BYTES]
    try:
        refuse_other(start, "The body")
    except DataError as error:
        raise UnreadableBody(error.sentence) from None
    if kind := compression_in(start):
        raise UnreadableBody(f"The body is compressed ({kind}). Send gzip with the header Content-Encoding.")
    encoding = detect_encoding(body, format.encoding)
    try:
        has_nul = "\0" in body.decode(encoding)  # which also tells the byte that is none, and is not kept
    except UnicodeDecodeError as error:
        raise UnreadableBody(f"The body is not {encoding.upper()} at byte {error.start}.") from None
    if has_nul:
        raise UnreadableBody("The body is not text: it has a NUL byte.")
    return encoding


def _open_text(body: bytes, encoding: str) -> TextIO:
    return io.TextIOWrapper(io.BytesIO(body), encoding=encoding, newline="")


def _read_header(text: str, schema: Schema) -> Header | None:
    """Return the header.

    Raises
    ------
    BadRows : it is too long, or a comment.
    """
    first = _FIRST_LINE.search(text)
    if first and len(first[0]) > _LONGEST_HEADER:
        raise BadRows(Fault(None, None, f"the header must have at most {_LONGEST_HEADER} characters", "more"))
    try:
        return read_header(text, schema.names, schema.format.separator, default=",", rename=schema.format.rename)
    except HeaderError as error:
        raise BadRows(Fault(None, None, "the body must begin with the header", error.got)) from None
    except csv.Error as error:
        raise UnreadableBody(f"The body is not CSV: {error}.") from None


def _read_rows(lines: TextIO, header: Header) -> Iterator[list[str]]:
    """Yield the rows that are not empty.

    Raises
    ------
    BadRows : a row is too long; raised before all of it is read.
    UnreadableBody : a quote is never closed.
    """
    taken = 0

    def limited() -> Iterator[str]:
        nonlocal taken
        for line in lines:
            taken += len(line)
            if taken > _LONGEST_ROW:
                raise BadRows(Fault(None, None, f"a row must have at most {_LONGEST_ROW} characters", "more"))
            yield line
        if taken:  # a further line was asked for: the rest of the body, or half a text, would be one value
            raise UnreadableBody("The body is not CSV: a quote is never closed.")

    for cells in csv.reader(limited(), delimiter=header.separator, skipinitialspace=True):
        taken = 0
        if cells:
            yield cells


def _is_plainly_a_row(cells: Sequence[str], header: Header) -> bool:
    """Whether a line is a row at a glance: its width and first value are right."""
    return len(cells) == header.width == len(header.columns) and cells[0][:1].isdigit()


def _as_value(cell: str, feature: Feature) -> float | str | None:
    """Return a cell as its column takes it: a number, text, or None if empty."""
    text = cell.strip()
    if not text:
        return None
    if float not in feature.kind.json_types:
        return text
    plain = text
    if feature.decimal != ".":
        plain = "" if "." in text else text.replace(feature.decimal, ".", 1)
    return float(plain) if re.match(NUMBER, plain) else text


def _select(
    names: Sequence[str] | None, rows: Sequence[Sequence[Any]], schema: Schema, max_rows: int, beside: Beside | None
) -> np.ndarray:
    """Return the model's columns of the rows, in its order.

    Rows without names (None) are in that order already.
    """
    if len(rows) > max_rows:
        raise TooManyRows
    if names is None:
        names = schema.names
    places, faults = _find_columns(names, schema), Faults()
    for number, row in enumerate(rows):
        if len(row) != len(names):
            faults.add(number, None, f"must have {len(names)} values", str(len(row)))
            if faults.is_over:
                break
    if faults.count:
        raise BadRows(faults)
    kept = {name: list(names).index(name) for name in schema.kept if list(names).count(name) == 1}
    sent = {name: [row[place] for row in rows] for name, place in kept.items()}
    return schema.check([[row[place] for place in places] for row in rows], beside, sent)


def _find_columns(names: Sequence[str], schema: Schema) -> list[int]:
    """Return the positions of the model's columns.

    Raises
    ------
    BadRows : a column is missing or repeated.
    """
    missing, faults = [name for name in schema.names if name not in names], Faults()
    for name in missing:
        close = guess(name, [other for other in names if other not in schema.names][:100]).strip()
        faults.add(None, name, "is required", f"nothing{f'. {close}' if close else ''}")
    for name in schema.names:
        if list(names).count(name) > 1:
            faults.add(None, name, "must be unique", "a repeated name")
    if faults.count:
        raise BadRows(faults)
    return [list(names).index(name) for name in schema.names]


def _split(value: Any, name: str, _: Schema) -> Table:
    """Read ``{"columns": [...], "data": [[...], ...]}``; an index is ignored."""
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise BadRows(Fault(None, name, "must be an object with columns and data, a list of lists", kind_of(value)))
    require_once(value)
    columns = value.get("columns")
    if columns is not None and not (isinstance(columns, list) and all(isinstance(column, str) for column in columns)):
        raise BadRows(Fault(None, name, "columns must be a list of names", kind_of(columns)))
    return columns, require_lists(value["data"], name)


def _records(value: Any, name: str, schema: Schema) -> Table:
    """Read ``[{column: value, ...}, ...]``.

    A column that only some rows have is null in the others, as in a DataFrame.
    """
    if not isinstance(value, list):
        raise BadRows(Fault(None, name, "must be a list of objects", kind_of(value)))
    faults = Faults()
    for number, row in enumerate(value):
        if isinstance(row, dict):
            for repeated in getattr(row, "repeated", ()):
                faults.add(number, shorten(repeated), "must be unique", "a repeated name")
        else:
            faults.add(number, name, "must be an object of columns", kind_of(row))
        if faults.is_over:
            break
    if faults.count:
        raise BadRows(faults)
    if not value:
        raise BadRows(no_rows())
    names = [column for column in (*schema.names, *sorted(schema.kept)) if any(column in row for row in value)]
    return names, [[row.get(column) for column in names] for row in value]


def _instances(value: Any, name: str, schema: Schema) -> Table:
    """Read TensorFlow Serving's row format: a list of objects, or of lists.

    Lists are in the model's order.
    """
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return _records(value, name, schema)
    if not isinstance(value, list):
        raise BadRows(Fault(None, name, "must be a list of objects or of lists", kind_of(value)))
    return None, require_lists(value, name)


def _inputs(value: Any, name: str, schema: Schema) -> Table:
    """Read TensorFlow Serving's column format: an object of lists or values.

    All that `instances` accepts is accepted too.
    """
    if not isinstance(value, dict):
        return _instances(value, name, schema)
    require_once(value)
    if len({len(cells) if isinstance(cells, list) else 1 for cells in value.values()}) > 1:
        raise BadRows(Fault(None, name, "must have columns of one length", "columns of different lengths"))
    _find_columns(list(value), schema)  # columns of no use may be many: they do not become rows
    names = [*schema.names, *sorted(schema.kept & value.keys())]
    columns = [cells if isinstance(cells, list) else [cells] for cells in map(value.__getitem__, names)]
    return names, [list(row) for row in zip(*columns, strict=True)]


_READERS: Mapping[str, Callable[[Any, str, Schema], Table]] = {
    "dataframe_split": _split,
    "dataframe_records": _records,
    "instances": _instances,
    "inputs": _inputs,
}
