"""The interface of a column kind in cards: a line of the schema, and bars."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from recipeline.data.results import DescribedColumn
from recipeline.reports.blocks import Cell


class Kind(ABC):
    """A column kind in cards; `found` is what the column profile says of the column."""

    @abstractmethod
    def spread(self, found: DescribedColumn) -> Sequence[Cell]:
        """Return minimum, median, maximum, mean and standard deviation.

        None for a value that does not exist.
        """

    def points(self, values: Sequence[Any]) -> Sequence[Any]:
        """Return JSON values as axis values of a plot; text has positions."""
        return values

    @abstractmethod
    def bars(self, found: DescribedColumn) -> tuple[np.ndarray, str]:
        """Return the number of rows by bin or by value, and a text for both ends."""
