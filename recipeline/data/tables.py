"""Bytes to a table: CSV (the separator is detected; every value is text) or Parquet."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Sequence

import pandas as pd

from recipeline.errors import DataError

SEPARATORS = {";": "semicolon", ",": "comma", "\t": "tab", "|": "bar"}

_PARQUET_MAGIC = b"PAR1"


def read_table(content: bytes, *, columns: Sequence[str], origin: str) -> pd.DataFrame:
    """Return the table in `content`, a CSV file with a header or a Parquet file, with all columns it has.

    Out of a CSV every value comes as the text it is, NaN where the field is empty.

    `columns` are the names that the header is expected to hold; they decide which separator the CSV uses. `origin` names the
    source in errors.

    Raises
    ------
    DataError : empty, not a table, cut off, or no separator splits the header into the expected columns.
    """
    if not content.strip(b" \t\r\n\0"):
        raise DataError(
            f"{origin} must be a CSV or Parquet file with rows.",
            got="an empty file",
            fix="Name a file that holds the table.",
        )
    table = _read_parquet(content, origin) if content.startswith(_PARQUET_MAGIC) else _read_csv(content, columns, origin)
    if table.empty:
        raise DataError(
            f"{origin} must hold rows below its header.", got="a header only", fix="Name a file that holds the table."
        )
    return table


def detect_separator(header: str, columns: Sequence[str]) -> str | None:
    """Return the separator that splits `header` into the most of `columns`; None where none finds as many as two."""

    def known(separator: str) -> int:
        names = {name.strip().strip('"').strip() for name in header.split(separator)}
        return len(names & set(columns))

    best = max(SEPARATORS, key=known)
    return best if known(best) >= min(2, len(columns)) else None


def require_distinct(names: Sequence[str], origin: str) -> None:
    """Raise DataError where two columns of the table `origin` have one name."""
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if twice:
        raise DataError(f"{origin} must name each column once.", got=f"'{twice[0]}' twice", fix="Rename one of them.")


def _read_parquet(content: bytes, origin: str) -> pd.DataFrame:
    import pyarrow.parquet
    from pyarrow import ArrowException

    try:
        require_distinct(pyarrow.parquet.read_schema(io.BytesIO(content)).names, origin)
        return pd.read_parquet(io.BytesIO(content), dtype_backend="pyarrow")
    except (ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"{origin} must be a whole Parquet file.", got=f"'{_one_line(error)}'", fix="Write or download it again."
        ) from None


def _read_csv(content: bytes, columns: Sequence[str], origin: str) -> pd.DataFrame:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{origin} must be a Parquet file or a CSV in UTF-8.",
            got=f"byte {error.start} that is neither",
            fix="Save it as UTF-8.",
        ) from None
    header = re.split("[\r\n]", text.lstrip(), maxsplit=1)[0]
    separator = detect_separator(header, columns)
    if separator is None:
        raise DataError(
            f"{origin} must have the recipe's columns in its header, separated by {', '.join(SEPARATORS.values())}.",
            got=f"'{header[:80]}'",
            fix=f"The columns are: {', '.join(columns)}.",
        )
    try:
        names = [name.strip() for name in next(csv.reader([header], delimiter=separator, skipinitialspace=True))]
        require_distinct(names, origin)
        with warnings.catch_warnings():
            # pandas would drop the fields that the header does not name, and only warn.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                io.StringIO(text),
                sep=separator,
                header=0,
                names=names,
                dtype=str,  # what is a number, and what is missing, is for `recipeline.data.numbers` to say
                keep_default_na=False,
                na_values=[""],
                index_col=False,
                skipinitialspace=True,
                on_bad_lines="error",
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning, csv.Error, ValueError) as error:
        raise DataError(
            f"{origin} must be a table: as many fields on each line as in the header.",
            got=f"'{_one_line(error)}'",
            fix="Correct that line.",
        ) from None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
