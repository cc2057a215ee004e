"""Support vector machines as functions of an array."""

from __future__ import annotations

import numpy as np
from sklearn.svm import SVR

from recipeline.inference._compat import kernel_gamma, was_fitted_to_sparse_rows
from recipeline.inference.compiled.form import Compiled, Operations, Predict, UnknownKindError, after
from recipeline.inference.compiled.linear import linear_form

# Entries of a kernel matrix and multiplications for it, at a time: it stays in the cache, and BLAS below its limit for threads.
KERNEL_ENTRIES, KERNEL_PRODUCTS = 100_000, 250_000


def compile_kernel(model: SVR, operations: Operations) -> Compiled:
    if was_fitted_to_sparse_rows(model) or model.kernel not in ("linear", "poly", "rbf"):
        raise UnknownKindError
    vectors, weights = np.asarray(model.support_vectors_), np.array(model.dual_coef_[0])
    intercept = float(model.intercept_[0])
    if model.kernel == "linear":
        return linear_form(weights @ vectors, [intercept], operations)
    if model.kernel == "rbf":
        # Squared distances are differences of squares: around the origin these are small, and so is what rounding does to them.
        centre = vectors.sum(axis=0) / max(len(vectors), 1)
        operations = (*operations, (np.subtract, centre))
        kernel = _gaussian_kernel(vectors - centre, kernel_gamma(model))
    else:
        kernel = _polynomial_kernel(vectors, kernel_gamma(model), float(model.coef0), int(model.degree))
    block = max(1, min(KERNEL_ENTRIES // max(len(vectors), 1), KERNEL_PRODUCTS // max(vectors.size, 1)))

    def predict(rows: np.ndarray) -> np.ndarray:
        if len(rows) <= block:
            answer: np.ndarray = kernel(rows) @ weights + intercept
            return answer
        return np.concatenate([predict(rows[start : start + block]) for start in range(0, len(rows), block)])

    return after(operations, Compiled("kernel", False, predict))


def _gaussian_kernel(vectors: np.ndarray, gamma: float) -> Predict:
    """Return the function exp(-gamma |row - vector|²) of rows, (rows, vectors).

    The square is multiplied out.
    """
    columns = np.ascontiguousarray(2 * gamma * vectors.T)
    squares = gamma * np.square(vectors).sum(axis=1)

    def kernel(rows: np.ndarray) -> np.ndarray:
        exponent: np.ndarray = rows @ columns
        exponent -= squares
        exponent -= gamma * np.einsum("ij,ij->i", rows, rows)[:, None]
        np.exp(exponent, out=exponent)
        return exponent

    return kernel


def _polynomial_kernel(vectors: np.ndarray, gamma: float, constant: float, degree: int) -> Predict:
    """Return the function (gamma row·vector + constant)^degree of rows.

    It maps (rows, features) to (rows, vectors).
    """
    columns = np.ascontiguousarray(gamma * vectors.T)

    def kernel(rows: np.ndarray) -> np.ndarray:
        base: np.ndarray = rows @ columns
        base += constant
        power = np.ones_like(base)
        for _ in range(degree):  # for the degrees that there are, faster than `pow`
            power *= base
        return power

    return kernel
