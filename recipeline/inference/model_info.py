"""What whoever serves a model must know of it besides its file: columns, ranges, an example row, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.data.numbers import missing_codes
from recipeline.inference.interval import Interval


@dataclass(frozen=True)
class Feature:
    """A column that the model takes: what is possible at all (`min`, `max`), and what the model has seen; None: not known.

    `na` are the words that stand for a missing value.
    """

    name: str
    unit: str = ""
    type: str = "number"
    nullable: bool = False
    na: Sequence[str] = ()
    min: float | None = None
    max: float | None = None
    train_min: float | None = None
    train_max: float | None = None

    @classmethod
    def from_info(cls, values: Mapping[str, Any]) -> Self:
        """Return the feature that an entry of `features` in model_info.json describes; what it says besides is ignored.

        Raises
        ------
        KeyError : it has no name.
        """
        known = {item.name: values[item.name] for item in fields(cls) if item.name in values}
        return cls(**{"name": values["name"]} | known)

    @property
    def is_integer(self) -> bool:
        """Whether it holds whole numbers."""
        return self.type == "integer"

    @cached_property
    def missing_codes(self) -> list[float]:
        """The numbers that stand for a missing value."""
        return missing_codes(self.na)

    def is_missing_word(self, value: object) -> bool:
        """Whether a text or a number is one of the words for a missing value."""
        if isinstance(value, str):
            return value.strip() in self.na
        return type(value) in (int, float) and value in self.missing_codes

    @property
    def low(self) -> float:
        """The least value of the training rows; minus infinity where it is not known."""
        return -math.inf if self.train_min is None else self.train_min

    @property
    def high(self) -> float:
        """The greatest value of the training rows; infinity where it is not known."""
        return math.inf if self.train_max is None else self.train_max

    @property
    def trained_on(self) -> str:
        """The rule that a value outside of the training rows breaks."""
        return f"trained on {self.low:g} to {self.high:g}{f' {self.unit}' if self.unit else ''}"

    @property
    def at_least(self) -> str:
        """The rule that a value below the least possible one breaks."""
        return f"must be at least {self.min:g}{f' {self.unit}' if self.unit else ''}"

    @property
    def at_most(self) -> str:
        """The rule that a value above the greatest possible one breaks."""
        return f"must be at most {self.max:g}{f' {self.unit}' if self.unit else ''}"

    def is_possible(self, value: float) -> bool:
        """Whether the recipe allows a value at all."""
        return not self.broken_limit(value)

    def broken_limit(self, value: float) -> str:
        """Return the rule of what is possible at all that a value breaks, if any; NaN breaks none."""
        if self.min is not None and value < self.min:
            return self.at_least
        return self.at_most if self.max is not None and value > self.max else ""


QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def describe_model(
    recipe: Recipe, train: pd.DataFrame, interval: Interval, *, candidate: str, measured: Mapping[str, float]
) -> dict[str, Any]:
    """Return the description of the fitted `candidate` as plain values, as JSON takes them: None where others have NaN.

    Parameters
    ----------
    train : the rows it was fitted on, with the recipe's columns; nullable ones may hold NaN.
    interval : fitted on the out-of-fold predictions of `train`.
    measured : `coverage` and `rows` of the test rows, as `recipeline.evaluation.scoring.measure_interval` returns them.
    """
    target = recipe.columns[recipe.target]
    return {
        "candidate": candidate,
        "target": {
            "name": recipe.target,
            "type": target.type,
            "unit": target.unit,
            "min": target.min,
            "max": target.max,
        },
        "features": [describe_feature(recipe, name, train[name]) for name in recipe.features],
        "other_columns": list(recipe.other_columns),
        "interval": {**interval.as_dict(), "test_coverage": measured["coverage"], "test_rows": measured["rows"]},
        "sample": choose_sample(train[list(recipe.features)]),
    }


def describe_feature(recipe: Recipe, name: str, values: pd.Series) -> dict[str, Any]:
    """Return what the recipe says of a feature, and the range and quantiles of its training values; NaN is left out.

    `min` and `max` are what is possible at all, None where the recipe does not say; `train_min` and `train_max` what the model
    has seen, None, as the quantiles, where it has seen no value.
    """
    column, known = recipe.columns[name], values.to_numpy(dtype=float)
    known = known[~np.isnan(known)]
    seen = np.quantile(known, (0, 1, *QUANTILES)).tolist() if known.size else [None] * (2 + len(QUANTILES))
    return {
        "name": name,
        "type": column.type,
        "unit": column.unit,
        "nullable": column.nullable,
        "na": list(recipe.na),
        "min": column.min,
        "max": column.max,
        "train_min": seen[0],
        "train_max": seen[1],
        "quantiles": {f"{q:g}": value for q, value in zip(QUANTILES, seen[2:], strict=True)},
    }


def choose_sample(features: pd.DataFrame) -> dict[str, float | None]:
    """Return the row nearest to the columns' medians, in Euclidean distance of columns divided by their standard deviation.

    A row that is there looks real, the medians together may not be possible. Rows without NaN are preferred; where there is
    none, a missing value is None. Of equally near ones the first is taken.
    """
    values = features.to_numpy(dtype=float)
    complete = ~np.isnan(values).any(axis=1)
    values = values[complete] if complete.any() else values
    known = pd.DataFrame(values)
    scale = known.std(ddof=0).to_numpy()
    distance = (values - known.median().to_numpy()) / np.where(scale > 0, scale, 1.0)
    nearest = values[int(np.argmin(np.nansum(distance**2, axis=1)))].tolist()
    return {str(name): None if np.isnan(value) else value for name, value in zip(features.columns, nearest, strict=True)}
