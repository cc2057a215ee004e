"""Private parts of scikit-learn that the library relies on (1.6 to 1.9).

They may change with any release of scikit-learn: `tests/inference/test_compat.py` tries each. Where one is missing, a model
that needs it is called through scikit-learn itself, and a parameter is checked when the candidate is fitted.

A part is imported on first use, so that the names of types are available at once.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.svm import SVR

#: Types that skops does not trust by itself, by their private places, and that most tree models are made of.
TREES = (
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)

_DISTANCES = (
    *(
        "BrayCurtis",
        "Canberra",
        "Chebyshev",
        "Dice",
        "Euclidean",
        "Hamming",
        "Haversine",
        "Jaccard",
        "Kulsinski",
        "Mahalanobis",
    ),
    *("Manhattan", "Matching", "Minkowski", "RogersTanimoto", "RussellRao", "SEuclidean", "SokalMichener", "SokalSneath"),
)

#: By module, what else scikit-learn's estimators and transformers are made of and skops does not trust by itself. Each was
#: read: it computes with numbers, and neither opens files nor connections, nor calls anything that is not listed too. It is a
#: list of names, not of packages: scikit-learn, numpy and scipy have functions that do both.
_PARTS: dict[str, tuple[str, ...]] = {
    # Arrays of nodes and indices, that are followed without a look at their limits: a crafted one can end the process. That
    # is what digests are compared for before a file is read.
    "sklearn.neighbors._ball_tree": ("BallTree",),
    "sklearn.neighbors._kd_tree": ("KDTree",),
    "sklearn.metrics._dist_metrics": tuple(f"{name}Distance{bits}" for name in _DISTANCES for bits in (32, 64)),
    # Plain holders of parameters and of fitted parts.
    "numpy": ("asarray", "diff", "dtype", "interp", "mean", "median"),
    "scipy.interpolate._bsplines": ("BSpline", "_BSpline"),
    "scipy.sparse._csc": ("csc_array", "csc_matrix"),
    "scipy.sparse._csr": ("csr_array", "csr_matrix"),
    "sklearn._loss.loss": ("HalfTweedieLoss", "HalfTweedieLossIdentity"),
    "sklearn.calibration": ("_CalibratedClassifier", "_SigmoidCalibration"),
    "sklearn.cluster._bisect_k_means": ("_BisectingTree",),
    "sklearn.compose._column_transformer": ("make_column_selector",),
    "sklearn.gaussian_process._gpc": ("_BinaryGaussianProcessClassifierLaplace",),
    "sklearn.gaussian_process.kernels": (
        *("CompoundKernel", "ConstantKernel", "DotProduct", "ExpSineSquared", "Exponentiation", "Matern", "PairwiseKernel"),
        *("Product", "RBF", "RationalQuadratic", "Sum", "WhiteKernel"),
    ),
    "sklearn.impute._iterative": ("IterativeImputer", "_ImputerTriplet"),
    "sklearn.model_selection._search_successive_halving": ("HalvingGridSearchCV", "HalvingRandomSearchCV"),
    "sklearn.model_selection._split": (
        *("GroupKFold", "GroupShuffleSplit", "KFold", "LeaveOneGroupOut", "LeaveOneOut", "LeavePGroupsOut", "LeavePOut"),
        *("PredefinedSplit", "RepeatedKFold", "RepeatedStratifiedKFold", "ShuffleSplit", "StratifiedGroupKFold"),
        *("StratifiedKFold", "StratifiedShuffleSplit", "TimeSeriesSplit"),
    ),
    "sklearn.neural_network._stochastic_optimizers": ("AdamOptimizer", "SGDOptimizer"),
    "sklearn.utils._bunch": ("Bunch",),
    # Functions of arrays, and what calls them: all that a partial, a scorer or a selector can hold is on this list too.
    "functools": ("partial",),
    "scipy._external.array_api_compat.numpy._aliases": ("asarray",),
    "scipy._lib.array_api_compat.numpy._aliases": ("asarray",),
    "sklearn.cluster._kmeans": ("_kmeans_single_elkan", "_kmeans_single_lloyd"),
    "sklearn.feature_selection._mutual_info": ("mutual_info_regression",),
    "sklearn.feature_selection._univariate_selection": ("chi2", "f_classif", "f_regression", "r_regression"),
    "sklearn.metrics._regression": (
        *("d2_absolute_error_score", "d2_pinball_score", "d2_tweedie_score", "explained_variance_score", "max_error"),
        *("mean_absolute_error", "mean_absolute_percentage_error", "mean_gamma_deviance", "mean_pinball_loss"),
        *("mean_poisson_deviance", "mean_squared_error", "mean_squared_log_error", "mean_tweedie_deviance"),
        *("median_absolute_error", "r2_score", "root_mean_squared_error", "root_mean_squared_log_error"),
    ),
    "sklearn.metrics._scorer": ("_PassthroughScorer", "_Scorer"),
    "sklearn.utils.validation": ("check_array",),
}

#: Names that some of the locked versions have, and why: each of them is the same thing under another name in the others.
ONLY_IN_SOME = {
    "scipy.interpolate._bsplines._BSpline": "scipy 1.18: what BSpline hands over to",
    "scipy._external.array_api_compat.numpy._aliases.asarray": "scipy 1.18",
    "scipy._lib.array_api_compat.numpy._aliases.asarray": "scipy up to 1.17",
}

#: All types that a saved model may be made of, besides those that skops trusts by itself.
TRUSTED = frozenset(TREES) | {f"{module}.{name}" for module, names in _PARTS.items() for name in names}

#: How scikit-learn refuses a parameter's value.
REFUSAL = re.compile(r"The '(?P<param>\w+)' parameter of \w+ (?P<rule>must .+)\. Got (?P<got>.+) instead\.", re.DOTALL)

_PLACES = {
    #: Adds the answers of boosted trees to an array, tree by tree.
    "predict_stages": ("sklearn.ensemble._gradient_boosting", "predict_stages", None),
    #: The type of `tree_` of a fitted tree.
    "Tree": ("sklearn.tree._tree", "Tree", None),
    #: Writes the answers of one tree of a HistGradientBoostingRegressor into an array.
    "predict_histogram_tree": ("sklearn.ensemble._hist_gradient_boosting._predictor", "_predict_from_raw_data", None),
    #: The base class of all linear models; if it is gone, nothing is an instance of it.
    "LinearModel": ("sklearn.linear_model._base", "LinearModel", ()),
    #: Holds parameters against rules; raises ValueError.
    "validate_parameters": ("sklearn.utils._param_validation", "validate_parameter_constraints", None),
}


#: What a walk through scikit-learn's packages imports where Dask is installed, and with it all of Dask.
_DASK_ARRAYS = "sklearn.externals.array_api_compat.dask"


def import_skops() -> Any:
    """Return the module `skops.io`, imported without Dask.

    It looks for estimators in all packages of scikit-learn and passes over one that cannot be imported, as that of Dask's
    arrays, which has none: a fifth of a second where Dask is installed.
    """
    absent = "skops.io" not in sys.modules and _DASK_ARRAYS not in sys.modules
    if absent:
        sys.modules[_DASK_ARRAYS] = None  # type: ignore[assignment]
    try:
        return import_module("skops.io")
    finally:
        if absent:
            sys.modules.pop(_DASK_ARRAYS, None)


def __getattr__(name: str) -> Any:
    """Import one of `_PLACES`; where it is gone, give what stands for that."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute, without = _PLACES[name]
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError):
        found = without
    globals()[name] = found
    return found


@dataclass(frozen=True)
class Fields:
    """The field names of a tree's array of nodes."""

    left: str
    right: str
    feature: str
    threshold: str


TREE = Fields("left_child", "right_child", "feature", "threshold")

#: The nodes' fields of a HistGradientBoostingRegressor.
HISTOGRAM = Fields("left", "right", "feature_idx", "num_threshold")

#: Its nodes also say whether they are a leaf, whether they split by categories, and what they answer.
IS_LEAF, IS_CATEGORICAL, VALUE = "is_leaf", "is_categorical", "value"


@dataclass(slots=True)
class Stage:
    """The part of an estimator that `predict_stages` uses."""

    tree_: Any


def tree_parts(tree: Any) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the nodes, the values (nodes, outputs, 1) and the depth of a tree.

    `tree` is a fitted `tree_`; nodes have the fields `TREE`.
    """
    state = tree.__getstate__()
    return state["nodes"], state["values"], int(state["max_depth"])


def make_tree(width: int, nodes: np.ndarray, values: np.ndarray, depth: int) -> Any:
    """Return a tree over `width` columns with one output from nodes and values.

    Values have shape (nodes,).
    """
    made = sys.modules[__name__].Tree(width, np.array([1], dtype=np.intp), 1)
    made.__setstate__({"max_depth": depth, "node_count": len(nodes), "nodes": nodes, "values": values.reshape(-1, 1, 1)})
    return made


def histogram_nodes(model: BaseEstimator, place: int = 0) -> list[np.ndarray]:
    """Return the nodes of each tree of an output of a fitted histogram model."""
    return [trees[place].nodes for trees in model._predictors]


def histogram_baseline(model: BaseEstimator, place: int = 0) -> float:
    """Return the value that the trees of an output of a fitted model are added to."""
    return float(model._baseline_prediction.reshape(-1)[place])


def first_guess(model: GradientBoostingClassifier, width: int, place: int) -> float:
    """Return the value that the trees of an output of a fitted model are added to."""
    return float(model._raw_predict_init(np.zeros((1, width)))[0, place])


def sigmoid(calibrator: BaseEstimator) -> tuple[float, float]:
    """Return slope and offset of a fitted sigmoid calibrator."""
    return float(calibrator.a_), float(calibrator.b_)


def was_fitted_to_sparse_rows(model: SVR) -> bool:
    """Whether a fitted support vector machine keeps its vectors as a sparse matrix."""
    return bool(model._sparse)


def kernel_gamma(model: SVR) -> float:
    """Return the fitted gamma as a number, also for the parameter "scale"."""
    return float(model._gamma)


def parameter_rules(estimator: BaseEstimator) -> Mapping[str, Any] | None:
    """Return the rules of the estimator's parameters that `fit` checks, or None."""
    rules = getattr(estimator, "_parameter_constraints", None)
    return rules if isinstance(rules, dict) and not isinstance(estimator, type) else None
