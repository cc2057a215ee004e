"""True and false in cards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recipeline.data.results import DescribedColumn
from recipeline.reports.blocks import Cell
from recipeline.reports.kinds.category import Category


class Boolean(Category):
    """True or false."""

    def points(self, values: Sequence[Any]) -> Sequence[Any]:
        """Return the words."""
        return [str(value).lower() for value in values]

    def spread(self, found: DescribedColumn) -> Sequence[Cell]:
        """Return the share of true as the mean."""
        return [None, None, None, found.mean, None]
