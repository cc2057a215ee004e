"""Categories in a model: positions among the sorted training values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from recipeline.inference.kinds.base import Kind, Known, Learned

#: So many training values are listed in a warning.
_LISTED = 8


class Category(Kind):
    """A category; all values that training lacks have one code.

    The model's encoder treats them alike too.
    """

    json_types = (str,)
    has_groups = True

    def other(self, feature: Known) -> float:
        """Return the number of categories."""
        return float(len(feature.categories))

    def encode(self, typed: np.ndarray | pd.Series, feature: Known) -> np.ndarray:
        """Return the places of the values; the number of categories for any other one."""
        values = pd.Series(typed, dtype="object")
        codes = values.map(feature.places).to_numpy(dtype=np.float64, copy=True)
        codes[np.isnan(codes) & values.notna().to_numpy()] = len(feature.categories)
        return codes

    def decode(self, codes: np.ndarray, feature: Known) -> pd.Series:
        """Return the values; `name_other` for any other one."""
        names = np.array([*feature.categories, name_other(feature.categories), None], dtype=object)
        places = np.where(np.isnan(codes), len(names) - 1, codes).astype(np.intp)
        return pd.Series(names[places], dtype="str")

    def read(self, value: Any, feature: Known) -> tuple[float, str]:
        """Return the place of a text; spaces around it do not count."""
        if not isinstance(value, str):
            return math.nan, "must be text"
        text = value.strip()
        if feature.values and text not in feature.values:
            return math.nan, f"must be one of {', '.join(feature.values)}"
        return float(feature.places.get(text, len(feature.categories))), ""

    def learn(self, column: pd.Series) -> Learned:
        """Return the sorted `categories`, with the number of rows of each in `counts`."""
        counts = column.dropna().value_counts()
        names = sorted(str(name) for name in counts.index)
        return Learned(
            train_min=0.0 if names else None,
            train_max=float(len(names) - 1) if names else None,
            categories=tuple(names),
            counts=tuple(int(counts[name]) for name in names),
        )

    def draw(self, feature: Known, share: np.ndarray, decimals: np.ndarray) -> np.ndarray:
        """Return places, that of another value among them."""
        drawn: np.ndarray = np.clip(np.floor(share * len(feature.categories)), 0, len(feature.categories))
        return drawn

    def show(self, code: float, feature: Known) -> Any:
        """Return the value."""
        if math.isnan(code):
            return None
        return feature.categories[int(code)] if code < len(feature.categories) else name_other(feature.categories)

    def parts(self, codes: np.ndarray, feature: Known, count: int) -> Iterator[tuple[Any, Any, np.ndarray]]:
        """Yield the rows of each of the most frequent values, the most frequent first."""
        for code in self._frequent(codes, count):
            value = self.show(code, feature)
            yield value, value, codes == code

    def ends(self, codes: np.ndarray, feature: Known) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the rows of the most frequent values."""
        for code in self._frequent(codes, 2):
            yield f"'{self.show(code, feature)}'", codes == code

    def grid(self, codes: np.ndarray, feature: Known, count: int) -> np.ndarray:
        """Return the most frequent values, in alphabetical order."""
        return np.sort(self._frequent(codes, count))

    @staticmethod
    def _frequent(codes: np.ndarray, count: int) -> np.ndarray:
        values, counts = np.unique(codes[~np.isnan(codes)], return_counts=True)
        frequent: np.ndarray = values[np.argsort(-counts, kind="stable")][:count]
        return frequent

    def trained_on(self, feature: Known) -> str:
        """Return the first of the training values."""
        more = len(feature.categories) - _LISTED
        return f"trained on {', '.join(feature.categories[:_LISTED])}{f' and {more} more' if more > 0 else ''}"


def name_other(categories: Sequence[str]) -> str:
    """Return the word for any value that is not among the categories."""
    word = "(other)"
    while word in categories:
        word = f"({word})"
    return word
