"""Categories in cards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recipeline.data.results import DescribedColumn
from recipeline.reports.blocks import Cell
from recipeline.reports.kinds.base import Kind


class Category(Kind):
    """A category."""

    def spread(self, found: DescribedColumn) -> Sequence[Cell]:
        """Return the most frequent value in the place of the median."""
        counts = found.counts
        return [None, next(iter(counts), None), None, None, None]

    def bars(self, found: DescribedColumn) -> tuple[np.ndarray, str]:
        """Return the number of rows of the most frequent values, in descending order."""
        names = list(found.counts)
        words = "" if not names else names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
        return np.array(list(found.counts.values()), dtype=float), words
