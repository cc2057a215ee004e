"""The columns of a model: rows as its data frame and as a matrix of codes.

Codes are float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, Self

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.data.stored_rows import StoredRows
from recipeline.inference.model_info import Feature, ModelInfo, describe_feature


class Codes(Protocol):
    """Codes of features, of which `[:, place]` are those of one, (rows,)."""

    def __getitem__(self, places: tuple[slice, int]) -> np.ndarray: ...


@dataclass(frozen=True)
class Columns:
    """The features of a model in order, with the codes of `inference.kinds`."""

    features: tuple[Feature, ...]

    @classmethod
    def of(cls, info: ModelInfo) -> Self:
        """Return the columns that a model's description (`model_info.json`) gives."""
        return cls(info.features)

    @classmethod
    def learn(cls, recipe: Recipe, train: pd.DataFrame) -> Self:
        """Return the recipe's features as the training rows show them."""
        return cls(tuple(describe_feature(recipe, name, train[name]) for name in recipe.features))

    @classmethod
    def of_numbers(cls, names: Sequence[str]) -> Self:
        """Return columns of numbers of which nothing but the name is known."""
        return cls(tuple(Feature(name) for name in names))

    def as_numbers(self) -> Self:
        """Return columns of these names whose values are the codes of these."""
        return type(self)(tuple(replace(it, type="number", categories=(), na=()) for it in self.features))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def are_numbers(self) -> bool:
        """Whether codes are the values themselves, so that matrix and data frame are one."""
        return all(feature.is_numeric for feature in self.features)

    def frame(self, rows: np.ndarray) -> pd.DataFrame:
        """Return codes of shape (rows, features) as the data frame that the model takes."""
        if self.are_numbers:
            return pd.DataFrame(rows, columns=list(self.names))
        columns = {it.name: it.kind.decode(codes, it) for it, codes in zip(self.features, rows.T, strict=True)}
        return pd.DataFrame(columns, columns=list(self.names))

    def matrix(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the features of a data frame as codes (rows, features), C-contiguous."""
        if self.are_numbers:
            return np.array(frame[list(self.names)], dtype=np.float64, order="C")
        return np.column_stack([it.kind.encode(frame[it.name], it) for it in self.features])

    def codes(self, rows: pd.DataFrame | StoredRows) -> Codes:
        """Return the codes of features, of stored rows each when it is asked for."""
        return _StoredCodes(rows, self) if isinstance(rows, StoredRows) else self.matrix(rows)


@dataclass(frozen=True)
class _StoredCodes:
    rows: StoredRows
    columns: Columns

    def __getitem__(self, places: tuple[slice, int]) -> np.ndarray:
        rows, place = places
        feature = self.columns.features[place]

        def encode(batch: pd.DataFrame) -> np.ndarray:
            return np.asarray(feature.kind.encode(batch[feature.name], feature), dtype=float)

        codes: np.ndarray = self.rows.map(encode, [feature.name])
        return codes[rows]
