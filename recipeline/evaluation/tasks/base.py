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
from recipeline.data.relating.held_out import HeldOut
from recipeline.data.target_codes import TargetCodes
from recipeline.engine.workers import Workers
from recipeline.evaluation.results import Grades, MeasuredInterval
from recipeline.evaluation.tasks.results import Decisions, Disparity, LabelCurves, LabelSets, ThresholdCurve
from recipeline.inference.by_value import Shown
from recipeline.inference.columns import Codes, Columns
from recipeline.inference.interval import Interval
from recipeline.inference.prediction_set import PredictionSet


@dataclass(frozen=True)
class Uncertainty:
    """The uncertainty of predictions, and of those of the test rows.

    `inside` are the test rows that it covers, a mask, and `sizes` the numbers of labels in their sets. `answers` are its
    columns of the golden rows by name, `models` the tail models of an interval that depends on the features.
    """

    measured: MeasuredInterval
    inside: np.ndarray
    sizes: np.ndarray | None = None
    interval: Interval | None = None
    prediction_set: PredictionSet | None = None
    answers: dict[str, np.ndarray] = field(default_factory=dict)
    models: tuple[BaseEstimator, BaseEstimator] | None = None


#: From out-of-fold predictions, test rows and predictions of these to their uncertainty.
Measure = Callable[[np.ndarray, pd.DataFrame | HeldOut, np.ndarray], Uncertainty]


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


#: Target, predictions and weights of the training rows out of fold.
ChosenBy = tuple[np.ndarray, np.ndarray, np.ndarray | None]


@dataclass(frozen=True)
class Tested:
    """The test rows, with the predictions of the best candidate.

    `rows` are codes of the features, `target` and `predicted` those of the target; `uncertain` covers some of the rows. Whole
    `groups` are drawn by a bootstrap; `weights` is None where all rows count the same. `chosen_by` are target, predictions and
    weights of the training rows out of fold.
    """

    rows: Codes
    target: np.ndarray
    predicted: np.ndarray
    uncertain: Uncertainty
    groups: np.ndarray
    weights: np.ndarray | None
    threshold: float
    columns: Columns
    codes: TargetCodes
    recipe: Recipe
    chosen_by: ChosenBy


@dataclass(frozen=True)
class Examined:
    """The part of a diagnosis that depends on the task."""

    curves: tuple[LabelCurves, ...] = ()
    thresholds: ThresholdCurve | None = None
    fairness: tuple[Disparity, ...] = ()
    sets: tuple[LabelSets, ...] = ()
    set_sizes: tuple[int, ...] = ()


class Task(ABC):
    """A task as far as evaluation is concerned. Targets and predictions are codes."""

    #: Whether what is true in a range of the prediction is a share of its rows.
    has_shares = False

    def ranges(self, rows: int) -> int:
        """Return the number of ranges of the prediction that errors are shown for."""
        return 5

    @abstractmethod
    def require_measurable(self, target: np.ndarray, recipe: Recipe, codes: TargetCodes) -> None:
        """Raise DataError if the test rows cannot be measured."""

    def examine(self, tested: Tested) -> Examined:
        """Return what a diagnosis has of this task alone."""
        return Examined()

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
