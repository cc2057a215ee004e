"""Several classes in scaffolding."""

from __future__ import annotations

from typing import Any

from recipeline.scaffolding.column_look import Look
from recipeline.scaffolding.tasks.base import Preprocess, Task


class Multiclass(Task):
    """A target of several categories."""

    def fits(self, target: Look) -> bool:
        """Whether all values are categories, of which there are several."""
        return target.found == "category" and len(target.values) > 2

    def takes(self, target: Look) -> bool:
        """Whether there are several categories or whole numbers."""
        return (target.found == "category" and len(target.values) > 1) or len(target.whole_numbers) > 1

    def column(self, target: Look) -> dict[str, Any]:
        """Return the type: the labels are those of the training rows."""
        return {"type": "integer" if target.found == "number" else target.found}

    def candidates(self, preprocess: Preprocess) -> dict[str, dict[str, object]]:
        """Return a linear, a tree, a forest and a boosting candidate."""
        return {
            "LogisticRegression": {
                "alias": "lr",
                **preprocess.scaled,
                "estimator": "sklearn.linear_model.LogisticRegression",
                "params": {"max_iter": 1000},
            },
            "DecisionTree": {
                "alias": "dt",
                "estimator": "sklearn.tree.DecisionTreeClassifier",
                "params": {"max_depth": 6, "min_samples_leaf": 5},
            },
            "RandomForest": {
                "alias": "rf",
                "estimator": "sklearn.ensemble.RandomForestClassifier",
                "params": {"n_estimators": 200, "min_samples_leaf": 2},
            },
            "HistGradientBoosting": {
                "alias": "hgb",
                "estimator": "sklearn.ensemble.HistGradientBoostingClassifier",
                "params": {"learning_rate": 0.05, "max_leaf_nodes": 15},
            },
        }
