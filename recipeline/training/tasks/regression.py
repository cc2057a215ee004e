"""Regression in training: regressors, and transforms of the target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor, RandomForestRegressor, VotingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from recipeline.config.candidate import Candidate
from recipeline.config.recipe import Recipe
from recipeline.data.target_codes import TargetCodes
from recipeline.training.tasks.base import Task, hold_members

_TREES = (DecisionTreeRegressor, RandomForestRegressor, ExtraTreesRegressor, GradientBoostingRegressor)
# Beyond, sums of squares lose the digits that splits are compared by, or variances come near the least that a tree splits.
_FARTHEST, _LEAST = 1e4, 1e-4

#: How a target is changed for a fit, and a prediction back.
TRANSFORMS = {"log1p": (np.log1p, np.expm1), "log": (np.log, np.exp), "sqrt": (np.sqrt, np.square)}


class Regression(Task):
    """Regressors."""

    estimator_type = "regressor"
    method = "predict"
    target_type = "continuous"

    def simple(self) -> BaseEstimator | None:
        """Return a LinearRegression."""
        return LinearRegression()

    def complete(self, estimator: BaseEstimator, candidate: Candidate, seed: int) -> BaseEstimator:
        """Return the estimator as it is."""
        return estimator

    def prepare(self, estimator: BaseEstimator, target: np.ndarray, transform: str | None) -> BaseEstimator:
        """Return `estimator`, or one fitted on a transform of the target.

        The transform is the recipe's or one that the estimator needs (`standardise_target` has its reasons). Predictions are
        always of the target itself.
        """
        if transform is None:
            return standardise_target(estimator, target)
        function, inverse = TRANSFORMS[transform]
        inside = standardise_target(estimator, function(target))
        return TransformedTargetRegressor(inside, func=function, inverse_func=inverse, check_inverse=False)

    def check_labels(self, model: BaseEstimator, rows: pd.DataFrame, predicted: np.ndarray, codes: TargetCodes) -> None:
        """Accept any: a number is what is said."""

    def mean_of(self, members: Sequence[tuple[str, BaseEstimator]]) -> BaseEstimator:
        """Return a VotingRegressor."""
        return VotingRegressor([*members])

    def assemble(self, fitted: Mapping[str, BaseEstimator]) -> BaseEstimator:
        """Return a VotingRegressor as its `fit` would leave it."""
        return hold_members(VotingRegressor([(member, clone(model)) for member, model in fitted.items()]), fitted)

    def average(self, predictions: Iterable[np.ndarray]) -> np.ndarray:
        """Return the mean as VotingRegressor computes it."""
        mean: np.ndarray = np.asarray([*predictions]).T.mean(axis=1)
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
        """Return the model: a number needs no decision."""
        return model


def standardise_target(estimator: BaseEstimator, target: np.ndarray) -> BaseEstimator:
    """Return `estimator`, or one that fits a standardised target where it must.

    A tree's answers move and scale with its target. scikit-learn computes them by sums of squares about 0, and splits no node
    of a variance below 2e-16: far from 0, or in a small unit, it finds no split. There, trees and ensembles of trees are
    fitted to the target in standard deviations from its mean. Every other estimator is left as it is, and so is a tree with
    a parameter in the target's unit: its answers would change.
    """
    final = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    deviation = float(np.std(target))
    if deviation >= _LEAST and abs(np.mean(target)) <= _FARTHEST * deviation:
        return estimator
    if not isinstance(final, _TREES) or final.criterion == "poisson" or final.ccp_alpha or final.min_impurity_decrease:
        return estimator
    return TransformedTargetRegressor(estimator, transformer=StandardScaler(), check_inverse=False)
