"""Frames of programs and notebooks as Arrow tables."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from recipeline.errors import DataError


def as_table(frame: pd.DataFrame) -> pa.Table:
    """Return a frame as a table, without its index.

    NaN and None are missing. Sparse columns are dense in it, and names that are no text become text.

    Raises
    ------
    DataError : two columns have one name, or the values of a column have no type in common that a table knows.
    """
    names = pd.Index(map(str, frame.columns))
    if not names.is_unique:
        twice = ", ".join(names[names.duplicated()].unique())
        raise DataError("Columns must be there once.", got=f"several columns named {twice}", fix="Remove or rename them.")
    return pa.table({name: _as_column(name, frame.iloc[:, place]) for place, name in enumerate(names)})


def as_batch(frame: pd.DataFrame) -> pa.RecordBatch:
    """Return a frame as one batch, as `as_table` does."""
    table = as_table(frame)
    return pa.RecordBatch.from_arrays([column.combine_chunks() for column in table.columns], names=table.column_names)


def _as_column(name: str, values: pd.Series) -> pa.Array | pa.ChunkedArray:
    if isinstance(values.dtype, pd.SparseDtype):
        values = pd.Series(values.array.to_dense())
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:  # of Arrow, or of the conversion before it
        raise DataError(
            f"The column '{name}' must have values of one type, of numbers, text or times.",
            got=f"'{' '.join(map(str, error.args)) if isinstance(error, pa.ArrowException) else error}'",
            fix="Convert the column.",
        ) from None
