"""Encoded columns, and linear models of them as sums of products and look-ups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np

from recipeline.inference.compiled.form import Predict


class Block(Protocol):
    """The output of a transformer for some of the columns."""

    def encode(self, rows: np.ndarray) -> np.ndarray:
        """Return its columns for codes, (rows, width)."""

    def fold(self, slope: np.ndarray, terms: Terms) -> None:
        """Add its columns' product with `slope`, (width, ...), to the terms."""


@dataclass(frozen=True)
class Encoding:
    """Blocks, side by side, of `features` columns; each has one of `widths`."""

    blocks: Sequence[Block]
    widths: Sequence[int]
    features: int

    @classmethod
    def of(cls, blocks: Sequence[Block], features: int) -> Self:
        """Return the encoding by these blocks."""
        one = np.zeros((1, features))
        return cls(blocks, [block.encode(one).shape[1] for block in blocks], features)


def encode(rows: np.ndarray, encoding: Encoding) -> np.ndarray:
    """Return the encoded columns, (rows, width); always the first of `Operations`."""
    return np.concatenate([block.encode(rows) for block in encoding.blocks], axis=1)


@dataclass
class Terms:
    """The terms of a linear model of codes, for each output.

    Parameters
    ----------
    slope : (features, ...), of the codes that are numbers; 0 for the others.
    offset : (...).
    looked_up : for the place of a column the term of each of its codes, (codes, ...).
    computed : functions from (rows, features) to (rows, ...).
    """

    slope: np.ndarray
    offset: np.ndarray
    looked_up: dict[int, np.ndarray] = field(default_factory=dict)
    computed: list[Predict] = field(default_factory=list)

    @classmethod
    def of(cls, encoding: Encoding, slope: np.ndarray, offset: np.ndarray) -> Self:
        """Return the terms of a model of this slope, (width, ...), behind an encoding."""
        terms, start = cls(np.zeros((encoding.features, *slope.shape[1:])), offset), 0
        for block, width in zip(encoding.blocks, encoding.widths, strict=True):
            block.fold(slope[start : start + width], terms)
            start += width
        return terms

    def look_up(self, place: int, values: np.ndarray) -> None:
        """Add a term for each code of the column at `place`."""
        self.looked_up[place] = self.looked_up.get(place, 0.0) + values

    def add_up(self) -> Predict:
        """Return the sum of the terms as a function."""
        slope, offset, computed = self.slope, self.offset, tuple(self.computed)
        places, tables = np.array([*self.looked_up], dtype=np.intp), [*self.looked_up.values()]
        starts = np.cumsum([0, *map(len, tables)])[:-1]
        table = np.concatenate(tables) if tables else np.zeros(0)

        def of_many(rows: np.ndarray) -> np.ndarray:
            answer: np.ndarray = rows @ slope + offset
            if tables:
                codes = rows.take(places, axis=1).astype(np.intp)
                codes += starts
                answer += table.take(codes, axis=0).sum(axis=1)
            for call in computed:
                answer += call(rows)
            return answer

        if slope.ndim > 1 or not tables:
            return of_many
        constant, listed = float(offset), [(place, values.tolist()) for place, values in self.looked_up.items()]

        def predict(rows: np.ndarray) -> np.ndarray:
            if len(rows) != 1:
                return of_many(rows)
            # Five look-ups in lists take less time than one call of numpy.
            total, values = constant, rows[0].tolist()
            for place, terms in listed:
                total += terms[int(values[place])]
            answer: np.ndarray = rows @ slope + total
            for call in computed:
                answer += call(rows)
            return answer

        return predict
