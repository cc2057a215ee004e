"""Compilation of a fitted model to a function of an array.

It gives the same answers without scikit-learn's overhead per call. Callers must verify a compiled model with `differences`,
which compares its answers with the model's own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import VotingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR, NuSVR

from recipeline.data.target_codes import NUMBERS, TargetCodes
from recipeline.inference._compat import LinearModel
from recipeline.inference.columns import Columns
from recipeline.inference.compiled.check import differences
from recipeline.inference.compiled.classes import compile_classes
from recipeline.inference.compiled.form import Compiled, Operations, Predict, UnknownKindError, after, as_function
from recipeline.inference.compiled.kernels import compile_kernel
from recipeline.inference.compiled.linear import linear_form
from recipeline.inference.compiled.means import describe_mean, weights_of
from recipeline.inference.compiled.pipelines import check_names, check_width, compile_parts, is_projected
from recipeline.inference.compiled.trees import FEW_ROWS_HISTOGRAM, compile_trees
from recipeline.metrics.two_labels import both_columns


def compile_model(model: BaseEstimator, columns: Columns, codes: TargetCodes = NUMBERS) -> Compiled | None:
    """Return the fitted `model` as a function; None for an unknown kind.

    The model's features must be `columns`, in this order; predictions have the shape of the target's `codes`. A subclass from
    elsewhere, several targets, categories, other link functions than those of classes, and a clipped scale are unknown kinds,
    and so is a model with such a part. So are trees behind a projection (PCA): its last bit depends on the number of rows given
    to BLAS, and decides on which side of a split a row is.
    """
    width = len(columns.names)
    try:
        check_names(model, list(columns.names))
        compiled = _compile_labels(model, columns, codes) if codes.labels else _compile(model, columns, width, ())
        for rows in (1, FEW_ROWS_HISTOGRAM + 1):  # each of the ways to walk trees
            if compiled.predict(np.zeros((rows, width))).shape != (rows, *((len(codes.labels),) if codes.is_matrix else ())):
                return None
    except (UnknownKindError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None
    return compiled


def _compile_labels(model: BaseEstimator, columns: Columns, codes: TargetCodes) -> Compiled:
    """Return a classifier, whose classes must be the labels, in order if all answer."""
    classes, width = model.classes_.tolist(), len(columns.names)
    if classes != list(codes.labels) if codes.is_matrix else sorted(classes) != sorted(codes.labels):
        raise UnknownKindError
    if not codes.is_matrix or len(classes) > 2:
        return compile_classes(model, columns, width, None if codes.is_matrix else classes.index(codes.labels[-1]))
    last = compile_classes(model, columns, width, 1)

    def predict(rows: np.ndarray) -> np.ndarray:
        return both_columns(last.predict(rows))

    return replace(last, predict=predict, exact=False)


def fastest(model: BaseEstimator, rows: pd.DataFrame, columns: Columns, codes: TargetCodes = NUMBERS) -> Predict:
    """Return `model` as a function: compiled if equal on some of `rows`.

    With a NaN in `rows`, which compiled forms do not take, it is not compiled. Predictions have the shape of the target's
    `codes`.
    """
    compiled = None if rows.isna().to_numpy().any() else compile_model(model, columns, codes)
    if compiled is None or differences(compiled, model, rows.head(20), columns, codes):
        return as_function(model, columns, codes)
    return compiled.predict


def _compile(model: BaseEstimator, columns: Columns | None, width: int, operations: Operations) -> Compiled:
    """Return `model` as a function of the `width` columns before `operations`."""
    if type(model) is Pipeline:
        return compile_parts(model, columns, width, operations, _compile)
    if type(model) is VotingRegressor:
        return _compile_mean(model, [_compile(member, columns, width, operations) for member in model.estimators_])
    if type(model) is TransformedTargetRegressor and type(model.transformer_) is StandardScaler:
        return _compile_unscaled(_compile(model.regressor_, columns, width, operations), model.transformer_)
    if type(model) is TransformedTargetRegressor and model.inverse_func in (np.expm1, np.exp, np.square):
        return _compile_inverted(_compile(model.regressor_, columns, width, operations), model.inverse_func)
    if columns and not columns.are_numbers:
        raise UnknownKindError
    inside = check_width(model, width, operations)
    if type(model) in (SVR, NuSVR):
        return compile_kernel(model, operations)
    if isinstance(model, LinearModel) and is_regressor(model) and type(model).__module__.startswith("sklearn."):
        return linear_form(model.coef_, model.intercept_, operations)
    if is_projected(operations):
        raise UnknownKindError
    return after(operations, compile_trees(model, inside))


def _compile_unscaled(standardised: Compiled, scaler: StandardScaler) -> Compiled:
    """Return a model of a standardised target as one of the target.

    It uses the operations of `inverse_transform`.
    """
    if not (scaler.with_mean and scaler.with_std):
        raise UnknownKindError
    scale, mean = float(scaler.scale_[0]), float(scaler.mean_[0])

    def predict(rows: np.ndarray) -> np.ndarray:
        answer: np.ndarray = standardised.predict(rows) * scale + mean
        return answer

    return replace(standardised, predict=predict)


def _compile_inverted(changed: Compiled, inverse: np.ufunc) -> Compiled:
    """Return a model of a function of the target as one of the target."""

    def predict(rows: np.ndarray) -> np.ndarray:
        answer: np.ndarray = inverse(changed.predict(rows))
        return answer

    # The last bit of an exponential may depend on how many are computed at once.
    return replace(changed, predict=predict, exact=False)


def _compile_mean(model: VotingRegressor, members: list[Compiled]) -> Compiled:
    asked, weights = [member.predict for member in members], weights_of(model, len(members))
    total = len(members) if weights is None else weights.sum()

    def predict(rows: np.ndarray) -> np.ndarray:
        answers: np.ndarray = np.array([ask(rows) for ask in asked]).T
        weighted: np.ndarray = answers if weights is None else answers * weights
        mean: np.ndarray = weighted.sum(axis=1) / total
        return mean

    # From eight members on numpy adds up one row in another order than many: the model itself has two answers for a row then.
    exact = len(members) < 8 and all(member.exact for member in members)
    return Compiled(describe_mean(members), exact, predict, is_light=all(member.is_light for member in members))
