"""True and false in a model: 1 and 0."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from recipeline.data.kinds.boolean import FALSE, TRUE
from recipeline.inference.kinds.base import Known
from recipeline.inference.kinds.number import Number


class Boolean(Number):
    """True or false."""

    json_types = (bool, int, float)
    has_groups = True

    def read(self, value: Any, feature: Known) -> tuple[float, str]:
        """Return 1.0 for true, 1 and the words of a table for it; 0.0 likewise."""
        if isinstance(value, bool | int | float) and value in (0, 1):
            return float(value), ""
        word = value.strip().lower() if isinstance(value, str) else ""
        if word in TRUE or word in FALSE:
            return float(word in TRUE), ""
        return math.nan, "must be true or false"

    def draw(self, feature: Known, share: np.ndarray, decimals: np.ndarray) -> np.ndarray:
        """Return 0.0 and 1.0."""
        return np.where(share < 0.5, 0.0, 1.0)

    def show(self, code: float, feature: Known) -> Any:
        """Return true or false."""
        return None if math.isnan(code) else bool(code)

    def ends(self, codes: np.ndarray, feature: Known) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the rows of false and of true."""
        yield "false", codes == 0
        yield "true", codes == 1

    def grid(self, codes: np.ndarray, feature: Known, count: int) -> np.ndarray:
        """Return the values that are there."""
        return np.unique(codes[~np.isnan(codes)])

    def trained_on(self, feature: Known) -> str:
        """Return the only value of the training rows, or both."""
        if feature.low < feature.high:
            return "trained on true and false"
        return f"trained on {'true' if feature.high else 'false'} alone"
