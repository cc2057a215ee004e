"""Regression in metrics: R2, RMSE and MAE."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from sklearn.metrics import mean_pinball_loss, median_absolute_error, root_mean_squared_log_error

from recipeline.metrics.catalogue import quantile_of
from recipeline.metrics.regression import bootstrap_intervals, score_predictions
from recipeline.metrics.tasks.base import Task
from recipeline.metrics.two_labels import HALF


class Regression(Task):
    """Scores of predicted numbers; a threshold has no meaning for them."""

    def score(
        self, target: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None = None, threshold: float = HALF
    ) -> dict[str, float]:
        """Return r2, rmse and mae."""
        return score_predictions(target, predicted, weights)

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
        """Return the intervals of r2, rmse and mae."""
        return bootstrap_intervals(
            target, predicted, groups, draws=draws, seed=seed, is_clustered=is_clustered, weights=weights
        )

    def given(
        self, needs: str, target: np.ndarray, predicted: np.ndarray, threshold: float, labels: Sequence[Any]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers themselves."""
        return target, predicted

    def function(self, name: str) -> Callable[..., Any]:
        """Return scikit-learn's function, with the quantile of a pinball loss."""
        quantile = quantile_of(name)
        if quantile is not None:
            return partial(mean_pinball_loss, alpha=quantile)
        known: dict[str, Callable[..., Any]] = {
            "rmsle": root_mean_squared_log_error,
            "median_absolute_error": median_absolute_error,
        }
        return known[name]

    def row_errors(self, target: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Return absolute errors, in the target's unit."""
        errors: np.ndarray = np.abs(target - predicted)
        return errors
