"""Which files a path stands for: itself, or the tables in a folder, of which none is left out without a word."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recipeline.data.readers import split_name
from recipeline.data.writers import CSV_SUFFIXES, PARQUET_SUFFIXES
from recipeline.errors import DataError, missing_rows

_SUFFIXES = f"{', '.join((*CSV_SUFFIXES, *PARQUET_SUFFIXES))}; compressed ones in .gz and the like"


def find_files(path: Path) -> list[Path]:
    """Return the file `path`, or the CSV and Parquet files in the folder `path` at any depth, in the order of their paths.

    Left out are files and folders whose names begin with ``.`` or ``_``, as markers and checksums do; nothing else is.

    Raises
    ------
    DataError : there is none, or something else is in the folder, or its partitions hold a column in their names.
    """
    if not path.is_dir():
        if path.is_file():
            return [path]
        raise missing_rows(path)
    try:
        tables = list(_walk(path, path))
    except OSError as error:
        raise DataError(
            "input must be a folder that can be read.",
            got=f"'{error.filename or path}' ({error.strerror or error})",
            fix="Check its permissions.",
        ) from None
    if not tables:
        raise DataError(
            "input must be a folder with CSV or Parquet files in it.",
            got=f"'{path}', which has none,",
            fix=f"Their names end in {_SUFFIXES}.",
        )
    return tables


def _walk(folder: Path, root: Path) -> Iterator[Path]:
    """Yield the tables in `folder`, a part of `root`. Raises DataError as `find_files` does."""
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith((".", "_")):
            continue
        if entry.is_dir() and not entry.is_symlink():  # a link may lead back
            yield from _walk(entry, root)
        elif not entry.is_file() or not split_name(entry.name)[1]:
            raise DataError(
                f"input must be a folder of CSV and Parquet files only: {root}.",
                got=f"'{entry.relative_to(root)}'",
                fix=f"Take it out, or let its name begin with '_' to leave it out. Names of tables end in {_SUFFIXES}.",
            )
        elif "=" in str(folder.relative_to(root)):
            raise DataError(
                f"input must be a folder whose files hold all columns: {root}.",
                got=f"the partition '{folder.relative_to(root)}', whose name holds one",
                fix="Write the column into the files, or name the folder of one partition.",
            )
        else:
            yield entry
