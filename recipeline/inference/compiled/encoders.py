"""Compiled transformers of columns: encoders as look-ups of codes.

Functions of numpy are used unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, TargetEncoder

from recipeline.inference.columns import Columns
from recipeline.inference.compiled.form import Predict, UnknownKindError
from recipeline.inference.compiled.linear import linear_operations

#: Each encodes a column by itself, so that its answers can be looked up.
_ENCODERS = (OneHotEncoder, OrdinalEncoder, TargetEncoder)

#: So many numbers are looked up of an encoder at most, 160 MB of them. With more a version would take too long to load.
MOST_ANSWERS = 20_000_000

_MICROSECONDS = 1e6


def compile_columns(transformer: ColumnTransformer, columns: Columns) -> tuple[Predict, int]:
    """Return a fitted ColumnTransformer as a function of codes, and its width.

    Raises
    ------
    UnknownKindError : a part is of an unknown kind.
    """
    blocks: list[Predict] = []
    for _, part, chosen in transformer.transformers_:
        names = [columns.names[it] if isinstance(it, int | np.integer) else str(it) for it in chosen]
        if names and not (isinstance(part, str) and part == "drop"):
            blocks.append(_compile_block(part, names, columns))

    def encode(rows: np.ndarray) -> np.ndarray:
        return np.concatenate([block(rows) for block in blocks], axis=1)

    return encode, encode(np.zeros((1, len(columns.names)))).shape[1]


def _compile_block(part: BaseEstimator, names: Sequence[str], columns: Columns) -> Predict:
    """Return what a transformer does to the columns `names`."""
    places = [columns.names.index(name) for name in names]
    features = [columns.features[place] for place in places]
    steps = [it for _, it in part.steps] if type(part) is Pipeline else [part]
    if type(steps[-1]) in _ENCODERS:
        return _look_up(part, names, columns)
    if all(it.is_numeric for it in features):
        calls = _number_calls(steps)
    elif all(it.kind.frame_type for it in features):
        calls = _date_calls(steps)
    else:
        raise UnknownKindError

    def block(rows: np.ndarray) -> np.ndarray:
        values = rows[:, places]
        for call in calls:
            values = call(values)
        return values

    return block


def _number_calls(steps: Sequence[BaseEstimator]) -> list[Predict]:
    calls: list[Predict] = []
    for step in steps:
        if type(step) is FunctionTransformer:
            calls += _function(step)
        elif type(step) is SimpleImputer and not step.add_indicator and not np.isnan(step.statistics_.astype(float)).any():
            continue  # it replaces what compiled forms are not given
        else:
            calls += [_operation(ufunc, operand) for ufunc, operand in linear_operations(step)]
    return calls


def _operation(ufunc: np.ufunc, operand: np.ndarray) -> Predict:
    return lambda values: ufunc(values, operand)


def _date_calls(steps: Sequence[BaseEstimator]) -> list[Predict]:
    """Return functions of seconds for transformers of dates.

    Their first steps make microseconds of dates; codes are seconds.
    """
    to_dates, to_numbers, _, *rest = steps
    if [type(it) for it in steps] != [FunctionTransformer, FunctionTransformer, SimpleImputer] + [FunctionTransformer] * len(
        rest
    ):
        raise UnknownKindError
    if to_dates.func is not np.asarray or to_numbers.func is not np.asarray or to_numbers.kw_args != {"dtype": "float64"}:
        raise UnknownKindError
    unit = np.dtype(to_dates.kw_args["dtype"])

    def to_units(seconds: np.ndarray) -> np.ndarray:
        micros = np.rint(seconds * _MICROSECONDS).astype("int64").astype("datetime64[us]")
        return micros.astype(unit).astype("float64")

    return [to_units, *(call for step in rest for call in _function(step))]


def _function(step: FunctionTransformer) -> list[Predict]:
    if step.validate or (step.check_inverse and step.inverse_func is not None):
        raise UnknownKindError
    if step.func is None:
        return []
    if getattr(step.func, "__module__", "numpy") != "numpy" and not isinstance(step.func, np.ufunc):
        raise UnknownKindError
    call: Callable[..., np.ndarray] = step.func
    options = dict(step.kw_args or {})
    return [lambda values: call(values, **options)]


def _look_up(encoder: BaseEstimator, names: Sequence[str], columns: Columns) -> Predict:
    """Return an encoder as look-ups, made by encoding every category once.

    One column changes at a time.
    """
    width = len(columns.names)
    places = [columns.names.index(name) for name in names]
    if not all(columns.features[place].categories for place in places):
        raise UnknownKindError
    sizes = [len(columns.features[place].categories) + 1 for place in places]

    def ask(codes: np.ndarray) -> np.ndarray:
        return np.asarray(encoder.transform(columns.frame(codes)[list(names)]), dtype=np.float64)

    base = ask(np.zeros((1, width)))[0]
    if max(sizes) * len(base) > MOST_ANSWERS:
        raise UnknownKindError
    looked_up: list[tuple[int, np.ndarray, np.ndarray]] = []
    for place, size in zip(places, sizes, strict=True):
        codes = np.zeros((size, width))
        codes[:, place] = np.arange(size)
        answers = ask(codes)
        own = np.flatnonzero((answers != base).any(axis=0))
        looked_up.append((place, own, np.ascontiguousarray(answers[:, own])))

    def block(rows: np.ndarray) -> np.ndarray:
        encoded = np.tile(base, (len(rows), 1))
        for place, own, answers in looked_up:
            encoded[:, own] = answers[rows[:, place].astype(np.intp)]
        return encoded

    return block
