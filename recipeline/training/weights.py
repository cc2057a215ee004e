"""Fits with weights of rows, and the estimators that accept none."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.validation import has_fit_parameter

from recipeline.config.recipe import Recipe
from recipeline.errors import UsageError
from recipeline.training.inner_folds import deal_calibration, give_folds, take_folds


@dataclass(frozen=True)
class TrainingRows:
    """Features, target and weights of rows, in one order; no weights: all are equal.

    `groups` are those that folds inside of an estimator keep together; None: there are none.
    """

    features: pd.DataFrame
    target: np.ndarray
    weights: np.ndarray | None = None
    groups: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> TrainingRows:
        """Return copies of the rows at the positions `rows`."""
        weights, groups = (None if values is None else values[rows] for values in (self.weights, self.groups))
        return TrainingRows(self.features.iloc[rows], self.target[rows], weights, groups)

    def fit(self, model: BaseEstimator, rows: np.ndarray) -> BaseEstimator:
        """Return `model`, fitted to the rows at the positions `rows`."""
        learned = self.take(rows)
        return fit_weighted(model, learned.features, learned.target, learned.weights, learned.groups)


def fit_weighted(
    model: BaseEstimator,
    features: pd.DataFrame,
    target: np.ndarray,
    weights: np.ndarray | None,
    groups: np.ndarray | None = None,
) -> BaseEstimator:
    """Return `model`, fitted with `weights` of the rows, of shape (rows,) and above 0.

    They are divided by their mean: in another unit they make the same model, also where an estimator weighs them against a
    penalty. In a Pipeline they go to the last step, in a mean of models to each member, in a calibration to both parts. Folds
    inside of the model keep `groups` of the rows together (`recipeline.training.inner_folds`).
    """
    if weights is None and groups is None:
        return model.fit(features, target)
    # A mean of one is there to number the labels, which its own fit does.
    if isinstance(model, VotingRegressor | VotingClassifier) and len(model.estimators) > 1:
        model.estimators_ = [fit_weighted(clone(member), features, target, weights, groups) for _, member in model.estimators]
        model.feature_names_in_ = np.asarray(features.columns, dtype=object)
        if isinstance(model, VotingClassifier):
            model.le_ = LabelEncoder().fit(target)
            model.classes_ = model.le_.classes_
        return model
    if isinstance(model, FixedThresholdClassifier):
        model.estimator_ = fit_weighted(clone(model.estimator), features, target, weights, groups)
        return model
    is_own = isinstance(model, CalibratedClassifierCV) and isinstance(model.cv, StratifiedKFold)  # as `calibrate` makes it
    if is_own and (groups is not None or isinstance(model.estimator, Pipeline)):
        return _fit_calibrated(model, TrainingRows(features, target, weights, groups))
    is_given = groups is not None and give_folds(model, groups)
    try:
        return model.fit(features, target, **({} if weights is None else _as_parameter(model, weights / weights.mean())))
    finally:
        if is_given:
            take_folds(model)


def _fit_calibrated(model: CalibratedClassifierCV, rows: TrainingRows) -> CalibratedClassifierCV:
    """Return `model` as its `fit` would leave it, with all weights and groups.

    scikit-learn gives no weights to a Pipeline inside of a calibration.
    """
    if np.unique(rows.target, return_counts=True)[1].min() < model.cv.n_splits:
        return model.fit(rows.features, rows.target)  # which says that there are too few rows of a label
    found = []
    for seen, unseen in deal_calibration(model.cv, rows.groups, rows.target):
        fitted, held = rows.fit(clone(model.estimator), seen), rows.take(unseen)
        every = np.arange(len(unseen))  # one fold: five of few rows would be too many
        one = CalibratedClassifierCV(FrozenEstimator(fitted), method=model.method, cv=[(every, every)], ensemble=True)
        with warnings.catch_warnings():  # it is fitted, with its weights
            warnings.filterwarnings("ignore", "Since FrozenEstimator does not appear to accept sample_weight")
            (calibrated,) = fit_weighted(one, held.features, held.target, held.weights).calibrated_classifiers_
        calibrated.estimator = fitted
        found.append(calibrated)
    model.calibrated_classifiers_, model.classes_ = found, np.unique(rows.target)
    model.n_features_in_ = rows.features.shape[1]
    model.feature_names_in_ = np.asarray(rows.features.columns, dtype=object)
    return model


def _as_parameter(model: BaseEstimator, weights: np.ndarray) -> dict[str, np.ndarray]:
    if isinstance(model, Pipeline):
        name, last = model.steps[-1]
        return {f"{name}__{key}": value for key, value in _as_parameter(last, weights).items()}
    if isinstance(model, TransformedTargetRegressor):
        return _as_parameter(model.regressor, weights)
    return {"sample_weight": weights}


def takes_weights(model: Any) -> bool:
    """Whether `fit` accepts weights of rows.

    In a Pipeline the last step decides; in a mean all members must accept them.
    """
    if isinstance(model, Pipeline):
        return takes_weights(model.steps[-1][1])
    if isinstance(model, TransformedTargetRegressor):
        return takes_weights(model.regressor)
    if isinstance(model, FixedThresholdClassifier | CalibratedClassifierCV):
        return takes_weights(model.estimator)
    if isinstance(model, VotingRegressor | VotingClassifier):
        return all(takes_weights(member) for _, member in model.estimators)
    return bool(has_fit_parameter(model, "sample_weight"))


def check_weights(recipe: Recipe, name: str, estimator: BaseEstimator) -> None:
    """Raise UsageError if the recipe has weights and the candidate accepts none."""
    if recipe.weight is not None and not takes_weights(estimator):
        raise UsageError(
            f"{recipe.at(f'candidates.{name}')} must accept weights of rows: columns.{recipe.weight}.role is weight.",
            got=f"'{recipe.candidates[name].estimator}', which does not",
            fix="Choose another estimator, or give the column another role.",
        )
