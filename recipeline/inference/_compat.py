"""Private parts of scikit-learn that this library uses, all of them; each was seen in scikit-learn 1.6 to 1.9.

They may change with any release of scikit-learn: `tests/inference/test_compat.py` tries each. Where one is gone, a model that
needs it is asked by scikit-learn itself, and a parameter is checked when the candidate is fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.svm import SVR

__all__ = [
    "LinearModel",
    "Tree",
    "histogram_baseline",
    "histogram_nodes",
    "kernel_gamma",
    "parameter_rules",
    "predict_histogram_tree",
    "predict_stages",
    "validate_parameters",
    "was_fitted_to_sparse_rows",
]

try:
    from sklearn.ensemble._gradient_boosting import predict_stages
    from sklearn.tree._tree import Tree
except ImportError:
    predict_stages = Tree = None

try:
    from sklearn.ensemble._hist_gradient_boosting._predictor import _predict_from_raw_data as predict_histogram_tree
except ImportError:
    predict_histogram_tree = None

try:
    from sklearn.linear_model._base import LinearModel
except ImportError:
    LinearModel = ()  # nothing is an instance of it

try:
    from sklearn.utils._param_validation import validate_parameter_constraints as validate_parameters
except ImportError:
    validate_parameters = None


def histogram_nodes(model: HistGradientBoostingRegressor) -> list[np.ndarray]:
    """Return the nodes of each tree of a fitted model with one output. Raises ValueError where it has several."""
    return [tree.nodes for (tree,) in model._predictors]


def histogram_baseline(model: HistGradientBoostingRegressor) -> float:
    """Return the value that the trees of a fitted model are added to."""
    return float(model._baseline_prediction.reshape(()))


def was_fitted_to_sparse_rows(model: SVR) -> bool:
    """Whether a fitted support vector machine keeps its vectors as a sparse matrix."""
    return bool(model._sparse)


def kernel_gamma(model: SVR) -> float:
    """Return gamma as it was found when the model was fitted: a number, also where the parameter is "scale"."""
    return float(model._gamma)


def parameter_rules(estimator: BaseEstimator) -> Mapping[str, Any] | None:
    """Return the rules that `fit` holds the estimator's parameters against; None where it has none."""
    rules = getattr(estimator, "_parameter_constraints", None)
    return rules if isinstance(rules, dict) and not isinstance(estimator, type) else None
