"""Compiled transformers of columns: encoders as look-ups of codes.

Functions of numpy are used unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, TargetEncoder

from recipeline.inference.columns import Columns
from recipeline.inference.compiled.form import Operations, Predict, UnknownKindError, operate
from recipeline.inference.compiled.linear import fold_back, linear_operations
from recipeline.inference.compiled.sums import Block, Encoding, Terms

#: Each encodes a column by itself, so that its answers can be looked up.
_ENCODERS = (OneHotEncoder, OrdinalEncoder, TargetEncoder)

#: So many numbers are looked up of an encoder at most, 160 MB of them. With more a version would take too long to load.
MOST_ANSWERS = 20_000_000

_MICROSECONDS = 1e6


def compile_columns(transformer: ColumnTransformer, columns: Columns) -> Encoding:
    """Return a fitted ColumnTransformer as an encoding of codes.

    Raises
    ------
    UnknownKindError : a part is of an unknown kind.
    """
    if transformer.transformer_weights:
        raise UnknownKindError
    blocks: list[Block] = []
    for _, part, chosen in transformer.transformers_:
        names = [columns.names[it] if isinstance(it, int | np.integer) else str(it) for it in chosen]
        if names and not (isinstance(part, str) and part == "drop"):
            blocks.append(_compile_block(part, names, columns))
    return Encoding.of(blocks, len(columns.names))


@dataclass(frozen=True)
class _Computed:
    """The columns at `places` after operations."""

    places: Sequence[int]
    operations: Operations

    def encode(self, rows: np.ndarray) -> np.ndarray:
        return operate(rows[:, self.places], self.operations)

    def fold(self, slope: np.ndarray, terms: Terms) -> None:
        """Add to the slope where all operations are linear; else compute what is before."""
        linear = next((place for place, it in enumerate(reversed(self.operations)) if it[0] is _call), len(self.operations))
        first, rest = self.operations[: len(self.operations) - linear], self.operations[len(self.operations) - linear :]
        slope, terms.offset = fold_back(slope, terms.offset, rest)
        if first:
            terms.computed.append(lambda rows: operate(rows[:, self.places], first) @ slope)
        else:
            np.add.at(terms.slope, list(self.places), slope)


@dataclass(frozen=True)
class _LookedUp:
    """Encoded categories: `base` for the first code of each column.

    In `columns` are the places of a column before and after encoding, and what the latter are for each code, (codes, places).
    """

    base: np.ndarray
    columns: Sequence[tuple[int, np.ndarray, np.ndarray]]

    def encode(self, rows: np.ndarray) -> np.ndarray:
        encoded = np.tile(self.base, (len(rows), 1))
        for place, own, answers in self.columns:
            encoded[:, own] = answers[rows[:, place].astype(np.intp)]
        return encoded

    def fold(self, slope: np.ndarray, terms: Terms) -> None:
        """Add the base to the offset, and a look-up for each column."""
        terms.offset = terms.offset + self.base @ slope
        for place, own, answers in self.columns:
            terms.look_up(place, (answers - self.base[own]) @ slope[own])


def _compile_block(part: BaseEstimator, names: Sequence[str], columns: Columns) -> Block:
    """Return what a transformer does to the columns `names`."""
    places = [columns.names.index(name) for name in names]
    features = [columns.features[place] for place in places]
    steps = [it for _, it in part.steps] if type(part) is Pipeline else [part]
    if type(steps[-1]) in _ENCODERS and all(type(it) in (SimpleImputer, *_ENCODERS) for it in steps):
        return _look_up(part, names, columns)
    if all(it.is_numeric for it in features):
        return _Computed(places, _number_operations(steps))
    if all(it.kind.frame_type for it in features):
        return _Computed(places, _date_operations(steps))
    raise UnknownKindError


def _call(values: np.ndarray, function: Predict) -> np.ndarray:
    """Return a function of values; an operation."""
    return function(values)


def _number_operations(steps: Sequence[BaseEstimator]) -> Operations:
    found: Operations = ()
    for step in steps:
        if type(step) is FunctionTransformer:
            found += _function(step)
        elif type(step) is SimpleImputer and _replaces_nothing(step) and not any(it is _call for it, _ in found):
            continue  # behind a function there may be NaN, the logarithm of -1 for example
        else:
            found += linear_operations(step)
    return found


def _replaces_nothing(step: SimpleImputer) -> bool:
    """Whether it replaces only NaN, which compiled forms are not given."""
    is_of_nan = isinstance(step.missing_values, float) and np.isnan(step.missing_values)
    return is_of_nan and not step.add_indicator and not np.isnan(step.statistics_.astype(float)).any()


def _date_operations(steps: Sequence[BaseEstimator]) -> Operations:
    """Return operations on seconds for transformers of dates.

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

    return ((_call, to_units), *(it for step in rest for it in _function(step)))


def _function(step: FunctionTransformer) -> Operations:
    if step.validate or (step.check_inverse and step.inverse_func is not None):
        raise UnknownKindError
    if step.func is None:
        return ()
    if getattr(step.func, "__module__", "numpy") != "numpy" and not isinstance(step.func, np.ufunc):
        raise UnknownKindError
    function: Any = step.func
    options = dict(step.kw_args or {})
    return ((_call, lambda values: function(values, **options)),)


def _look_up(encoder: BaseEstimator, names: Sequence[str], columns: Columns) -> Block:
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
    return _LookedUp(base, looked_up)
