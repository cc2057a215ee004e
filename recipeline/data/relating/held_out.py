"""The test rows: in memory, or as keys in memory and features in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.data.relating.relations import read_keys
from recipeline.data.stored_rows import StoredRows


@dataclass(frozen=True)
class HeldOut:
    """The test rows; `keys` are all of them with what relates them (`read_keys`).

    Where these rows may be held, the keys are the rows themselves, and `stored` is None. Else features are read from `stored`
    when they are asked for, so that 8 bytes a row and column of keys are in memory.
    """

    keys: pd.DataFrame
    stored: StoredRows | None = None

    @classmethod
    def open(cls, rows: StoredRows, recipe: Recipe) -> Self:
        """Return the rows of a file, in memory if they may be held."""
        return cls(read_keys(rows, recipe), rows) if rows.is_large else cls(rows.read())

    @classmethod
    def of(cls, rows: pd.DataFrame | HeldOut) -> HeldOut:
        """Return rows in memory as test rows, and test rows as they are."""
        return rows if isinstance(rows, HeldOut) else cls(rows)

    @property
    def rows(self) -> pd.DataFrame | StoredRows:
        """The rows, where they are."""
        return self.keys if self.stored is None else self.stored

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def columns(self) -> list[str]:
        """The names of the columns of the rows."""
        return list(self.keys.columns) if self.stored is None else self.stored.columns

    @property
    def index(self) -> pd.Index:
        """The index of the rows in the table of all rows, whose first one is 0."""
        if self.stored is None:
            return self.keys.index
        index: pd.Index = pd.Index(self.stored.map(lambda batch: batch.index.to_numpy(), self.stored.columns[:1]))
        return index

    def parts(self, columns: Sequence[str]) -> Iterator[tuple[slice, pd.DataFrame]]:
        """Yield all rows in order, with their places; one part if they are held."""
        if self.stored is None:
            yield slice(0, len(self.keys)), self.keys[list(columns)]
            return
        seen = 0
        for batch in self.stored.batches(columns):
            yield slice(seen, seen + len(batch)), batch
            seen += len(batch)

    def take(self, places: np.ndarray, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the rows at `places`, in their order, with their index of the table."""
        if self.stored is not None:
            return self.stored.take(places, columns)
        return self.keys.iloc[places] if columns is None else self.keys[list(columns)].iloc[places]
