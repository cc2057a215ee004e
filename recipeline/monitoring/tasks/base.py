"""The interface of a task in monitoring."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recipeline.data.target_codes import TargetCodes
from recipeline.inference.interval import Interval
from recipeline.inference.model_info import ModelInfo
from recipeline.monitoring.results import Calibration, Described


@dataclass(frozen=True)
class Stated:
    """The uncertainty that a model states, to be compared with labels.

    `covers` takes features (rows, features), predictions and target, both as codes, and returns which rows interval or
    prediction set covers; `level` is the share that it should.
    """

    level: float
    covers: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    on_test_rows: float | None = None


class Task(ABC):
    """A task as far as monitoring is concerned. Predictions and targets are codes."""

    #: The rule on the error of labelled rows, in `recipeline.config.rules.Monitoring`.
    increase: str

    @abstractmethod
    def watch(self, predicted: np.ndarray) -> np.ndarray:
        """Return the part of predictions whose distribution is watched, (rows,)."""

    @abstractmethod
    def decide(self, predicted: np.ndarray, threshold: float) -> np.ndarray | None:
        """Return the places of the decided labels, (rows,); None: a number is not decided."""

    @abstractmethod
    def describe_said(self, predicted: np.ndarray, codes: TargetCodes, threshold: float) -> Described | None:
        """Return the shares of decided labels; None: there are no labels."""

    @abstractmethod
    def calibrate(self, target: np.ndarray, predicted: np.ndarray, codes: TargetCodes) -> Mapping[str, Calibration] | None:
        """Return the calibration of probabilities by label; None of numbers."""

    @abstractmethod
    def state(self, info: ModelInfo, interval: Interval | None) -> Stated | None:
        """Return the uncertainty that a model states, `interval` its loaded one.

        None: it states none.
        """

    @abstractmethod
    def logged(self, entry: Mapping[str, Any], codes: TargetCodes) -> list[Any] | None:
        """Return the codes of a prediction in a line of the service's log.

        None: it lacks some.
        Their types are not checked.
        """

    @abstractmethod
    def answers(self, codes: TargetCodes) -> list[str]:
        """Return the columns of a table of predictions that have the codes."""
