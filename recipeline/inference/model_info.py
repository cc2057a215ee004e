"""The description of a model: columns, ranges, sample row and interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.data.checking.conditions import Condition, conditions_of
from recipeline.data.checking.numbers import missing_codes
from recipeline.data.kinds.every import KINDS as READERS
from recipeline.data.reading.formats import PLAIN, Format
from recipeline.data.results import FittedRows
from recipeline.data.target_codes import NUMBERS, TargetCodes
from recipeline.inference.asking import say
from recipeline.inference.interval import FittedInterval, Interval
from recipeline.inference.kinds.base import Kind
from recipeline.inference.kinds.every import KINDS
from recipeline.inference.prediction_set import PredictionSet
from recipeline.metrics.two_labels import or_half
from recipeline.records import LEFT_OUT

#: A value of a feature as JSON has it; None: missing.
Value = str | float | bool | None


@dataclass(frozen=True)
class Feature:
    """A feature of a model: possible range (`min`, `max`) and training range.

    None: unknown. `na` are the words for a missing value.
    """

    name: str
    unit: str = ""
    type: str = "number"
    nullable: bool = False
    na: tuple[str, ...] = ()
    min: float | None = None
    max: float | None = None
    train_min: float | None = None
    train_max: float | None = None
    values: tuple[str, ...] = field(default=(), metadata=LEFT_OUT)
    categories: tuple[str, ...] = field(default=(), metadata=LEFT_OUT)
    format: str = field(default="", metadata=LEFT_OUT)
    decimal: str = field(default=".", metadata=LEFT_OUT)
    quantiles: Mapping[str, float | None] | None = field(default=None, metadata=LEFT_OUT)
    counts: tuple[int, ...] | None = field(default=None, metadata=LEFT_OUT)
    has_time: bool | None = field(default=None, metadata=LEFT_OUT)

    @cached_property
    def kind(self) -> Kind:
        """The implementation of its type; a type of a newer version is a number."""
        return KINDS.get(self.type, KINDS["number"])

    @property
    def is_numeric(self) -> bool:
        """Whether its codes are the numbers that the model takes."""
        return READERS.get(self.type, READERS["number"]).is_numeric

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The code of each category."""
        return {name: place for place, name in enumerate(self.categories)}

    @cached_property
    def missing_codes(self) -> list[float]:
        """The numbers that mean a missing value."""
        return missing_codes(self.na)

    def is_missing_word(self, value: object) -> bool:
        """Whether a value is an empty text or one of the words for a missing value."""
        if isinstance(value, str):
            text = value.strip()
            return not text or text in self.na
        return type(value) in (int, float) and value in self.missing_codes

    @property
    def low(self) -> float:
        """The least training value; minus infinity if unknown."""
        return -math.inf if self.train_min is None else self.train_min

    @property
    def high(self) -> float:
        """The greatest training value; infinity if unknown."""
        return math.inf if self.train_max is None else self.train_max

    @property
    def trained_on(self) -> str:
        """The rule for values outside of the training range."""
        return self.kind.trained_on(self)

    @property
    def at_least(self) -> str:
        """The rule for values below the possible range."""
        return f"must be at least {self.min:g}{f' {self.unit}' if self.unit else ''}"

    @property
    def at_most(self) -> str:
        """The rule for values above the possible range."""
        return f"must be at most {self.max:g}{f' {self.unit}' if self.unit else ''}"

    @property
    def limits(self) -> tuple[float, float]:
        """The codes beyond which a value is one that the model has not seen."""
        return (self.low, self.high) if self.kind.has_range else (-math.inf, math.inf)

    def is_possible(self, value: float) -> bool:
        """Whether the recipe allows a value at all."""
        return not self.broken_limit(value)

    def broken_limit(self, value: float) -> str:
        """Return the rule of the possible range that a value breaks, or "".

        NaN breaks none.
        """
        if self.min is not None and value < self.min:
            return self.at_least
        return self.at_most if self.max is not None and value > self.max else ""


@dataclass(frozen=True)
class Target:
    """The target column of a model: name, unit, type and possible range.

    None: unknown. For classes it has the `labels`, of two the positive one last, and the `threshold`: the probability from
    which on that is said.
    """

    name: str
    type: str = "number"
    unit: str = ""
    min: float | None = None
    max: float | None = None
    task: str = field(default=NUMBERS.task, metadata=LEFT_OUT)
    labels: tuple[str | int | bool, ...] = field(default=(), metadata=LEFT_OUT)
    threshold: float | None = field(default=None, metadata=LEFT_OUT)

    @cached_property
    def codes(self) -> TargetCodes:
        """The target as numbers, which predictions are shaped as."""
        return TargetCodes(self.task, self.labels)

    @property
    def decides_at(self) -> float:
        """The probability from which on the positive one of two labels is said."""
        return or_half(self.threshold)

    def say(self, predicted: np.ndarray) -> np.ndarray:
        """Return what predictions say, (rows,): numbers, or labels."""
        return say(predicted, self.codes, self.decides_at)


@dataclass(frozen=True)
class ModelInfo:
    """The description of a model, as in model_info.json.

    `sample` is a row by feature, None where a value is missing; `interval` is None of a model that has none; `csv` is how a CSV
    is written that does not say so itself. `other_columns` are those of the training rows that the model does not take;
    `private_columns` are those of them that no log may have. `filter` are the conditions that every training row fulfils.
    `fitted` says to how many training rows it was fitted; None: to all.
    """

    target: Target
    features: tuple[Feature, ...]
    candidate: str = ""
    interval: FittedInterval | None = None
    prediction_set: PredictionSet | None = field(default=None, metadata=LEFT_OUT)
    sample: Mapping[str, Value] = field(default_factory=dict)
    csv: Format = field(default=PLAIN, metadata=LEFT_OUT)
    other_columns: tuple[str, ...] = field(default=(), metadata=LEFT_OUT)
    private_columns: tuple[str, ...] = field(default=(), metadata=LEFT_OUT)
    filter: tuple[Condition, ...] = field(default=(), metadata=LEFT_OUT)
    fitted: FittedRows | None = field(default=None, metadata=LEFT_OUT)


def describe_model(
    recipe: Recipe,
    train: pd.DataFrame,
    codes: TargetCodes,
    interval: Interval | None,
    prediction_set: PredictionSet | None,
    *,
    candidate: str,
    threshold: float | None,
    coverage: float,
    test_rows: int,
    fitted: FittedRows | None = None,
) -> ModelInfo:
    """Return the description of the fitted `candidate` as plain values for JSON.

    NaN becomes None.

    Parameters
    ----------
    train : the rows it was fitted on, with the recipe's columns; nullable ones may have NaN.
    interval, prediction_set : fitted on the out-of-fold predictions of `train`.
    threshold : of the decision between two labels.
    coverage, test_rows : of interval or set on the test rows, as `recipeline.evaluation.coverage.measure_coverage` returns
    them.
    fitted : how many of the training rows `train` are; None: all.
    """
    target = recipe.columns[recipe.target]
    features = tuple(describe_feature(recipe, name, train[name]) for name in recipe.features)
    rows = np.column_stack([it.kind.encode(train[it.name], it) for it in features])
    return ModelInfo(
        candidate=candidate,
        target=Target(*(recipe.target, target.type, target.unit, target.min, target.max), codes.task, codes.labels, threshold),
        features=features,
        interval=None if interval is None else interval.describe(coverage, test_rows),
        prediction_set=(
            None if prediction_set is None else replace(prediction_set, test_coverage=coverage, test_rows=test_rows)
        ),
        sample=choose_sample(rows, features),
        csv=Format.of(recipe.data),
        other_columns=recipe.not_features,
        private_columns=tuple(name for name in recipe.not_features if recipe.columns[name].role == "sensitive"),
        filter=conditions_of(recipe),
        fitted=fitted,
    )


def describe_feature(recipe: Recipe, name: str, values: pd.Series) -> Feature:
    """Return a feature's description: recipe, range and quantiles of its values.

    NaN is left out. `min` and `max` are the possible range, None if the recipe has none; `train_min` and `train_max` the
    training range, None, as the quantiles, without a value.
    """
    column = recipe.columns[name]
    return Feature(
        name=name,
        type=column.type,
        unit=column.unit,
        nullable=column.nullable,
        na=tuple(recipe.na),
        min=column.min,
        max=column.max,
        values=tuple(column.values),
        format=column.format,
        decimal=column.decimal,
        **vars(KINDS[column.type].learn(values)),
    )


def choose_sample(rows: np.ndarray, features: Sequence[Feature]) -> dict[str, Value]:
    """Return the row nearest to the columns' medians, in standardised distance.

    The distance is Euclidean. A real row is plausible, the medians together may not be. Rows without NaN are preferred; else a
    missing value is None. The first of equally near ones is taken.
    """
    complete = ~np.isnan(rows).any(axis=1)
    values = rows[complete] if complete.any() else rows
    known = pd.DataFrame(values)
    scale = known.std(ddof=0).to_numpy()
    distance = (values - known.median().to_numpy()) / np.where(scale > 0, scale, 1.0)
    nearest = values[int(np.argmin(np.nansum(distance**2, axis=1)))].tolist()
    return {feature.name: feature.kind.show(value, feature) for feature, value in zip(features, nearest, strict=True)}
