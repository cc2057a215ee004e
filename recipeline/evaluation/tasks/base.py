"""The interface of a task in evaluation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from recipeline.config.recipe import Recipe
from recipeline.data.target_codes import TargetCodes
from recipeline.engine.local import Workers
from recipeline.evaluation.results import Decisions, Grades, MeasuredInterval
from recipeline.inference.by_value import Shown
from recipeline.inference.columns import Columns
from recipeline.inference.interval import Interval
from recipeline.inference.prediction_set import PredictionSet


@dataclass(frozen=True)
class Uncertainty:
    """The uncertainty of predictions, and of those of the test rows.

    `inside` are the test rows that it covers, a mask. `answers` are its columns of the golden rows by name, `models` the tail
    models of an interval that depends on the features.
    """

    measured: MeasuredInterval
    inside: np.ndarray
    interval: Interval | None = None
    prediction_set: PredictionSet | None = None
    answers: dict[str, np.ndarray] = field(default_factory=dict)
    models: tuple[BaseEstimator, BaseEstimator] | None = None


#: From out-of-fold predictions, test rows and predictions of these to their uncertainty.
Measure = Callable[[np.ndarray, pd.DataFrame, np.ndarray], Uncertainty]


@dataclass(frozen=True)
class Details:
    """The measurements of the best candidate besides scores, by task."""

    accuracy_within: dict[str, float] = field(default_factory=dict)
    grades: Grades | None = None
    decisions: Decisions | None = None


def find_column(name: str | None, columns: Columns) -> tuple[str, Shown] | None:
    """Return a column of the model with what shows its codes; None without a name."""
    if name is None:
        return None
    feature = columns.features[columns.names.index(name)]
    return name, lambda code: feature.kind.show(code, feature)


class Task(ABC):
    """A task as far as evaluation is concerned. Targets and predictions are codes."""

    @abstractmethod
    def start_uncertainty(
        self, recipe: Recipe, train: pd.DataFrame, columns: Columns, codes: TargetCodes, method: str, workers: Workers
    ) -> Measure:
        """Start to fit the uncertainty of predictions, and return what measures it."""

    @abstractmethod
    def describe(
        self, target: np.ndarray, predicted: np.ndarray, recipe: Recipe, codes: TargetCodes, threshold: float
    ) -> Details:
        """Return what is measured of the best candidate on test rows besides scores."""

    @abstractmethod
    def confidence(self, target: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return true and predicted values to compare in ranges of the latter, (rows,)."""

    @abstractmethod
    def threshold(self, model: Any) -> float | None:
        """Return the probability from which on a fitted model says the positive label."""
