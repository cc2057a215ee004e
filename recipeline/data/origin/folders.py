"""The tables of a path: a file, or all files of a folder.

No file of a folder is ignored silently.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from recipeline.data.origin.uris import redact
from recipeline.data.readers import open_rows, split_name
from recipeline.data.reading.formats import PLAIN, Format
from recipeline.data.reading.pieces import Table
from recipeline.data.writers import CSV_SUFFIXES, PARQUET_SUFFIXES
from recipeline.errors import DataError, missing_rows

_SUFFIXES = f"{', '.join((*CSV_SUFFIXES, *PARQUET_SUFFIXES))}; compressed ones in .gz and the like"


@dataclass(frozen=True)
class RowPath:
    """A file of rows: its path, its label in errors, and its name among others.

    The name of a single file is "".
    """

    path: Path
    label: str
    name: str = ""

    def open(self, wanted: Sequence[str], format: Format = PLAIN) -> Table:
        """Return it as a table. Raises DataError as `open_rows` does."""
        return Table(open_rows(self.path, wanted, self.label, format), self.label, self.name)


def list_files(paths: Sequence[Path], data: str) -> list[RowPath]:
    """Return the files of rows that `paths` stand for, each once.

    A single file has the label `data`. Names are those in their folder, with the folder's name if there are several
    folders, and whole paths if two would have the same name.

    Raises
    ------
    DataError : as `find_files`.
    """
    if len(paths) == 1 and not paths[0].is_dir():
        return [RowPath(path, redact(data)) for path in find_files(paths[0])]
    names: dict[Path, str] = {}
    for path in paths:
        root = path.parent if len(paths) > 1 or not path.is_dir() else path
        names |= {file: file.relative_to(root).as_posix() for file in find_files(path)}
    if len(set(names.values())) < len(names):
        names = {file: str(file) for file in names}
    return [RowPath(file, str(file), name) for file, name in names.items()]


def find_files(path: Path) -> list[Path]:
    """Return the file `path`, or all CSV and Parquet files below a folder, sorted.

    Files and folders whose names begin with ``.`` or ``_``, as markers and checksums do, are left out; no others are.

    Raises
    ------
    DataError : there is none, or another kind of file is in the folder, or its partitions hold a column in their names.
    """
    if not path.is_dir():
        if path.is_file():
            return [path]
        raise missing_rows(path)
    try:
        tables = list(_walk(path, path))
    except OSError as error:
        raise DataError(
            f"A folder of rows cannot be read: '{error.filename or path}' ({error.strerror or error}).",
            fix="Check its permissions.",
        ) from None
    if not tables:
        raise DataError(
            f"No CSV or Parquet files in the folder {path}.",
            fix=f"Their names end in {_SUFFIXES}.",
        )
    return tables


def _walk(folder: Path, root: Path) -> Iterator[Path]:
    """Yield the tables in `folder`, a part of `root`.

    Raises
    ------
    DataError : as `find_files`.
    """
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith((".", "_")):
            continue
        if entry.is_dir() and not entry.is_symlink():  # a link may lead back
            yield from _walk(entry, root)
        else:
            require_table(str(entry.relative_to(root)), str(root), is_file=entry.is_file())
            yield entry


def require_table(name: str, root: str, *, is_file: bool = True) -> None:
    """Raise DataError unless the name of a file in the folder `root` is a table's."""
    if not is_file or not split_name(name)[1]:
        raise DataError(
            f"A folder of rows must hold CSV and Parquet files only: {root}.",
            got=f"'{name}'",
            fix=f"Remove it, or begin its name with '_' to exclude it. Names of tables end in {_SUFFIXES}.",
        )
    folder = name.rpartition("/")[0]
    if "=" in folder:
        raise DataError(
            f"A folder of rows must have all columns in its files: {root}.",
            got=f"the partition '{folder}', with a column in its name",
            fix="Write the column into the files, or name the folder of one partition.",
        )
