"""The threshold of a decision between two labels, from out-of-fold predictions."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import FixedThresholdClassifier

from recipeline.config.rules import Decision
from recipeline.metrics.catalogue import find_metric
from recipeline.metrics.classification import score_confusion
from recipeline.metrics.curves import Curve, count_by_threshold
from recipeline.metrics.two_labels import HALF


def choose_threshold(target: np.ndarray, predicted: np.ndarray, decision: Decision, weights: np.ndarray | None = None) -> float:
    """Return the probability from which on the positive label is said.

    With costs it is the one of least cost (Elkan 2001: fp / (fp + fn) for true probabilities), with a metric that of its
    greatest value, with a recall the greatest that reaches it. Among equally good ones it is the one nearest to 0.5. It lies
    halfway between two predictions, so that a row's rounding decides nothing. Without a positive row no recall is known: 0.5.

    Parameters
    ----------
    target : (rows,), 1 for the positive label and 0 for the other. predicted : (rows,), probabilities without NaN.
    weights : (rows,); None: all rows count the same.
    """
    if decision.threshold is not None:
        return decision.threshold
    curve = count_by_threshold(target, predicted, weights)
    if decision.cost is not None:
        return _best(curve, -(decision.cost.fp * curve.false_positives + decision.cost.fn * curve.false_negatives))
    if decision.metric is not None:
        return _best(curve, _values(curve, decision.metric))
    if decision.recall is not None and curve.true_positives[0] > 0:
        return float(curve.thresholds[curve.recall >= decision.recall - 1e-12].max())
    return 0.5


def measure_decision(curve: Curve, decision: Decision) -> tuple[str, np.ndarray]:
    """Return the measure that judges a decision, with its value at each threshold.

    It is the cost per row, the metric, or the recall that the recipe names, else F1.
    """
    if decision.cost is not None:
        rows = curve.true_positives + curve.false_positives + curve.false_negatives + curve.true_negatives
        return "cost per row", (decision.cost.fp * curve.false_positives + decision.cost.fn * curve.false_negatives) / rows
    if decision.recall is not None:
        return "recall", curve.recall
    metric = decision.metric or "f1"
    return find_metric("binary", metric).label, _values(curve, metric)


def judge_decision(confusion: np.ndarray, decision: Decision) -> tuple[str, float]:
    """Return what `measure_decision` does for one threshold, from its confusion.

    `confusion` has the numbers of rows, (2, 2), those of a true label in a row, the positive one last. A recall of no
    row is NaN.
    """
    (true_negatives, false_positives), (false_negatives, true_positives) = confusion[:, :, None].astype(float)
    one = Curve(np.zeros(1), true_positives, false_positives, false_negatives, true_negatives)
    with np.errstate(invalid="ignore"):
        name, values = measure_decision(one, decision)
    return name, float(values[0])


def explain_decision(decision: Decision) -> str:
    """Return how a threshold is chosen, after the words "the threshold is"."""
    if decision.threshold is not None:
        return "stated in the recipe"
    if decision.cost is not None:
        return f"the one of least cost out of fold (fp {decision.cost.fp:g}, fn {decision.cost.fn:g})"
    if decision.metric is not None:
        return f"the one of greatest {find_metric('binary', decision.metric).label} out of fold"
    if decision.recall is not None:
        return f"the greatest with a recall of at least {decision.recall:g} out of fold"
    return "that of the likelier label"


def _values(curve: Curve, metric: str) -> np.ndarray:
    cells = np.column_stack([curve.true_negatives, curve.false_positives, curve.false_negatives, curve.true_positives])
    found = score_confusion(cells, 2)
    if metric not in found:
        raise KeyError(metric)
    values: np.ndarray = np.nan_to_num(found[metric], nan=-np.inf)
    return values


def _best(curve: Curve, values: np.ndarray) -> float:
    best = np.flatnonzero(values >= values.max() - 1e-12 * max(1.0, abs(float(values.max()))))
    return float(min(curve.thresholds[best], key=lambda it: (abs(it - HALF), it)))


def find_changed_threshold(model: BaseEstimator, other: BaseEstimator) -> tuple[float, float] | None:
    """Return the thresholds of two fitted models, if nothing else of them differs.

    None if their estimators differ too, or neither has a threshold.
    """
    if not (isinstance(model, FixedThresholdClassifier) and isinstance(other, FixedThresholdClassifier)):
        return None
    is_same = model.threshold == other.threshold or model.pos_label != other.pos_label
    if is_same or repr(clone(model.estimator)) != repr(clone(other.estimator)):
        return None
    return float(model.threshold), float(other.threshold)
