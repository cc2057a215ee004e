"""Conditions of the recipe's `rows.filter` on the rows of a request, as codes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from recipeline.data.checking.conditions import Condition, find_broken
from recipeline.inference.model_info import Feature
from recipeline.serving.rows.beside import UNSAID, Beside


@dataclass(frozen=True)
class Unlike:
    """Rows, of shape (rows,), that training would have left out, by a column.

    `place` is that of a feature; None: another column.
    """

    column: str
    place: int | None
    rule: str
    rows: np.ndarray


class RowFilter:
    """The conditions that a model's training rows fulfil.

    Those on the target are left out: no request has it.
    """

    def __init__(self, conditions: Sequence[Condition] = (), features: Sequence[Feature] = ()) -> None:
        places = {feature.name: place for place, feature in enumerate(features)}
        known = [(it, places.get(it.column)) for it in conditions if not it.is_target]
        self._on_features = [_Coded(it, place, features[place]) for it, place in known if place is not None]
        self._on_others = [it for it, place in known if place is None]

    def find(self, values: np.ndarray, beside: Beside | None) -> list[Unlike]:
        """Return the conditions that rows of shape (rows, features) break, and these rows.

        A condition on a column that a row does not have is fulfilled.
        """
        found = [it.find(values, beside) for it in self._on_features]
        if beside is not None:
            found += [self._find_other(it, beside) for it in self._on_others if it.column in beside.others]
        return [it for it in found if it is not None]

    @staticmethod
    def _find_other(condition: Condition, beside: Beside) -> Unlike | None:
        sent = beside.others[condition.column]
        said = np.array([value is not UNSAID for value in sent])
        fields = pa.array([_word(value, condition.decimal) for value in sent], pa.string())
        broken = find_broken([condition], {condition.column: fields}).get(condition.column)
        if broken is None or not (broken & said).any():
            return None
        return Unlike(condition.column, None, condition.rule, broken & said)


def _word(value: object, decimal: str) -> str | None:
    if value is None or value is UNSAID:
        return None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value).replace(".", decimal)
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Coded:
    """A condition on a feature, with its values as the feature's codes."""

    def __init__(self, condition: Condition, place: int, feature: Feature) -> None:
        self._condition, self._place, self._other = condition, place, feature.kind.other(feature)

        def code(value: str | float | bool) -> float:
            read = condition.kind.series(np.array([condition.kind.constant(value)]))
            return float(feature.kind.encode(read, feature)[0])

        self._low = -math.inf if condition.min is None else code(condition.min)
        self._high = math.inf if condition.max is None else code(condition.max)
        self._in, self._not_in = [*map(code, condition.in_)], [it for it in map(code, condition.not_in) if it != self._other]
        self._takes_missing, self._takes_values = bool(condition.missing), not self._is_about_missing_alone

    @property
    def _is_about_missing_alone(self) -> bool:
        it = self._condition
        return bool(it.missing) and it.min is None and it.max is None and not it.in_ and not it.not_in

    def find(self, values: np.ndarray, beside: Beside | None) -> Unlike | None:
        """Return the rows that break it; None without one.

        A category that training lacks has one code, whichever it is: its word decides where it is known.
        """
        codes = values[:, self._place]
        missing = np.isnan(codes)
        fulfilled = (codes >= self._low) & (codes <= self._high) if self._takes_values else np.zeros(len(codes), dtype=bool)
        if self._in:
            fulfilled &= np.isin(codes, self._in)
        if self._not_in:
            fulfilled &= ~np.isin(codes, self._not_in)
        if beside is not None and self._other < math.inf and self._takes_values:
            for row in np.flatnonzero(codes == self._other).tolist():
                if word := beside.words.get((row, self._place)):
                    fulfilled[row] = bool(self._condition.is_fulfilled(np.array([word], dtype=object), np.zeros(1, bool))[0])
        fulfilled = np.where(missing, self._takes_missing, fulfilled)
        if fulfilled.all():
            return None
        return Unlike(self._condition.column, self._place, self._condition.rule, ~fulfilled)


NO_FILTER = RowFilter()
