"""The interface of a column kind in training: transformers to numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sklearn.base import BaseEstimator

from recipeline.config.candidate import Component, Preprocess

#: Makes the transformers that a key of `preprocess` names.
Build = Callable[[str, Sequence[Component]], list[BaseEstimator]]

#: A part of a ColumnTransformer: its name, its transformer, and the columns that it takes.
Part = tuple[str, Any, list[str]]


class Kind(ABC):
    """A column kind in training. Kinds that share an object share their transformers."""

    @abstractmethod
    def parts(self, names: list[str], preprocess: Preprocess, build: Build, target_type: str) -> Iterator[Part]:
        """Yield the parts of a ColumnTransformer for the columns `names`.

        `target_type` is what scikit-learn calls a target of the recipe's task.
        """
