"""Recipes and tables of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from tests.conftest import Project, as_recipe, small_recipe

#: The type of a target's column, its labels, and the positive one where there are two, by task.
TARGETS: dict[str, list[tuple[dict[str, Any], list[Any], Any]]] = {
    "binary": [
        ({"type": "category"}, ["bad", "good"], "good"),
        ({"type": "category"}, ["bad", "good"], "bad"),
        ({"type": "boolean"}, [0.0, 1.0], None),
        ({"type": "integer"}, [0, 1], None),
        ({"type": "integer"}, [1, 2], 1),
    ],
    "multiclass": [
        ({"type": "category"}, ["a", "b", "c"], None),
        ({"type": "integer"}, [3, 5, 7, 9], None),
    ],
}


def class_content(task: str, column: dict[str, Any], positive: Any = None, **more: Any) -> dict[str, Any]:
    """Return a recipe of classes with the features x and z, and the target y."""
    target = "y" if positive is None else {"column": "y", "positive": positive}
    content = small_recipe() | {
        "task": task,
        "target": target,
        "columns": {"x": {}, "z": {}, "y": column},
        "candidates": {
            "Logistic": {"alias": "lr", "estimator": "sklearn.linear_model.LogisticRegression"},
            "Tree": {"alias": "dt", "estimator": "sklearn.tree.DecisionTreeClassifier", "params": {"max_depth": 3}},
            "Mean": {"alias": "mean", "members": ["Logistic", "Tree"]},
        },
        "gates": {"validation_criteria": [{"metric": "brier_skill", "threshold": 0.0}]},
        "promotion": {},
        "monitoring": {},
        "metrics": {"bootstrap_draws": 100},
    }
    return content | more


def class_recipe(task: str, column: dict[str, Any], positive: Any = None, **more: Any) -> Recipe:
    """Return a recipe of classes with the features x and z, and the target y."""
    return as_recipe(class_content(task, column, positive, **more))


def turn_into_classes(project: Project, task: str, **columns: Any) -> None:
    """Give a project rows and a recipe of classes; `columns` are changed ones.

    Its candidates are lr, dt and en.
    """
    column, labels, positive = TARGETS[task][0]
    content = class_content(task, column, positive)
    content["candidates"].pop("Mean")
    content["columns"] |= columns
    content["candidates"]["Bayes"] = {"alias": "en", "estimator": "sklearn.naive_bayes.GaussianNB"}
    draw_classes(labels, rows=300).to_csv(project.data, index=False, sep=";")
    project.write_recipe(lambda it: (it.clear(), it.update(content)))


def draw_classes(labels: list[Any], rows: int = 120, seed: int = 0) -> pd.DataFrame:
    """Return rows of which x tells the label, up to noise."""
    rng = np.random.default_rng(seed)
    place = rng.integers(len(labels), size=rows)
    place[: len(labels)] = np.arange(len(labels))
    return pd.DataFrame(
        {"x": place + rng.normal(0, 0.6, rows), "z": rng.normal(size=rows), "y": pd.Series(np.array(labels)[place])}
    )
