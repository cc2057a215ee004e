"""Several classes in training: classifiers that give probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import LabelEncoder

from recipeline.config.candidate import Candidate
from recipeline.config.recipe import Recipe
from recipeline.data.target_codes import TargetCodes
from recipeline.inference.asking import say
from recipeline.training.tasks.base import Task, hold_members

#: So many labels may differ from the likeliest ones, by rounding.
_MOST_OTHERS = 0.01

#: The folds that a calibration is fitted by.
CALIBRATION_FOLDS = 5


class Multiclass(Task):
    """Classifiers."""

    estimator_type = "classifier"
    method = "predict_proba"
    target_type = "auto"
    fix = "Set calibrate: sigmoid for it, which makes probabilities of its scores, or choose another estimator. "

    def complete(self, estimator: BaseEstimator, candidate: Candidate, seed: int) -> BaseEstimator:
        """Return the estimator, calibrated if the candidate says so."""
        if candidate.calibrate is None:
            return estimator
        folds = StratifiedKFold(CALIBRATION_FOLDS, shuffle=True, random_state=seed)
        return CalibratedClassifierCV(estimator, method=candidate.calibrate, cv=folds)

    def prepare(self, estimator: BaseEstimator, target: np.ndarray, transform: str | None) -> BaseEstimator:
        """Return the estimator: labels are not transformed."""
        return estimator

    def check_labels(self, model: BaseEstimator, rows: pd.DataFrame, predicted: np.ndarray, codes: TargetCodes) -> None:
        """Raise ValueError where labels do not follow from probabilities, as an SVC's own.

        `mlflow models serve` says the former, and the service the latter.
        """
        others = np.mean(model.predict(rows) != say(predicted, codes)) if len(rows) else 0.0
        if others > _MOST_OTHERS:
            raise ValueError(
                f"the labels that it says are not the likeliest ones of its own probabilities in {others:.0%} of the rows; "
                "set calibrate: sigmoid instead of its probability parameter"
            )

    def mean_of(self, members: Sequence[tuple[str, BaseEstimator]]) -> BaseEstimator:
        """Return a VotingClassifier of probabilities."""
        return VotingClassifier([*members], voting="soft")

    def assemble(self, fitted: Mapping[str, BaseEstimator]) -> BaseEstimator:
        """Return a VotingClassifier of the fitted estimators.

        They are fitted to the labels themselves, and not to their numbers: it only takes the mean of their probabilities.
        """
        ensemble = VotingClassifier([(member, clone(model)) for member, model in fitted.items()], voting="soft")
        ensemble.le_ = LabelEncoder().fit(next(iter(fitted.values())).classes_)
        ensemble.classes_ = ensemble.le_.classes_
        return hold_members(ensemble, fitted)

    def average(self, predictions: Iterable[np.ndarray]) -> np.ndarray:
        """Return the mean of probabilities as VotingClassifier computes it."""
        mean: np.ndarray = np.average(np.asarray([*predictions]), axis=0)
        return mean

    def decide(
        self,
        model: BaseEstimator,
        codes: TargetCodes,
        target: np.ndarray,
        out_of_fold: np.ndarray,
        recipe: Recipe,
        weights: np.ndarray | None,
    ) -> BaseEstimator:
        """Return the model, which says the likeliest label."""
        return model
