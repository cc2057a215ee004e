"""The compiled form: a function of an array, with its kind and exactness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from recipeline.data.target_codes import NUMBERS, TargetCodes
from recipeline.inference.asking import ask_model
from recipeline.inference.columns import Columns

Predict = Callable[[np.ndarray], np.ndarray]

#: The operations of a transformer on an array: `array = operation(array, operand)`, one after the other.
Operations = tuple[tuple[Callable[[np.ndarray, Any], np.ndarray], Any], ...]


@dataclass(frozen=True)
class Compiled:
    """A fitted model as a function.

    Parameters
    ----------
    kind : what it computes, for people: "linear", "trees", "boosted trees", "kernel", "calibrated" or "mean of" these.
    exact : its answers are the model's, bit for bit; else within 1e-6 of them.
    predict : from codes, float64 in any order, (rows, features), to float64, shaped as the target's codes. There must be no
        NaN, and for trees nothing too large for float32. It may be called by many threads at once, starts none, and leaves its
        input as it is.
    is_light : many rows are so little work for it that to share them among threads takes longer.
    """

    kind: str
    exact: bool
    predict: Predict
    is_light: bool = False


def as_function(model: BaseEstimator, columns: Columns, codes: TargetCodes = NUMBERS) -> Predict:
    """Return `model`, called through scikit-learn, as a function of an array.

    NaN is passed to the model. Predictions have the shape of the target's `codes`.
    """
    return lambda rows: ask_model(model, columns.frame(rows), codes)


class UnknownKindError(Exception):
    """The model, or a part of it, is of no known kind."""


def operate(rows: np.ndarray, operations: Operations) -> np.ndarray:
    """Return what operations make of an array."""
    for operation, operand in operations:
        rows = operation(rows, operand)
    return rows


def after(operations: Operations, compiled: Compiled) -> Compiled:
    if not operations:
        return compiled
    is_light = compiled.is_light and all(isinstance(operation, np.ufunc) for operation, _ in operations)
    return replace(compiled, predict=lambda rows: compiled.predict(operate(rows, operations)), is_light=is_light)
