"""Several classes in metrics: probabilities of all labels, and the likeliest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from recipeline.metrics.classification import bootstrap_classes, score_classes
from recipeline.metrics.skill import row_losses
from recipeline.metrics.tasks.base import Task
from recipeline.metrics.two_labels import HALF


class Multiclass(Task):
    """Scores of probabilities, (rows, labels); the decided label is the likeliest."""

    def both(self, values: np.ndarray) -> np.ndarray:
        """Return a target or probabilities with one column for each label."""
        return values

    def decide(self, predicted: np.ndarray, threshold: float) -> np.ndarray:
        """Return the column of each row's decided label."""
        decided: np.ndarray = predicted.argmax(axis=1)
        return decided

    def score(
        self, target: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None = None, threshold: float = HALF
    ) -> dict[str, float]:
        """Return the metrics of classes."""
        return score_classes(self.both(target), self.both(predicted), self.decide(predicted, threshold), weights)

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
        """Return the intervals of the metrics of classes."""
        decided = self.decide(predicted, threshold)
        return bootstrap_classes(
            *(self.both(target), self.both(predicted), decided, groups),
            draws=draws,
            seed=seed,
            is_clustered=is_clustered,
            weights=weights,
        )

    def given(
        self, needs: str, target: np.ndarray, predicted: np.ndarray, threshold: float, labels: Sequence[Any]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return labels as the recipe has them, or codes and probabilities."""
        if needs == "probabilities":
            return target, predicted
        names = np.array(labels)
        return names[self.both(target).argmax(axis=1)], names[self.decide(predicted, threshold)]

    def function(self, name: str) -> Callable[..., Any]:
        """Raise KeyError: every metric of classes is one of every evaluation."""
        raise KeyError(name)

    def row_errors(self, target: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Return the Brier score of each row."""
        return row_losses(target, predicted)
