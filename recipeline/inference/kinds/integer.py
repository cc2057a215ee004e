"""Whole numbers in a model."""

from __future__ import annotations

import numpy as np

from recipeline.inference.kinds.base import Known
from recipeline.inference.kinds.number import Number


class Integer(Number):
    """A whole number."""

    whole = "must be a whole number"

    def draw(self, feature: Known, share: np.ndarray, decimals: np.ndarray) -> np.ndarray:
        """Return numbers; a model takes what lies between whole ones as well."""
        return super().draw(feature, share, decimals)
