"""Columns of several types as numbers, by transformers of scikit-learn and functions of numpy: a model needs no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, TargetEncoder

from recipeline.config.candidate import Component, Difference, Preprocess
from recipeline.config.recipe import Recipe
from recipeline.data.kinds.every import KINDS

#: More values than these share one column.
MOST_CATEGORIES = 100

_HOUR, _DAY, _WEEK = 3_600e6, 86_400e6, 7 * 86_400e6

#: numpy's number for a date that is missing.
_NAT = float(np.iinfo(np.int64).min)

#: 1970-01-05 was a Monday.
_MONDAY = 4 * _DAY

Build = Callable[[str, Sequence[Component]], list[BaseEstimator]]


def preprocess_columns(recipe: Recipe, preprocess: Preprocess, build: Build) -> list[BaseEstimator]:
    """Return the transformers of a candidate, the first of which takes the recipe's features.

    Where all features are numbers these are the transformers of `preprocess.number` and `preprocess.all` one after the other;
    else the first is a ColumnTransformer with a part for each type of column. `build(key, components)` makes the transformers
    that the recipe names.
    """
    numbers = [name for name in recipe.features if KINDS[recipe.columns[name].type].is_numeric]
    categories = [name for name in recipe.features if recipe.columns[name].type == "category"]
    dates = [name for name in recipe.features if recipe.columns[name].type == "datetime"]
    first, then = build("number", preprocess.number), build("all", preprocess.all)
    if not categories and not dates:
        return [*first, *then]
    parts: list[tuple[str, Any, list[str]]] = []
    if numbers:
        parts.append(("number", make_pipeline(*first) if first else "passthrough", numbers))
    if categories:
        parts.append(("category", _encoder(preprocess, build), categories))
    for part in preprocess.datetime if dates else ():
        if isinstance(part, Difference):
            earlier, later = part.difference
            parts.append((f"{later} since {earlier}", _date_part("us", *_SECONDS), [earlier, later]))
        else:
            parts.append((part, _date_part(*_PARTS[part]), dates))
    return [ColumnTransformer(parts, sparse_threshold=0.0), *then]


def _encoder(preprocess: Preprocess, build: Build) -> Pipeline:
    """Return what makes numbers of categories; a missing value is the category "", also where a server passes None for it."""
    filled = [
        SimpleImputer(missing_values=missing, strategy="constant", fill_value="", keep_empty_features=True)
        for missing in (np.nan, None)
    ]
    if preprocess.category == "onehot":
        encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MOST_CATEGORIES, sparse_output=False)
        return make_pipeline(*filled, encoder)
    if preprocess.category == "ordinal":
        return make_pipeline(*filled, OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1))
    if preprocess.category == "target":
        return make_pipeline(*filled, TargetEncoder(target_type="continuous"))
    return make_pipeline(*filled, *build("category", preprocess.category))


def _date_part(unit: str, *functions: FunctionTransformer) -> Pipeline:
    """Return what makes a number of a date: the number of units since 1970, NaN where it is missing, and what follows."""
    return make_pipeline(
        FunctionTransformer(np.asarray, kw_args={"dtype": f"datetime64[{unit}]"}),
        FunctionTransformer(np.asarray, kw_args={"dtype": "float64"}),
        SimpleImputer(missing_values=_NAT, strategy="constant", fill_value=np.nan, keep_empty_features=True),
        *functions,
    )


def _within(period: float, start: float, step: float) -> tuple[FunctionTransformer, FunctionTransformer]:
    """Return what finds the number of whole steps since the period began, in microseconds.

    A half microsecond more keeps rounding from making 9.999 of 10 o'clock.
    """
    last = period - 1
    options = {"xp": [start, start + last], "fp": [0.5 / step, (last + 0.5) / step], "period": period}
    return FunctionTransformer(np.interp, kw_args=options), FunctionTransformer(np.floor)


_SECONDS = (
    FunctionTransformer(np.diff, kw_args={"axis": 1}),
    FunctionTransformer(np.interp, kw_args={"xp": [-1e18, 1e18], "fp": [-1e12, 1e12]}),
)

_PARTS: dict[str, tuple[Any, ...]] = {
    "hour": ("us", *_within(_DAY, 0.0, _HOUR)),
    "weekday": ("us", *_within(_WEEK, _MONDAY, _DAY)),
    "month": ("M", FunctionTransformer(np.interp, kw_args={"xp": [0.0, 11.0], "fp": [1.0, 12.0], "period": 12.0})),
    "year": ("Y",),
    "elapsed": ("D",),
}
