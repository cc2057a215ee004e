"""Pipelines in compiled forms: operations before a model, encoders, column checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline

from recipeline.inference.columns import Columns
from recipeline.inference.compiled.encoders import compile_columns
from recipeline.inference.compiled.form import Compiled, Operations, UnknownKindError, after
from recipeline.inference.compiled.linear import linear_operations
from recipeline.inference.compiled.sums import encode

#: Models of several, each of which would encode the rows again.
_SEVERAL = (VotingRegressor, VotingClassifier, CalibratedClassifierCV)

#: Returns a model as a function of so many columns, of which codes are known or not, before operations.
Finish = Callable[[Any, Columns | None, int, Operations], Compiled]


def compile_parts(model: Pipeline, columns: Columns | None, width: int, operations: Operations, finish: Finish) -> Compiled:
    """Return a pipeline as a function of the `width` columns before `operations`.

    `finish` compiles what is behind its transformers.

    Raises
    ------
    UnknownKindError : a part is of an unknown kind.
    """
    *transformers, final = parts_of(model)
    if columns and transformers and type(transformers[0]) is ColumnTransformer:
        encoding = compile_columns(transformers[0], columns)
        first: Operations = ((encode, encoding),)
        rest = model[model.steps.index(next(step for step in model.steps if step[1] is transformers[0])) + 1 :]
        inside = sum(encoding.widths)
        if type(final) in _SEVERAL:
            return after(first, finish(rest, None, inside, ()))
        return finish(rest, None, inside, first)
    for transformer in transformers:
        check_width(transformer, width, operations)
        operations += linear_operations(transformer)
    return finish(final, None, width, operations)


def parts_of(model: Pipeline) -> list[BaseEstimator]:
    """Return the transformers of a pipeline that do something, and its model."""
    *transformers, (_, final) = model.steps
    return [part for _, part in transformers if part is not None and part != "passthrough"] + [final]


def check_names(model: BaseEstimator, names: list[str]) -> None:
    """Raise UnknownKindError if the model was fitted to columns of other names."""
    if isinstance(model, VotingRegressor | VotingClassifier):
        for member in model.estimators_:
            check_names(member, names)
    elif isinstance(model, FixedThresholdClassifier):
        check_names(model.estimator_, names)
    elif isinstance(model, Pipeline):
        check_names(parts_of(model)[0], names)
    elif list(getattr(model, "feature_names_in_", names)) != names:
        raise UnknownKindError


def check_width(part: BaseEstimator, width: int, operations: Operations) -> int:
    """Return the number of columns of `part`: `width`, or the last projection's.

    Trees look up columns without a check of their own: a part that was fitted to more columns would read outside of the array.

    Raises
    ------
    UnknownKindError : it was fitted to another number.
    """
    for operation, operand in operations:
        width = operand.shape[1] if operation is np.matmul else width
    if part.n_features_in_ != width:
        raise UnknownKindError
    return width


def is_projected(operations: Operations) -> bool:
    """Whether columns are mixed, so that their last bits depend on the number of rows."""
    return any(operation is np.matmul for operation, _ in operations)
