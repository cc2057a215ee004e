from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import f1_score, r2_score

from recipeline.config.recipe import Recipe
from recipeline.data.splits import cv_folds
from recipeline.engine.local import LocalWorkers
from recipeline.evaluation.nested import estimate_nested
from recipeline.training.cross_validation import Result, compare_candidates, rank
from tests.classes import class_recipe, draw_classes
from tests.conftest import as_recipe, small_recipe

WORKERS = LocalWorkers(1)


def choose(recipe: Recipe, names: list[str], rows: pd.DataFrame) -> Result:
    """Return the best of the candidates by the folds of some rows."""
    fits = compare_candidates(recipe, names, rows, "grouped", WORKERS)
    return rank([result for _, complete in fits for result in complete])[0]


def test_each_fold_is_scored_by_the_candidate_that_is_the_best_without_it() -> None:
    """Two candidates that see one column each: the better one depends on the rows."""
    content = small_recipe() | {"target": "y", "columns": {"a": {}, "b": {}, "y": {}}}
    pick = {"estimator": "sklearn.compose.ColumnTransformer"}
    content["candidates"] = {
        name: {
            "alias": name.lower(),
            "preprocess": [pick | {"params": {"transformers": [["kept", "passthrough", [column]]]}}],
            "estimator": "sklearn.linear_model.LinearRegression",
        }
        for name, column in (("A", "a"), ("B", "b"))
    }
    recipe = as_recipe(content)
    rng = np.random.default_rng(3)
    table = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"])
    table = table.assign(y=table["a"] + table["b"] + rng.normal(size=60))
    told: list[tuple[int, int]] = []
    found = estimate_nested(
        *(recipe, ["A", "B"], table, "grouped", WORKERS),
        selected=0.4,
        advance=lambda _, done, total: told.append((done, total)),
    )
    for score, chosen, (seen, unseen) in zip(found.folds, found.chosen, cv_folds(table, recipe, "grouped"), strict=True):
        assert chosen == choose(recipe, ["A", "B"], table.iloc[seen]).name
        column = [chosen.lower()]
        model = LinearRegression().fit(table[column].iloc[seen], table["y"].iloc[seen])
        assert score == pytest.approx(r2_score(table["y"].iloc[unseen], model.predict(table[column].iloc[unseen])))
    assert set(found.chosen) == {"A", "B"}
    assert found.mean == pytest.approx(np.mean(found.folds))
    assert (found.metric, found.selected) == ("R2", 0.4)
    assert told[-1] == (24, 24)
    assert len(told) == 24


def test_the_estimate_is_of_the_metric_that_ranks_the_candidates() -> None:
    recipe = class_recipe("binary", {"type": "category"}, "good", primary_metric="f1", decision={"metric": "f1"})
    train = draw_classes(["bad", "good"], rows=80)
    found = estimate_nested(recipe, ["Logistic", "Tree"], train, "grouped", WORKERS, selected=0.9)
    assert found.metric == "F1"
    [(seen, unseen), *_] = cv_folds(train, recipe, "grouped")
    said = choose(recipe, ["Logistic", "Tree"], train.iloc[seen]).model.predict(train[["x", "z"]].iloc[unseen])
    assert found.folds[0] == pytest.approx(f1_score(train["y"].iloc[unseen], said, pos_label="good"))
