"""The predictor: a fitted model as a function of an array, in threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from recipeline.config.table import RESERVED_PREFIX
from recipeline.data.checking.conditions import Condition
from recipeline.data.target_codes import NUMBERS, TargetCodes
from recipeline.errors import DataError
from recipeline.inference.asking import ask_model, probabilities
from recipeline.inference.columns import Columns
from recipeline.inference.compiled.check import differences
from recipeline.inference.compiled.compile import compile_model
from recipeline.inference.compiled.form import Compiled, Predict
from recipeline.inference.compiled.small_trees import MANY_ROWS
from recipeline.inference.compiled.trees import small_sums
from recipeline.inference.golden import LIMITS, PREDICTION
from recipeline.inference.interval import Interval
from recipeline.inference.model_info import Feature, Target

VERSION = "model_version"

#: The beginning of the names of columns of probabilities; the label follows.
PROBABILITY = RESERVED_PREFIX

# Into so many slices a piece is cut, whatever the number of threads: the last bit of a product depends on the rows in it. What
# is exact in any slice, and too little to be shared, is not cut.
SLICES, LEAST_ROWS = 4, 8_192

_CHECKED_ROWS = 100

_LARGEST = float(np.finfo(np.float32).max)


class Predictor:
    """A fitted model as a function of an array, on `threads` threads.

    Answers do not depend on the number of threads. The compiled form is used if its answers equal the model's. Pure forests
    are called directly where there are threads, because scikit-learn releases the interpreter lock while it walks a tree;
    their rows are sorted by the leaves of the first trees: similar rows take similar ways, a third faster on distinct rows.
    """

    def __init__(self, model: Any, columns: Columns, codes: TargetCodes = NUMBERS, *, threads: int = 1) -> None:
        self._model, self._columns, self._codes = model, columns, codes
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        compiled = compile_model(model, columns, codes)
        is_forest = compiled is not None and compiled.kind == "trees"
        self._first_trees = list(getattr(getattr(model, "estimator_", model), "estimators_", ()))[:2] if is_forest else []
        self._compiled = None if is_forest and threads > 1 else compiled
        self._is_checked = False

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Return the predictions of float64 rows, (rows, features).

        They have the shape of the target's codes. NaN is passed to the model.

        Raises
        ------
        DataError : the model refuses the rows.
        """
        if not len(rows):
            return np.zeros((0, len(self._codes.labels)) if self._codes.is_matrix else 0)
        if self._compiled and not self._is_checked:
            self._compiled = self._checked(self._compiled, rows)
        if not self._first_trees or len(rows) < LEAST_ROWS or not _are_plain(rows):
            return self._ask(rows)
        order = np.lexsort([tree.apply(rows) for tree in self._first_trees])
        sorted_rows = self._ask(rows[order])
        predicted = np.empty_like(sorted_rows)
        predicted[order] = sorted_rows
        return predicted

    def _ask(self, rows: np.ndarray) -> np.ndarray:
        compiled = self._compiled
        is_light, is_exact = (compiled.is_light, compiled.exact) if compiled else (False, False)
        size = len(rows) if is_light and is_exact else max(LEAST_ROWS, -(-len(rows) // SLICES))
        slices = [rows[start : start + size] for start in range(0, len(rows), size)]
        pool = None if len(slices) == 1 or is_light else self._pool  # light work is done before a thread starts
        return np.concatenate(list((pool.map if pool else map)(self._predict, slices)))

    def join(self, other: Predictor) -> Predict | None:
        """Return small trees of both models as one function, (rows, 2); None for others."""
        if not all(it._compiled and it._compiled.is_light for it in (self, other)):
            return None
        return small_sums([self._model, other._model], len(self._columns.names))

    def close(self) -> None:
        """End the threads."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def _checked(self, compiled: Compiled, rows: np.ndarray) -> Compiled | None:
        """Return `compiled` where it answers the first rows as the model does."""
        first = rows[_is_plain(rows)][:_CHECKED_ROWS]
        self._is_checked = bool(len(first))
        return (
            compiled
            if not len(first) or not differences(compiled, self._model, self._columns.frame(first), self._columns, self._codes)
            else None
        )

    def _predict(self, rows: np.ndarray) -> np.ndarray:
        if self._compiled and _are_plain(rows):
            return self._compiled.predict(rows)
        try:
            return ask_model(self._model, self._columns.frame(rows), self._codes)
        except ValueError as error:
            raise DataError(
                f"The model refuses the rows: {' '.join(str(error).split())[:200].rstrip('.')}.",
                fix="Correct the rows, or choose another model with model_uri=.",
            ) from None


class TailsPredictor:
    """Both tails of an interval as one function; small trees are looked up together.

    That is used once it has answered rows as each tail does by itself.
    """

    def __init__(self, low: Predictor, high: Predictor) -> None:
        self._low, self._high, self._sums = low, high, low.join(high)
        self._is_checked = False

    def __call__(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the predictions of float64 rows, (rows,) each, as `Predictor`."""
        if self._sums and self._is_checked and len(rows) >= MANY_ROWS and _are_plain(rows):
            sums = self._sums(rows)
            return sums[:, 0], sums[:, 1]
        answers = self._low(rows), self._high(rows)
        if self._sums and not self._is_checked:
            self._check(self._sums, rows, np.column_stack(answers))
        return answers

    def _check(self, sums: Predict, rows: np.ndarray, answers: np.ndarray) -> None:
        plain = np.flatnonzero(_is_plain(rows))[:_CHECKED_ROWS]
        self._is_checked = bool(len(plain))
        if self._is_checked and not np.array_equal(sums(rows[plain]), answers[plain]):
            self._sums = None


def _is_plain(rows: np.ndarray) -> np.ndarray:
    """Return a mask of rows for a compiled model: no NaN, within float32."""
    plain: np.ndarray = (np.abs(rows) < _LARGEST).all(axis=1)
    return plain


def _are_plain(rows: np.ndarray) -> bool:
    """Whether all rows are plain.

    NaN is the least and the greatest value of an array that has one.
    """
    return not rows.size or bool(rows.min() > -_LARGEST and rows.max() < _LARGEST)


@dataclass(frozen=True)
class Asked:
    """A loaded model: features in order, prediction function, version, interval.

    `target` says what predictions mean; `filter` are the conditions that its training rows fulfil.
    """

    features: tuple[Feature, ...]
    predict: Callable[[np.ndarray], np.ndarray]
    version: str
    interval: Interval | None = None
    target: Target = field(default_factory=lambda: Target(PREDICTION))
    filter: tuple[Condition, ...] = ()

    @property
    def names(self) -> list[str]:
        """The names of the features."""
        return [feature.name for feature in self.features]

    @property
    def columns(self) -> list[tuple[str, pa.DataType]]:
        """The columns of the answers: of labels their probabilities too."""
        codes, limits = self.target.codes, LIMITS if self.interval else ()
        said = pa.array(codes.labels).type if codes.labels else pa.float64()
        numbers = [*(PROBABILITY + text for text in codes.texts), *limits]
        return [(PREDICTION, said), *((name, pa.float64()) for name in numbers), (VERSION, pa.string())]

    @property
    def are_numbers(self) -> bool:
        """Whether all columns of the answers but the version are numbers."""
        return not self.target.labels

    def answer(self, rows: np.ndarray) -> list[pa.Array]:
        """Return the values of `columns` for the rows."""
        values = self.numbers(rows) if self.are_numbers else self._labels(rows)
        return [*map(pa.array, values), pa.array([self.version]).take(pa.array(np.zeros(len(rows), np.int8)))]

    def numbers(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return the predictions and their limits, where `are_numbers`."""
        predicted = self.predict(rows)
        return [predicted, *(self.interval.around(predicted, rows) if self.interval else ())]

    def _labels(self, rows: np.ndarray) -> list[np.ndarray]:
        predicted = self.predict(rows)
        return [self.target.say(predicted), *probabilities(predicted, self.target.codes).T]
