"""Linear models, scalers and projections as functions of an array."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from recipeline.inference.compiled.form import Compiled, Operations, UnknownKindError
from recipeline.inference.compiled.sums import Encoding, Terms, encode


def linear_operations(transformer: BaseEstimator) -> Operations:
    """Return the operations of `transformer` in scikit-learn's order.

    The results are equal bit for bit.
    """
    kind = type(transformer)
    found: list[tuple[np.ufunc, Any]]
    if kind is StandardScaler:
        found = [(np.subtract, transformer.mean_)] if transformer.with_mean else []
        found += [(np.divide, transformer.scale_)] if transformer.with_std else []
    elif kind is RobustScaler:
        found = [(np.subtract, transformer.center_)] if transformer.with_centering else []
        found += [(np.divide, transformer.scale_)] if transformer.with_scaling else []
    elif kind is MinMaxScaler and not transformer.clip:
        found = [(np.multiply, transformer.scale_), (np.add, transformer.min_)]
    elif kind is MaxAbsScaler and not getattr(transformer, "clip", False):
        found = [(np.divide, transformer.scale_)]
    elif kind is PCA:
        found = _projection(transformer)
    else:
        raise UnknownKindError
    return tuple((operation, np.asarray(operand, dtype=np.float64)) for operation, operand in found)


def _projection(transformer: PCA) -> list[tuple[np.ufunc, Any]]:
    axes = np.asarray(transformer.components_, dtype=np.float64).T
    found = [(np.matmul, axes), (np.subtract, transformer.mean_ @ axes)]
    if transformer.whiten:
        # An axis along which nothing varies is divided by the smallest number that scikit-learn divides by.
        smallest = np.finfo(transformer.explained_variance_.dtype).eps
        found.append((np.divide, np.maximum(np.sqrt(transformer.explained_variance_), smallest)))
    return found


def fold_back(slope: np.ndarray, offset: np.ndarray, operations: Operations) -> tuple[np.ndarray, np.ndarray]:
    """Return slope and offset before linear `operations`, from those behind."""
    for operation, operand in reversed(operations):
        if operation is np.matmul:
            slope = operand @ slope
        elif operation is np.add:
            offset = offset + operand @ slope
        elif operation is np.subtract:
            offset = offset - operand @ slope
        else:
            slope = operation(slope.T, operand).T
    return slope, offset


def linear_form(coefficients: Any, intercept: Any, operations: Operations) -> Compiled:
    """Return coefficients and intercept after `operations` as one product.

    The operations are applied backwards; of encoded columns it is a sum of a product and of look-ups. Coefficients of shape
    (outputs, features) have several answers, (rows, outputs).
    """
    slope = np.array(coefficients, dtype=np.float64).T
    offset = np.array(intercept, dtype=np.float64)
    if offset.size != math.prod(slope.shape[1:]):
        raise UnknownKindError
    offset = offset.reshape(slope.shape[1:])
    if operations and operations[0][0] is encode:
        encoding: Encoding = operations[0][1]
        terms = Terms.of(encoding, *fold_back(slope, offset, operations[1:]))
        return Compiled("linear", False, terms.add_up(), is_light=not terms.computed)
    slope, offset = fold_back(slope, offset, operations)

    def predict(rows: np.ndarray) -> np.ndarray:
        answer: np.ndarray = rows @ slope + offset
        return answer

    return Compiled("linear", False, predict, is_light=True)
