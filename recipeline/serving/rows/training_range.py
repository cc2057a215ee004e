"""Values of a request that the model was not trained on, and impossible ones."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from operator import le
from typing import Any

import numpy as np

from recipeline.inference.model_info import Feature
from recipeline.serving.rows.beside import Beside
from recipeline.serving.rows.faults import LISTED_FAULTS, BadRows, Fault, Faults, Outside, describe
from recipeline.serving.rows.row_filter import RowFilter, Unlike


class TrainingRange:
    """The training range of a model's features, and the conditions on its rows."""

    def __init__(self, features: Sequence[Feature], row_filter: RowFilter) -> None:
        self._features, self._filter = features, row_filter
        least = [_or(feature.min, -math.inf) for feature in features]
        most = [_or(feature.max, math.inf) for feature in features]
        self._possible = np.array(least), np.array(most)
        self._lowest = [max(feature.limits[0], it) for feature, it in zip(features, least, strict=True)]
        self._highest = [min(feature.limits[1], it) for feature, it in zip(features, most, strict=True)]
        self._low, self._high = np.array(self._lowest), np.array(self._highest)

    def outside(self, values: np.ndarray, beside: Beside | None = None) -> Outside | None:
        """Return the values outside of the training range; None if there are none.

        NaN is not outside. Values that training would have left out, by a condition of the recipe's `rows.filter`, are.

        Raises
        ------
        BadRows : a value is impossible.
        """
        unlike = self._filter.find(values, beside)
        if len(values) == 1 and not unlike:
            row = values[0].tolist()
            if all(map(le, self._lowest, row)) and all(map(le, row, self._highest)):
                return None
        beyond = (values < self._low) | (values > self._high)
        if not beyond.any() and not unlike:
            return None
        least, most = self._possible
        impossible = (values < least) | (values > most)
        if impossible.any():
            faults = Faults(self._each(impossible, values, Feature.broken_limit, beside))
            faults.count = int(np.count_nonzero(impossible))
            raise BadRows(faults)
        for it in unlike:
            if it.place is not None:  # one warning for a value is enough
                beyond[:, it.place] &= ~it.rows
        counts = {
            feature.name: int(count) for feature, count in zip(self._features, np.count_nonzero(beyond, axis=0), strict=True)
        }
        counts = Counter(counts)
        counts.update({it.column: int(np.count_nonzero(it.rows)) for it in unlike})
        warnings = [
            *self._each(beyond, values, lambda feature, _: feature.trained_on, beside),
            *self._unlike(unlike, values, beside),
        ]
        return Outside(
            sorted(warnings, key=lambda fault: fault.row or 0)[:LISTED_FAULTS],
            {name: count for name, count in counts.items() if count},
            np.any([it.rows for it in unlike], axis=0) if unlike else None,
        )

    def _each(
        self, marked: np.ndarray, values: np.ndarray, rule: Callable[[Feature, float], str], beside: Beside | None
    ) -> Iterator[Fault]:
        """Yield the first of the marked values as faults, with the rule of each."""
        for row, column in np.argwhere(marked)[:LISTED_FAULTS].tolist():
            feature, value = self._features[column], float(values[row, column])
            yield Fault(row, feature.name, rule(feature, value), _show(self._word(row, column, values, beside)))

    def _unlike(self, found: Sequence[Unlike], values: np.ndarray, beside: Beside | None) -> Iterator[Fault]:
        """Yield the first values that training would have left out as faults."""
        for it in found:
            for row in np.flatnonzero(it.rows)[:LISTED_FAULTS].tolist():
                yield Fault(row, it.column, it.rule, _show(self._value(it, row, values, beside)))

    def _value(self, found: Unlike, row: int, values: np.ndarray, beside: Beside | None) -> Any:
        """Return a value as the request has it."""
        if found.place is None:
            return beside.others[found.column][row] if beside else None
        return self._word(row, found.place, values, beside)

    def _word(self, row: int, place: int, values: np.ndarray, beside: Beside | None) -> Any:
        """Return a feature's value, of a category that training lacks its own word."""
        word = beside.words.get((row, place)) if beside else None
        return word or self._features[place].kind.show(float(values[row, place]), self._features[place])


def _show(value: Any) -> str:
    """Return a value in a warning: text without quotation marks."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "nothing"
    return (
        describe(value).removeprefix("'").removesuffix("'")
        if isinstance(value, str)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _or(limit: float | None, beyond: float) -> float:
    return beyond if limit is None else limit
