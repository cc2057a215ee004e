"""Files of rows of any size, read in pieces; CSV values are text."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from recipeline.data.reading.csv_files import CsvFile, as_data_error, unreadable
from recipeline.data.reading.formats import (
    IN_RECIPE,
    PARQUET_MAGIC,
    PLAIN,
    START_BYTES,
    Format,
    Place,
    SettingNames,
    decompressed,
    refuse_other,
)
from recipeline.data.reading.header import require_distinct
from recipeline.data.reading.parquet_files import ParquetFile
from recipeline.data.reading.pieces import RowFile
from recipeline.data.reading.ranges import CsvRange, ParquetRange, Span
from recipeline.data.reading.renamed import rename_columns
from recipeline.data.writers import CSV_SUFFIXES, PARQUET_SUFFIXES

_COMPRESSED_SUFFIXES = (".gz", ".bz2", ".zst", ".xz")


def split_name(name: str) -> tuple[str, str]:
    """Return a file's name without suffixes, and the table's suffix in lower case.

    Suffixes are those of tables and compression; "": none.
    """
    path = Path(name)
    if path.suffix.lower() in _COMPRESSED_SUFFIXES:
        path = path.with_suffix("")
    suffix = path.suffix.lower()
    return (path.stem, suffix) if suffix in (*CSV_SUFFIXES, *PARQUET_SUFFIXES) else (path.name, "")


def open_rows(
    path: Place,
    wanted: Sequence[str],
    label: str,
    format: Format = PLAIN,
    span: Span | None = None,
    *,
    names: SettingNames = IN_RECIPE,
) -> RowFile:
    """Return the CSV or Parquet file at `path`; separator and compression detected.

    Parameters
    ----------
    wanted : names that are expected in the header; they decide which separator a CSV uses. Columns that the format renames
        have their new names.
    label : names the file in errors.
    span : one of the ranges that `divide_file` finds; None: the whole file.
    names : of the settings that errors of a whole file advise to state.

    Raises
    ------
    DataError : it cannot be read, is no table, or two of its columns have one name, or are one of the recipe.
    """
    try:
        with path.open("rb") as file:
            start = file.read(START_BYTES)
    except OSError as error:
        raise unreadable(label, error.strerror or str(error)) from None
    refuse_other(start, label)
    is_parquet = start.startswith(PARQUET_MAGIC)
    known = [*wanted, *format.rename]
    found: RowFile
    if span:
        found = ParquetRange(path, label, known, span) if is_parquet else CsvRange(path, label, wanted, format, span)
    else:
        found = ParquetFile(path, label, known) if is_parquet else CsvFile(path, label, wanted, format, names)
    found.layout = replace(found.layout, is_marked=codecs.lookup(format.encoding).name != "utf-8")
    require_distinct(found.columns, label)
    return rename_columns(found, format.rename, label)


def content_digest(path: Place, label: str) -> str:
    """Return the sha256 of a file's decompressed content, in hex.

    Raises
    ------
    DataError : it is compressed and truncated.
    """
    digest = hashlib.sha256()
    with as_data_error(label, "utf-8"), decompressed(path) as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
