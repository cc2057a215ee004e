"""The interface of a column kind in a model: typed values, codes, JSON values.

Codes are float64.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Learned:
    """The training range of a feature in codes, None without a value.

    For a category also its values, with their `counts`; for a number its `quantiles`, by their share; for a date whether any
    value `has_time`.
    """

    train_min: float | None
    train_max: float | None
    categories: tuple[str, ...] = ()
    counts: tuple[int, ...] | None = None
    quantiles: Mapping[str, float | None] | None = None
    has_time: bool | None = None


class Known(Protocol):
    """The part of a model's feature that a kind uses."""

    @property
    def nullable(self) -> bool:
        """Whether a value may be missing."""

    @property
    def unit(self) -> str:
        """The unit, empty where there is none."""

    @property
    def values(self) -> Sequence[str]:
        """The values that a category may have; empty: any."""

    @property
    def format(self) -> str:
        """The format of dates as text."""

    @property
    def categories(self) -> Sequence[str]:
        """The values that a category had in the training rows, sorted."""

    @property
    def places(self) -> Mapping[str, int]:
        """The code of each category."""

    @property
    def low(self) -> float:
        """The least code of the training rows."""

    @property
    def high(self) -> float:
        """The greatest code of the training rows."""

    def broken_limit(self, value: float) -> str:
        """Return the limit that a number breaks, empty where it breaks none."""


class Kind(ABC):
    """A column kind in a model.

    Inside the service, batch prediction and monitoring a row is a vector of float64 codes: a number itself, 1 and 0 for true
    and false, the place of a category in the sorted training values (their number: any other value), seconds since 1970 for a
    date. NaN is a missing value.
    """

    #: The types that a value has in JSON.
    json_types: tuple[type, ...]
    #: The type that a column of a data frame made from values of JSON must be given, empty where it has it.
    frame_type = ""
    #: Whether rows of one value are a group, as of people, that others are compared with.
    has_groups = False
    #: Whether a value beyond those of the training rows is worth a warning.
    has_range = True

    def other(self, feature: Known) -> float:
        """Return the code of all values outside of training; infinity if none."""
        return math.inf

    @abstractmethod
    def encode(self, typed: np.ndarray | pd.Series, feature: Known) -> np.ndarray:
        """Return the codes of typed values or of a column of a data frame.

        Typed values are those of `recipeline.data.kinds`.
        """

    @abstractmethod
    def decode(self, codes: np.ndarray, feature: Known) -> pd.Series:
        """Return codes as the column of a data frame that the model takes."""

    @abstractmethod
    def read(self, value: Any, feature: Known) -> tuple[float, str]:
        """Return the code of a JSON value, NaN if invalid, and the broken rule.

        The value is not null.
        """

    @abstractmethod
    def learn(self, column: pd.Series) -> Learned:
        """Return the training range of a column as codes.

        They are `train_min` and `train_max`, with `quantiles` or `categories`.
        """

    @abstractmethod
    def draw(self, feature: Known, share: np.ndarray, decimals: np.ndarray) -> np.ndarray:
        """Return possible codes at `share` of the way from `low` to `high`.

        Numbers have `decimals` decimals.
        """

    @abstractmethod
    def show(self, code: float, feature: Known) -> Any:
        """Return a code as a value of JSON, None for NaN."""

    @abstractmethod
    def parts(self, codes: np.ndarray, feature: Known, count: int) -> Iterator[tuple[Any, Any, np.ndarray]]:
        """Yield about `count` parts of the rows by value, with their limits.

        The limits are JSON values; a part is a mask of rows.
        """

    @abstractmethod
    def ends(self, codes: np.ndarray, feature: Known) -> Iterator[tuple[str, np.ndarray]]:
        """Yield parts of the rows at extremes or main values, with a description.

        The description follows the column's name in a sentence.
        """

    @abstractmethod
    def grid(self, codes: np.ndarray, feature: Known, count: int) -> np.ndarray:
        """Return up to `count` codes for a partial dependence; none without values."""

    @abstractmethod
    def trained_on(self, feature: Known) -> str:
        """Return the rule that a value breaks which the model has not seen."""
