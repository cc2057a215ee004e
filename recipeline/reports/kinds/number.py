"""Numbers in cards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recipeline.data.results import DescribedColumn
from recipeline.reports.blocks import Cell
from recipeline.reports.kinds.base import Kind


class Number(Kind):
    """A number."""

    def spread(self, found: DescribedColumn) -> Sequence[Cell]:
        """Return the least, median and greatest value, mean and standard deviation."""
        return [*(found.quantiles[q] for q in ("0", "0.5", "1")), found.mean, found.std]

    def bars(self, found: DescribedColumn) -> tuple[np.ndarray, str]:
        """Return the histogram from the least to the greatest value."""
        counts = np.array(found.histogram.counts if found.histogram else (), dtype=float)
        return counts, f"{found.quantiles['0']:g} to {found.quantiles['1']:g}" if counts.sum() else ""
