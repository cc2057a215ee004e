"""Numbers in a model: their own codes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from recipeline.data.checking.numbers import FINITE, LARGEST
from recipeline.inference.kinds.base import Kind, Known, Learned

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Number(Kind):
    """A number."""

    json_types: tuple[type, ...] = (int, float)
    #: The rule that a fraction breaks, empty where it breaks none.
    whole = ""

    def encode(self, typed: np.ndarray | pd.Series, feature: Known) -> np.ndarray:
        """Return the numbers."""
        return np.asarray(typed, dtype=np.float64)

    def decode(self, codes: np.ndarray, feature: Known) -> pd.Series:
        """Return the numbers."""
        return pd.Series(codes)

    def read(self, value: Any, feature: Known) -> tuple[float, str]:
        """Return a finite number within the column's limits."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return math.nan, "must be a number"
        try:
            number = float(value)
        except OverflowError:
            return math.nan, FINITE
        if not abs(number) <= LARGEST:
            return math.nan, FINITE
        if self.whole and number % 1:
            return number, self.whole
        return number, feature.broken_limit(number)

    def learn(self, column: pd.Series) -> Learned:
        """Return `train_min`, `train_max` and `quantiles`, None where there is no value."""
        return learn_range(column.to_numpy(dtype=float))

    def draw(self, feature: Known, share: np.ndarray, decimals: np.ndarray) -> np.ndarray:
        """Return numbers, rounded where `decimals` are above 0."""
        values = feature.low + share * (feature.high - feature.low)
        for number in range(1, 5):
            values = np.where(decimals == number, np.round(values, number), values)
        return values

    def show(self, code: float, feature: Known) -> Any:
        """Return the number."""
        return None if math.isnan(code) else code

    def parts(self, codes: np.ndarray, feature: Known, count: int) -> Iterator[tuple[Any, Any, np.ndarray]]:
        """Yield equally large parts, the lowest first; equal values share a part.

        There may be fewer than `count`.
        """
        known = codes[~np.isnan(codes)]
        edges = np.unique(np.quantile(known, np.linspace(0, 1, count + 1)[1:])) if len(known) else known
        part = np.searchsorted(edges, codes)  # NaN lies beyond the last edge
        for number in range(len(edges)):
            rows = part == number
            if rows.any():
                yield self.show(float(codes[rows].min()), feature), self.show(float(codes[rows].max()), feature), rows

    def ends(self, codes: np.ndarray, feature: Known) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the lowest and the highest quarter."""
        known = codes[~np.isnan(codes)]
        if known.size:
            low, high = np.quantile(known, (0.25, 0.75))
            yield f"up to {self.words(low, feature)}", codes <= low
            yield f"from {self.words(high, feature)}", codes >= high

    def grid(self, codes: np.ndarray, feature: Known, count: int) -> np.ndarray:
        """Return quantiles between 5 % and 95 %."""
        known = codes[~np.isnan(codes)]
        return np.unique(np.quantile(known, np.linspace(0.05, 0.95, count))) if known.size else known

    def words(self, code: float, feature: Known) -> str:
        """Return a code as a sentence has it, with its unit."""
        return f"{code:g}{f' {feature.unit}' if feature.unit else ''}"

    def trained_on(self, feature: Known) -> str:
        """Return the range of the training rows."""
        return f"trained on {feature.low:g} to {self.words(feature.high, feature)}"


def learn_range(values: np.ndarray) -> Learned:
    """Return `train_min`, `train_max` and `quantiles` of float64 values.

    NaN is left out, None without a value.
    """
    known = values[~np.isnan(values)]
    seen = np.quantile(known, (0, 1, *QUANTILES)).tolist() if known.size else [None] * (2 + len(QUANTILES))
    quantiles = {f"{q:g}": value for q, value in zip(QUANTILES, seen[2:], strict=True)}
    return Learned(train_min=seen[0], train_max=seen[1], quantiles=quantiles)
