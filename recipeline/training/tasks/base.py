"""The interface of a task in training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from recipeline.config.candidate import Candidate
from recipeline.config.recipe import Recipe
from recipeline.data.target_codes import TargetCodes


class Task(ABC):
    """A task as far as estimators are concerned."""

    #: The kind of estimator that scikit-learn's tags name, and the method that it must have, with a fix where it has not.
    estimator_type: str
    method: str
    fix = ""
    #: The type of its targets, in the words of scikit-learn's TargetEncoder.
    target_type: str

    def simple(self) -> BaseEstimator | None:
        """Return a simple model to compare a first version with; None: there is none."""
        return None

    @abstractmethod
    def complete(self, estimator: BaseEstimator, candidate: Candidate, seed: int) -> BaseEstimator:
        """Return an unfitted estimator with the candidate's settings for its task."""

    @abstractmethod
    def prepare(self, estimator: BaseEstimator, target: np.ndarray, transform: str | None) -> BaseEstimator:
        """Return an unfitted estimator as it is fitted to `target`."""

    @abstractmethod
    def check_labels(self, model: BaseEstimator, rows: pd.DataFrame, predicted: np.ndarray, codes: TargetCodes) -> None:
        """Raise ValueError where a model says other labels than its predictions."""

    @abstractmethod
    def mean_of(self, members: Sequence[tuple[str, BaseEstimator]]) -> BaseEstimator:
        """Return the unfitted mean of several estimators."""

    @abstractmethod
    def assemble(self, fitted: Mapping[str, BaseEstimator]) -> BaseEstimator:
        """Return the mean of fitted estimators, without fitting them again."""

    @abstractmethod
    def average(self, predictions: Iterable[np.ndarray]) -> np.ndarray:
        """Return the mean of predictions, equal to that of `mean_of`."""

    def threshold(self, model: BaseEstimator) -> float:
        """Return the probability from which on a decided model says the positive label."""
        return 0.5

    @abstractmethod
    def decide(
        self,
        model: BaseEstimator,
        codes: TargetCodes,
        target: np.ndarray,
        out_of_fold: np.ndarray,
        recipe: Recipe,
        weights: np.ndarray | None,
    ) -> BaseEstimator:
        """Return a fitted model that says what the recipe's decision wants.

        `target` and `out_of_fold` are codes and predictions of the training rows; a row without a prediction is NaN.
        """


def hold_members(ensemble: BaseEstimator, fitted: Mapping[str, BaseEstimator]) -> BaseEstimator:
    """Return a voting estimator with members that are fitted already.

    It has what its `fit` would set, but for `named_estimators_`: skops would write every member a second time.
    """
    ensemble.estimators_ = [*fitted.values()]
    if hasattr(ensemble.estimators_[0], "feature_names_in_"):
        ensemble.feature_names_in_ = ensemble.estimators_[0].feature_names_in_
    return ensemble
