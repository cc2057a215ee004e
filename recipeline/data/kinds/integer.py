"""Whole numbers, as float64: 7.0 is one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recipeline.data.kinds.number import Number


class Integer(Number):
    """A whole number with a unit and limits."""

    is_whole = True

    def labels(self, column: pd.Series) -> np.ndarray:
        """Return int64 values."""
        return column.to_numpy(dtype=np.int64)
