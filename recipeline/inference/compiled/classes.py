"""Compiled forms of fitted classifiers: functions from an array to probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC, NuSVC
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from recipeline.inference import _compat
from recipeline.inference.columns import Columns
from recipeline.inference.compiled.form import Compiled, Operations, Predict, UnknownKindError, after
from recipeline.inference.compiled.kernels import compile_kernel
from recipeline.inference.compiled.linear import linear_form
from recipeline.inference.compiled.means import mean_of
from recipeline.inference.compiled.pipelines import check_width, compile_parts, is_projected
from recipeline.inference.compiled.trees import boosted_trees, forest, forest_of_classes, histogram_trees

_FORESTS = (RandomForestClassifier, ExtraTreesClassifier)

_TREES = (DecisionTreeClassifier, ExtraTreeClassifier)

_BOOSTED = (GradientBoostingClassifier, HistGradientBoostingClassifier)


def compile_classes(model: BaseEstimator, columns: Columns, width: int, place: int | None) -> Compiled:
    """Return a fitted classifier as a function of the `width` columns.

    Parameters
    ----------
    place : of two classes the one whose probability is answered, (rows,); None: all are, (rows, classes).

    Raises
    ------
    UnknownKindError : it, or a part of it, is of an unknown kind.
    """
    return _Classes(len(model.classes_), place).compile(model, columns, width, ())


@dataclass(frozen=True)
class _Classes:
    """The compilation of classifiers of so many classes."""

    count: int
    place: int | None

    def compile(self, model: BaseEstimator, columns: Columns | None, width: int, operations: Operations) -> Compiled:
        """Return the probabilities of `model` after `operations`."""
        if type(model) is FixedThresholdClassifier:
            return self.compile(model.estimator_, columns, width, operations)
        if len(model.classes_) != self.count or (self.place is not None) != (self.count == 2):
            raise UnknownKindError
        if type(model) is Pipeline:
            return compile_parts(model, columns, width, operations, self.compile)
        if type(model) is VotingClassifier and model.voting == "soft":
            return mean_of(model, [self.compile(it, columns, width, operations) for it in model.estimators_])
        if type(model) is CalibratedClassifierCV:
            return self._calibrated(model, columns, width, operations)
        if type(model) in (*_FORESTS, *_TREES):
            inside = _check_trees(model, columns, width, operations)
            trees = [it.tree_ for it in model.estimators_] if type(model) in _FORESTS else [model.tree_]
            found = forest_of_classes(trees, inside) if self.place is None else forest(trees, inside, self.place)
            return after(operations, found)
        return self._linked(model, self.score(model, columns, width, operations))

    def score(self, model: BaseEstimator, columns: Columns | None, width: int, operations: Operations) -> Compiled:
        """Return the values that `decision_function` returns: of two classes (rows,)."""
        if type(model) is Pipeline:
            return compile_parts(model, columns, width, operations, self.score)
        if type(model) in _BOOSTED:
            inside = _check_trees(model, columns, width, operations)
            make = _stages if type(model) is GradientBoostingClassifier else _histogram
            scores = [make(model, inside, place) for place in range(1 if self.count == 2 else self.count)]
            return after(operations, scores[0] if len(scores) == 1 else _side_by_side(scores))
        _check_numbers(columns)
        check_width(model, width, operations)
        if type(model) in (LogisticRegression, LogisticRegressionCV) and _is_softmax(model):
            coefficients = model.coef_[0] if self.count == 2 else model.coef_
            return linear_form(coefficients, model.intercept_, operations)
        if type(model) in (SVC, NuSVC) and self.count == 2:
            return compile_kernel(model, operations)
        raise UnknownKindError

    def _linked(self, model: BaseEstimator, scores: Compiled) -> Compiled:
        """Return scores as probabilities: the logistic function, or softmax."""
        if type(model) in (SVC, NuSVC):  # its probabilities are not those of its scores
            raise UnknownKindError
        ask = scores.predict
        if self.place is None:
            return replace(scores, predict=lambda rows: _softmax(ask(rows)), exact=False)
        return replace(scores, predict=lambda rows: self._told(expit(ask(rows))))

    def _calibrated(self, model: BaseEstimator, columns: Columns | None, width: int, operations: Operations) -> Compiled:
        """Return the mean of calibrated classifiers."""
        inside = _Classes(self.count, None if self.place is None else 1)
        members = []
        for one in model.calibrated_classifiers_:
            ask = inside.score if hasattr(one.estimator, "decision_function") else inside.compile
            if one.method not in ("sigmoid", "isotonic") or len(one.calibrators) != (self.count if self.place is None else 1):
                raise UnknownKindError
            members.append((ask(one.estimator, columns, width, operations), [*map(_calibration, one.calibrators)]))

        def predict(rows: np.ndarray) -> np.ndarray:
            first, *others = (self._told(_calibrate(scores.predict(rows), calibrators)) for scores, calibrators in members)
            mean: np.ndarray = sum(others, start=first) / len(members)  # in this order, as the model does
            return mean

        kinds = ", ".join(dict.fromkeys(scores.kind for scores, _ in members))
        is_light = all(scores.is_light for scores, _ in members)
        return Compiled(f"calibrated {kinds}", all(scores.exact for scores, _ in members), predict, is_light)

    def _told(self, positive: np.ndarray) -> np.ndarray:
        """Return the probability of the class at `place`, from that of the last of two."""
        return 1 - positive if self.place == 0 else positive


def _calibrate(scores: np.ndarray, calibrators: Sequence[Predict]) -> np.ndarray:
    """Return calibrated probabilities.

    For several classes they are divided by their sum.
    If that is 0, all classes have the same.
    """
    if scores.ndim == 1:
        return calibrators[0](scores)
    found = np.column_stack([calibrate(column) for calibrate, column in zip(calibrators, scores.T, strict=True)])
    total, alike = found.sum(axis=1, keepdims=True), np.full_like(found, 1 / found.shape[1])
    shares: np.ndarray = np.divide(found, total, out=alike, where=total != 0)
    return shares.clip(max=1)


def _softmax(scores: np.ndarray) -> np.ndarray:
    """Return exp(scores) divided by its sum over each row's classes."""
    powers: np.ndarray = np.exp(scores - scores.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def _check_numbers(columns: Columns | None) -> None:
    if columns and not columns.are_numbers:
        raise UnknownKindError


def _check_trees(model: BaseEstimator, columns: Columns | None, width: int, operations: Operations) -> int:
    """Return the number of columns of a model of trees.

    Raises
    ------
    UnknownKindError : it has several outputs, or is behind a projection.
    """
    _check_numbers(columns)
    if getattr(model, "n_outputs_", 1) != 1 or is_projected(operations):
        raise UnknownKindError
    return check_width(model, width, operations)


def _is_softmax(model: LogisticRegression) -> bool:
    """Whether a logistic regression is binary, or fitted to all classes at once."""
    how = getattr(model, "multi_class", "auto")  # gone in scikit-learn 1.8
    return how in ("auto", "deprecated") and (len(model.classes_) == 2 or model.solver != "liblinear")


def _stages(model: GradientBoostingClassifier, width: int, place: int) -> Compiled:
    is_constant = type(model.init_) is DummyClassifier or (isinstance(model.init_, str) and model.init_ == "zero")
    if model.loss != "log_loss" or not is_constant:
        raise UnknownKindError
    trees = [tree.tree_ for tree in model.estimators_[:, place]]
    return boosted_trees(trees, width, start=_compat.first_guess(model, width, place), scale=float(model.learning_rate))


def _histogram(model: HistGradientBoostingClassifier, width: int, place: int) -> Compiled:
    if model.loss != "log_loss":
        raise UnknownKindError
    return histogram_trees(model, width, place)


def _side_by_side(scores: Sequence[Compiled]) -> Compiled:
    """Return scores as columns, (rows, scores)."""
    asked = [it.predict for it in scores]
    is_light = all(it.is_light for it in scores)
    return replace(scores[0], predict=lambda rows: np.column_stack([ask(rows) for ask in asked]), is_light=is_light)


def _calibration(calibrator: BaseEstimator) -> Predict:
    """Return what a fitted calibrator makes of scores."""
    if type(calibrator) is IsotonicRegression and calibrator.out_of_bounds == "clip":
        xs, ys = np.asarray(calibrator.X_thresholds_, dtype=float), np.asarray(calibrator.y_thresholds_, dtype=float)
        return lambda scores: np.interp(scores, xs, ys)
    slope, offset = _compat.sigmoid(calibrator)
    return lambda scores: expit(-(slope * scores + offset))
