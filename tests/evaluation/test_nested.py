from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import f1_score, r2_score

from recipeline.config.recipe import Recipe
from recipeline.data.splits import cv_folds, split_rows
from recipeline.engine.local import LocalWorkers
from recipeline.errors import DataError
from recipeline.evaluation.nested import estimate_nested
from recipeline.training.cross_validation import Result, compare_candidates, rank
from tests.classes import class_recipe, draw_classes
from tests.conftest import as_recipe, small_recipe
from tests.panels import draw_panel, draw_series, panel_recipe, series_recipe

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


def two_sites(table: pd.DataFrame) -> object:
    """Choose half of the people for testing, and deal the others into two folds."""
    return table["person"] % 2 == 0, table["person"] // 2 % 2


def test_rows_without_a_fold_that_cannot_be_dealt_are_refused_and_nothing_is_chosen_by_name() -> None:
    panel = draw_panel(people=8, years=12)
    recipe = panel_recipe(group="person", custom=f"{__name__}.two_sites")
    few = panel[panel["person"] < 1005]  # two people to learn from, each a fold
    for rows, words in ((panel, ""), (few, "without the rows of fold 0 must have at least 2 different values of 'person'")):
        train, _ = split_rows(rows, recipe, "grouped")
        told: list[tuple[int, int]] = []
        estimate = partial(
            estimate_nested,
            *(recipe, ["LinearRegression", "DecisionTree"], train, "grouped", WORKERS),
            selected=0.5,
            advance=lambda _, done, total, told=told: told.append((done, total)),
        )
        if words:
            with pytest.raises(DataError, match=words):
                estimate()
        else:
            assert np.isfinite(estimate().folds).all()
            assert told[-1] == (12, 12)  # two candidates on two folds and all rows, twice


def test_so_are_the_earliest_times() -> None:
    recipe, table = series_recipe(), draw_series(60)
    table["moment"] //= 12
    train, _ = split_rows(table, recipe, "grouped")
    with pytest.raises(DataError, match=r"without the rows of fold 0 must have at least 2 different values of 'moment'"):
        estimate_nested(recipe, ["LinearRegression"], train, "grouped", WORKERS, selected=0.5)
