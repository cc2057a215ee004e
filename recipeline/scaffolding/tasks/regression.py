"""Numbers in scaffolding."""

from __future__ import annotations

from typing import Any

from recipeline.scaffolding.column_look import Look
from recipeline.scaffolding.tasks.base import Preprocess, Task

#: A target of no more whole numbers than these may be one of classes.
_FEW = 20


class Regression(Task):
    """A target of numbers."""

    def fits(self, target: Look) -> bool:
        """Whether all values are numbers, and not two whole ones."""
        return target.found == "number" and not target.is_of_two_numbers

    def takes(self, target: Look) -> bool:
        """Whether all values are numbers."""
        return target.found == "number"

    def doubt(self, target: Look) -> str:
        """Return that few whole numbers may be the names of classes."""
        count = len(target.whole_numbers)
        if not 0 < count <= _FEW:
            return ""
        return f"{count} whole numbers, taken as amounts; if they are names of classes, draft it with --task multiclass"

    def column(self, target: Look) -> dict[str, Any]:
        """Return nothing: a column holds numbers unless it says otherwise."""
        return {}

    def candidates(self, preprocess: Preprocess) -> dict[str, dict[str, object]]:
        """Return a linear, a regularised, a tree, a forest and a boosting candidate."""
        return {
            "LinearRegression": {"alias": "lr", **preprocess.filled, "estimator": "sklearn.linear_model.LinearRegression"},
            "Ridge": {"alias": "ridge", **preprocess.scaled, "estimator": "sklearn.linear_model.RidgeCV"},
            "DecisionTree": {"alias": "dt", "estimator": "sklearn.tree.DecisionTreeRegressor", "params": {"max_depth": 6}},
            "RandomForest": {
                "alias": "rf",
                "estimator": "sklearn.ensemble.RandomForestRegressor",
                "params": {"n_estimators": 200, "min_samples_leaf": 2},
            },
            "HistGradientBoosting": {
                "alias": "hgb",
                "estimator": "sklearn.ensemble.HistGradientBoostingRegressor",
                "params": {"learning_rate": 0.05, "max_leaf_nodes": 15},
            },
        }
