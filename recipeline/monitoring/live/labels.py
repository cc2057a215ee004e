"""Late labels of predictions, joined by request ID and row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from recipeline.data.checking.causes import NO_NUMBER, UNKNOWN, Cause, as_sentence, cause_of, compare_names
from recipeline.data.checking.numbers import is_text, read_numbers, show_field
from recipeline.data.kinds.every import KINDS
from recipeline.data.reading.pieces import Table
from recipeline.data.target_codes import NUMBERS, TargetCodes
from recipeline.errors import DataError, guess
from recipeline.inference.model_info import Feature

REQUEST_ID, ROW = "request_id", "row"


#: So many labels are listed in an error message.
_LISTED = 8


def request_keys(request_ids: pa.Array, rows: pa.Array | None = None) -> np.ndarray:
    """Return one uint64 per row that a request asked about, equal in all tables.

    `rows` are the numbers of the rows in their requests, as numbers or text; None: each was its request's only one. A row that
    names no request has the key 0, which is none.
    """
    ids = request_ids.cast(pa.string()).to_pandas().fillna("")
    numbers = np.zeros(len(ids)) if rows is None else np.asarray(pd.to_numeric(rows.to_pandas(), errors="coerce"), dtype=float)
    asked = pd.DataFrame({REQUEST_ID: ids, ROW: np.nan_to_num(numbers)})
    keys: np.ndarray = pd.util.hash_pandas_object(asked, index=False).to_numpy().copy()
    keys[(ids == "").to_numpy(dtype=bool)] = 0
    return keys


@dataclass
class Labels:
    """Late labels by request and row; `found` are those that were joined.

    A label is a number, or the place of one among the labels of the model's target.
    """

    values: dict[tuple[str, int], float] = field(default_factory=dict)
    found: set[tuple[str, int]] = field(default_factory=set)

    @property
    def joined(self) -> int:
        """The number of labels with a row; one with several rows counts once."""
        return len(self.found)

    def find(self, request_id: str, row: int) -> float:
        """Return the target of a row, NaN where it is not known."""
        key = request_id, row
        if key not in self.values:
            return np.nan
        self.found.add(key)
        return self.values[key]


def read_labels(
    tables: Iterable[Table],
    target: str,
    na: Sequence[str] = (),
    rule: Feature | None = None,
    codes: TargetCodes = NUMBERS,
) -> Labels:
    """Return the labels in tables with the columns ``request_id`` and `target`.

    Where a request had several rows, ``row`` is required: the number of the row in the request, from 0. A label that is empty,
    or one of the words `na`, is not yet known: its row is ignored. The last of several labels for one row counts.

    Raises
    ------
    DataError : a column is missing, a label breaks the target's `rule` or is none of `codes`, or it has no request.
    """
    labels = Labels()
    for table in tables:
        missing = compare_names(table.file.columns, (REQUEST_ID, target), may_have_others=True)
        if missing:
            raise DataError(
                f"{table.label} has no column '{missing[0].column}'.",
                got=missing[0].got or None,
                fix=f"Name its columns {REQUEST_ID} (the header X-Request-ID of the answer) and {target}.",
            )
        for piece in table.file.pieces():
            piece.require_rows(table.label)
            rows = named_columns(piece.rows, table.file.columns)
            values = read_labels_of(rows[target], target, rule, na=na, label=table.label, numbers=piece.numbers, codes=codes)
            known = np.flatnonzero(~np.isnan(values))
            names = _read_names(rows[REQUEST_ID])
            places = read_numbers(rows[ROW], ROW)[0] if ROW in rows else np.zeros(len(values))
            for place in known.tolist():
                if not names[place] or not places[place].is_integer():
                    raise DataError(
                        f"{table.label} must have the request and the row of every label.",
                        got=f"the request '{names[place]}' and row {places[place]:g} in row {piece.numbers[place]}",
                        fix="Correct or remove the row.",
                    )
                labels.values[names[place], int(places[place])] = float(values[place])
    return labels


def read_labels_of(
    column: pa.Array,
    target: str,
    rule: Feature | None,
    *,
    na: Sequence[str],
    label: str,
    numbers: np.ndarray,
    codes: TargetCodes = NUMBERS,
) -> np.ndarray:
    """Return a column of labels as float64; NaN where it is empty, not yet known.

    They are numbers, or places of the labels of `codes`.

    Parameters
    ----------
    rule : the target's, as the recipe declares it; None: any number.
    na : words for a label that is not yet known.
    label, numbers : the table, and its rows, as errors name them.

    Raises
    ------
    DataError : one is of another type, breaks the rule, or is none of the model's labels.
    """
    asked = replace(rule or Feature(target), nullable=True, values=())
    kind = KINDS[asked.type]
    if not kind.accepts(column.type):
        raise DataError(f"The column '{target}' must hold {kind.noun}.", got=f"the type {column.type}", fix="Convert it.")
    read = kind.read(column, na, asked)
    values = read.typed
    for text, broken in kind.broken(read, asked):
        if broken.any():
            place = int(np.argmax(broken))
            is_read = not read.unreadable[place]
            got = f"{values[place]:g} ({target} {text})" if is_read else show_field(column[place].as_py())
            cause = cause_of(column[place].as_py(), asked.decimal) if text == NO_NUMBER else UNKNOWN
            raise _no_label(label, _ONE_OF.get(kind.noun, kind.noun), numbers[place], got, cause)
    known = np.flatnonzero(~read.missing)
    places = np.full(len(values), np.nan)
    places[known] = codes.place(kind.labels(kind.series(values[known])))
    unknown = known[np.isnan(places[known])]
    if len(unknown):
        place = int(unknown[0])
        found = show_field(column[place].as_py())
        more = f" and {len(codes.texts) - _LISTED} more" if len(codes.texts) > _LISTED else ""
        raise DataError(
            f"{label} must hold one of the model's labels for every label.",
            got=f"{found} in row {numbers[place]}",
            fix=f"{guess(str(column[place].as_py()).strip(), codes.texts)}Known: {', '.join(codes.texts[:_LISTED])}{more}. "
            "Correct the row, or leave it empty where the label is not yet known. The model learns a new label from a table of "
            "rows that have it: `recipeline retrain --data TABLE`.",
        )
    return places


#: A value of a column's kind, for people.
_ONE_OF = {"numbers": "a number", "booleans": "true or false"}


def _read_names(column: pa.Array) -> list[str]:
    """Return request IDs, "" for a missing one.

    Raises
    ------
    DataError : they are neither text nor whole numbers.
    """
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (is_text(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise DataError(f"The column '{REQUEST_ID}' must hold text.", got=f"the type {column.type}", fix="Convert it.")
    return [name or "" for name in column.cast(pa.string()).to_pylist()]


def _no_label(label: str, what: str, row: int, got: str, cause: Cause) -> DataError:
    return DataError(
        f"{label} must hold {what} for every label.",
        got=f"{got} in row {row}",
        fix=f"{as_sentence(cause)}Correct the row, or leave it empty where the label is not yet known.",
    )


def named_columns(rows: pa.RecordBatch, names: Sequence[str]) -> dict[str, pa.Array]:
    return dict(zip(names, rows.columns, strict=True))
