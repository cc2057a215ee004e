"""Late labels of predictions, joined by request ID and row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from recipeline.data.numbers import read_numbers
from recipeline.data.readers import Table
from recipeline.errors import DataError

REQUEST_ID, ROW = "request_id", "row"


@dataclass
class Labels:
    """What came true, by the request and the row in it that asked; `joined` counts the rows that were found."""

    values: dict[tuple[str, int], float] = field(default_factory=dict)
    joined: int = 0

    def find(self, request_id: str, row: int) -> float:
        """Return the target of a row, NaN where it is not known."""
        found = self.values.get((request_id, row))
        self.joined += found is not None
        return np.nan if found is None else found


def read_labels(tables: Iterable[Table], target: str, na: Sequence[str] = ()) -> Labels:
    """Return the labels in tables with the columns ``request_id``, `target` and, where a request had several rows, ``row``.

    A row is counted from 0, as in the request; where there are several labels for one, the last one counts.

    Raises
    ------
    DataError : a column is not there, or a label is no number.
    """
    labels = Labels()
    for table in tables:
        missing = [name for name in (REQUEST_ID, target) if name not in table.file.columns]
        if missing:
            raise DataError(
                f"{table.label} must have the columns {REQUEST_ID} and {target}.",
                got=f"one without '{missing[0]}'",
                fix="A label belongs to a request by the header X-Request-ID of its answer.",
            )
        for piece in table.file.pieces():
            rows = named_columns(piece.rows, table.file.columns)
            values, _ = read_numbers(rows[target], target, na)
            places = read_numbers(rows[ROW], ROW)[0] if ROW in rows else np.zeros(len(values))
            if piece.ragged or not (np.isfinite(values).all() and np.isfinite(places).all()):
                broken = piece.ragged[0].number if piece.ragged else piece.numbers[~np.isfinite(values + places)][0]
                raise DataError(
                    f"{table.label} must hold a number for every label.",
                    got=f"none in row {broken}",
                    fix="Correct the row, or leave it out.",
                )
            names = rows[REQUEST_ID].cast(pa.string()).to_pylist()
            labels.values.update(zip(zip(names, places.astype(int).tolist(), strict=True), values.tolist(), strict=True))
    return labels


def named_columns(rows: pa.RecordBatch, names: Sequence[str]) -> dict[str, pa.Array]:
    return dict(zip(names, rows.columns, strict=True))
