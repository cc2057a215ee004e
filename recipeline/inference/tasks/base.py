"""The interface of a task in inference: a model's predictions as numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from recipeline.data.tasks.base import Label


class Task(ABC):
    """A task as far as a fitted model is concerned.

    Predictions are float64: a number, the probability of the positive label, (rows,), or those of all labels, (rows, labels).
    """

    @abstractmethod
    def recognise(self, model: Any) -> tuple[tuple[Label, ...], float | None] | None:
        """Return labels and threshold of a fitted model of which nothing else is known.

        None: it is of another task.
        """

    @abstractmethod
    def ask(self, model: Any, frame: pd.DataFrame, labels: Sequence[Label]) -> np.ndarray:
        """Return a model's predictions of rows."""

    @abstractmethod
    def probabilities(self, predicted: np.ndarray) -> np.ndarray:
        """Return predictions with a column for each label, (rows, labels).

        For numbers it is (rows, 0).
        """

    @abstractmethod
    def said(self, predicted: np.ndarray, labels: Sequence[Label], threshold: float) -> np.ndarray:
        """Return what is said of each row: the number, or the label, (rows,)."""
