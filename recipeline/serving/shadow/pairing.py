"""Rows of the champion as another version takes them."""

from __future__ import annotations

import contextlib
import math
import weakref
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from recipeline.inference.model_info import Feature
from recipeline.serving.model.loading import ServedModel
from recipeline.serving.rows.beside import Beside
from recipeline.serving.rows.faults import BadRows


class Pairing:
    """The conversion of rows between two versions, whose columns may differ.

    Rows that a champion has answered are codes of its own columns. The challenger gets the values that were sent, by name: what
    the champion's columns hold, and other columns of the request that may be kept. It keeps neither model alive.
    """

    def __init__(self, champion: ServedModel, challenger: ServedModel) -> None:
        self._models = weakref.ref(champion), weakref.ref(challenger)
        self._champion, self._challenger = champion.schema, challenger.schema
        self._is_same = _as_coded(champion) == _as_coded(challenger)

    def is_of(self, champion: ServedModel, challenger: ServedModel) -> bool:
        """Whether it is that of these very models."""
        return self._models[0]() is champion and self._models[1]() is challenger

    def take(self, values: np.ndarray, beside: Beside, first: int = 0) -> tuple[np.ndarray, Sequence[int]]:
        """Return the rows that the challenger can take, as its codes, and their places.

        `values` are codes of the champion, (rows, features), and `first` is the place of the first of them in `beside`.
        """
        if self._is_same:
            return values, range(len(values))
        rows = self._as_sent(values, beside, first)
        whole = {place: row for place, row in enumerate(rows) if row is not None}
        with contextlib.suppress(BadRows):
            return self._checked([*whole.values()]), [*whole]
        taken = dict[int, np.ndarray]()
        for place, row in whole.items():  # to find which of them it cannot take
            with contextlib.suppress(BadRows):
                taken[place] = self._checked([row])
        nothing = np.empty((0, len(self._challenger.names)))
        return np.concatenate([nothing, *taken.values()]), [*taken]

    def _checked(self, rows: Sequence[Sequence[Any]]) -> np.ndarray:
        """Return rows of values as codes.

        Raises
        ------
        BadRows : a value is none of its column, or impossible.
        """
        values = self._challenger.check(rows)
        self._challenger.outside(values)
        return values

    def _as_sent(self, values: np.ndarray, beside: Beside, first: int) -> list[list[Any] | None]:
        """Return the values of the challenger's columns; None: a row lacks one."""
        names, wanted = self._champion.names, self._challenger.names
        moved = Beside()
        moved.words = {(row - first, place): word for (row, place), word in beside.words.items() if row >= first}
        moved.words = {key: word for key, word in moved.words.items() if key[0] < len(values)}
        found: list[list[Any] | None] = []
        for place, cells in enumerate(self._champion.show(values, moved)):
            row = dict(zip(names, map(_or_none, cells), strict=True))
            row |= {name: value for name, value in beside.of_row(first + place).items() if name not in row}
            found.append([row[name] for name in wanted] if row.keys() >= {*wanted} else None)
        return found


def _or_none(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _as_coded(model: ServedModel) -> tuple[Feature, ...]:
    """Return the columns without what changes neither the codes nor what is accepted."""
    unknown: dict[str, Any] = {"unit": "", "train_min": None, "train_max": None, "quantiles": None, "counts": None}
    return tuple(replace(feature, **unknown) for feature in model.schema.features)
