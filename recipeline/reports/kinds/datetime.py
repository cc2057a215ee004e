"""Dates in cards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from recipeline.data.results import DescribedColumn
from recipeline.reports.blocks import Cell
from recipeline.reports.kinds.base import Kind


class Datetime(Kind):
    """A date."""

    def points(self, values: Sequence[Any]) -> Sequence[Any]:
        """Return dates."""
        return [np.datetime64(value) for value in values]

    def spread(self, found: DescribedColumn) -> Sequence[Cell]:
        """Return the first and the last date."""
        return [found.first, None, found.last, None, None]

    def bars(self, found: DescribedColumn) -> tuple[np.ndarray, str]:
        """Return the histogram from the first to the last date."""
        ends = [str(date or "")[:10] for date in (found.first, found.last)]
        return np.array(found.histogram.counts if found.histogram else (), dtype=float), " to ".join(ends)
