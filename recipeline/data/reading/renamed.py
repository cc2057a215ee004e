"""A file whose columns have the names that the recipe gives them."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace

from recipeline.data.reading.pieces import Piece, RowFile
from recipeline.errors import DataError


class Renamed:
    """A file under the recipe's names; its layout keeps the file's own."""

    def __init__(self, file: RowFile, rename: Mapping[str, str]) -> None:
        self._file, self.layout = file, file.layout
        self.columns = [rename.get(name, name) for name in file.columns]
        self.index = frozenset(rename.get(name, name) for name in file.index)

    def pieces(self) -> Generator[Piece, None, None]:
        """Yield all rows, piece by piece."""
        for piece in self._file.pieces():
            yield replace(piece, rows=piece.rows.rename_columns(self.columns))


def rename_columns(file: RowFile, rename: Mapping[str, str], label: str) -> RowFile:
    """Return a file under the recipe's names, itself where it has these already.

    Raises
    ------
    DataError : two of its columns are one of the recipe.
    """
    if not any(name in rename for name in file.columns):
        return file
    own: dict[str, str] = {}
    for name in file.columns:
        meant = rename.get(name, name)
        if meant in own:
            raise DataError(
                f"{label} must have each column of the recipe once.",
                got=f"'{own[meant]}' and '{name}', both '{meant}' by data.rename,",
                fix="Remove one of them, or correct data.rename in the recipe.",
            )
        own[meant] = name
    return Renamed(file, rename)
