"""The interface of a task in metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from recipeline.metrics.two_labels import HALF


class Task(ABC):
    """Scores of predictions, both as numbers: a target is (rows,) or (rows, labels).

    `threshold` is the probability from which on a binary model says the positive label.
    """

    @abstractmethod
    def score(
        self, target: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None = None, threshold: float = HALF
    ) -> dict[str, float]:
        """Return the metrics of `recipeline.metrics.catalogue` for the task."""

    @abstractmethod
    def intervals(
        self,
        target: np.ndarray,
        predicted: np.ndarray,
        groups: np.ndarray,
        *,
        draws: int,
        seed: int,
        is_clustered: bool = False,
        weights: np.ndarray | None = None,
        threshold: float = HALF,
    ) -> Mapping[str, tuple[float, float]]:
        """Return 95 % bootstrap intervals of the metrics, by `groups` of rows."""

    @abstractmethod
    def given(
        self, needs: str, target: np.ndarray, predicted: np.ndarray, threshold: float, labels: Sequence[Any]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return true and predicted values as a further metric needs them.

        `needs` is a word of `recipeline.metrics.catalogue.NEEDS` for the task.
        """

    @abstractmethod
    def function(self, name: str) -> Callable[..., Any]:
        """Return the function of a further metric of the catalogue."""

    @abstractmethod
    def row_errors(self, target: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Return the error of each row, as slices and guard rails average it."""
