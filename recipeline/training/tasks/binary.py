"""Two classes in training: classifiers with a threshold for the positive label."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import FixedThresholdClassifier

from recipeline.config.recipe import Recipe
from recipeline.data.target_codes import TargetCodes, is_predicted
from recipeline.training.decision import choose_threshold
from recipeline.training.tasks.multiclass import Multiclass


class Binary(Multiclass):
    """Classifiers that say the positive label from a probability on."""

    def threshold(self, model: BaseEstimator) -> float:
        """Return the threshold of the FixedThresholdClassifier that `decide` makes."""
        return float(model.threshold)

    def check_labels(self, model: BaseEstimator, rows: pd.DataFrame, predicted: np.ndarray, codes: TargetCodes) -> None:
        """Accept any: the threshold decides."""

    def decide(
        self,
        model: BaseEstimator,
        codes: TargetCodes,
        target: np.ndarray,
        out_of_fold: np.ndarray,
        recipe: Recipe,
        weights: np.ndarray | None,
    ) -> BaseEstimator:
        """Return a FixedThresholdClassifier of the fitted model.

        It says the same label wherever it is loaded. The threshold is chosen by out-of-fold predictions: those of training rows
        would be too sure.
        """
        known = is_predicted(out_of_fold)
        counted = None if weights is None else weights[known]
        threshold = choose_threshold(target[known], out_of_fold[known], recipe.decision, counted)
        decided = FixedThresholdClassifier(
            clone(model), threshold=threshold, pos_label=codes.labels[1], response_method="predict_proba"
        )
        decided.estimator_ = model
        if hasattr(model, "feature_names_in_"):
            decided.feature_names_in_ = model.feature_names_in_
        return decided
