"""Two classes in evaluation: probabilities of the positive label, a threshold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from recipeline.config.recipe import Recipe
from recipeline.evaluation.classes import draw_thresholds
from recipeline.evaluation.tasks.base import Examined, Tested
from recipeline.evaluation.tasks.multiclass import Multiclass
from recipeline.metrics.tasks.binary import Binary as Scores
from recipeline.metrics.two_labels import HALF
from recipeline.training.decision import explain_decision, judge_decision


class Binary(Multiclass):
    """Probabilities of the positive label."""

    scores = Scores()

    def watched(self, truth: np.ndarray) -> list[int]:
        """Return the place of the positive label."""
        return [1]

    def examine(self, tested: Tested) -> Examined:
        """Return what is known of several labels, and the choice of the threshold."""
        curve = draw_thresholds(
            tested.chosen_by,
            (tested.target, tested.predicted, tested.weights),
            tested.recipe.decision,
            tested.threshold,
        )
        return replace(super().examine(tested), thresholds=curve)

    def rule(self, recipe: Recipe) -> str:
        """Return how the recipe's decision chooses the threshold."""
        return explain_decision(recipe.decision)

    def judge(self, confusion: np.ndarray, recipe: Recipe) -> tuple[str, float]:
        """Return what the recipe's decision is judged by, on the test rows."""
        return judge_decision(confusion, recipe.decision)

    def stored(self, threshold: float) -> float | None:
        """Return the threshold."""
        return threshold

    def confidence(self, target: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return whether the positive label is true, and its probability."""
        return target, predicted

    def threshold(self, model: Any) -> float | None:
        """Return the threshold of the decision that is part of the model."""
        return float(getattr(model, "threshold", HALF))
