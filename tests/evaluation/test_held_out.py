from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.tree import DecisionTreeRegressor

from recipeline.config.recipe import Recipe
from recipeline.data.relating.grouping import COPIES
from recipeline.data.results import LeakAudit
from recipeline.data.splits import split_rows
from recipeline.data.stored_rows import StoredRows
from recipeline.engine.local import LocalWorkers
from recipeline.evaluation.assessment import Evaluation, Trained, evaluate_candidates
from recipeline.evaluation.held_out import HeldOut
from recipeline.evaluation.ranking import join_out_of_fold, make_leaderboard
from recipeline.inference.columns import Columns
from recipeline.records import to_plain
from recipeline.training.cross_validation import compare_candidates, rank
from tests.classes import TARGETS, class_content, draw_classes
from tests.conftest import as_recipe, small_recipe
from tests.records import some


def hold_few(patch: pytest.MonkeyPatch, cells: int) -> None:
    """Let no more than so many cells be held, so that a small table is read in batches."""
    patch.setattr("recipeline.data.stored_rows.HELD", cells)
    patch.setattr("recipeline.data.stored_rows._BATCH", max(1, cells // 2))


def stored(rows: pd.DataFrame, folder: Path) -> StoredRows:
    rows.to_parquet(folder / "rows.parquet")
    return StoredRows(folder / "rows.parquet")


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cells=st.integers(100, 1_500), places=st.lists(st.integers(0, 79), max_size=9))
def test_stored_rows_are_what_rows_in_memory_are(
    wines: pd.DataFrame, recipe: Recipe, tmp_path: Path, cells: int, places: list[int]
) -> None:
    rows = wines.iloc[::5]
    columns, target = Columns.learn(recipe, rows), list(recipe.features)
    known, chosen = HeldOut.of(rows), np.array(places, dtype=int)
    with pytest.MonkeyPatch.context() as patch:
        hold_few(patch, cells)
        found = HeldOut.open(stored(rows, tmp_path), recipe)
        assert (found.stored is None) == (cells >= rows.size)
        assert len(found) == len(known) == 80
        assert found.columns == known.columns
        pd.testing.assert_index_equal(found.index, known.index, exact=False)
        pd.testing.assert_frame_equal(found.take(chosen), known.take(chosen))
        pd.testing.assert_frame_equal(found.take(chosen, target[:2]), known.take(chosen, target[:2]))
        parts = [*found.parts(target)]
        pd.testing.assert_frame_equal(pd.concat([part for _, part in parts]), rows[target])
        assert [place for places, _ in parts for place in range(80)[places]] == [*range(80)]
        for place in range(len(target)):
            np.testing.assert_array_equal(found.codes(columns)[:, place], known.codes(columns)[:, place])
    assert (COPIES in found.keys) == (found.stored is not None)


def evaluate(recipe: Recipe, table: pd.DataFrame, folder: Path, cells: int | None) -> tuple[Evaluation, dict[str, Any]]:
    """Return an evaluation, as plain values too; with `cells` no more of them are held."""
    train, test = split_rows(table, recipe, "grouped")
    fits = compare_candidates(recipe, [*recipe.candidates], train, "grouped", LocalWorkers(1))
    ranked = rank(result for _, complete in fits for result in complete)
    runs = {name: {"run_id": f"run of {name}", "model_id": f"model of {name}"} for name in recipe.candidates}
    board = make_leaderboard(recipe, train, ranked, runs)
    audit = some(LeakAudit, {"method": "grouped", "random_split": {"leaked_rows": 1}})
    with pytest.MonkeyPatch.context() as patch:
        held_out = HeldOut.of(test)
        if cells:
            hold_few(patch, cells)
            held_out = HeldOut.open(stored(test, folder), recipe)
            assert held_out.stored is not None
        trained = Trained(board, train, held_out, join_out_of_fold(train, recipe.target, ranked), audit)
        found = evaluate_candidates(recipe, trained, lambda: {it.name: it.model for it in ranked}, LocalWorkers(1))
    plain = {artifact.name: to_plain(value) for artifact, value in found.artifacts() if artifact.name.endswith(".json")}
    return found, plain


#: Predictions of trees do not depend on the rows beside a row, to the last digit.
TREES = {
    "Tree": {"alias": "dt", "estimator": "sklearn.tree.DecisionTreeRegressor", "params": {"max_depth": 3}},
    "Boosted": {
        "alias": "hgb",
        "estimator": "sklearn.ensemble.HistGradientBoostingRegressor",
        "params": {"max_iter": 5},
    },
    "Mean": {"alias": "mean", "members": ["Tree", "Boosted"]},
}


def test_an_evaluation_of_stored_rows_is_that_of_rows_in_memory(wines: pd.DataFrame, tmp_path: Path) -> None:
    recipe = as_recipe(small_recipe() | {"candidates": TREES})
    held, plain = evaluate(recipe, wines, tmp_path, None)
    found, streamed = evaluate(recipe, wines, tmp_path, 200)
    assert streamed == plain
    pd.testing.assert_frame_equal(found.golden, held.golden)
    pd.testing.assert_frame_equal(found.baseline_rows, held.baseline_rows)
    pd.testing.assert_frame_equal(found.test_predictions, held.test_predictions)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_an_evaluation_of_stored_classes_is_that_of_classes_in_memory(task: str, tmp_path: Path) -> None:
    column, labels, positive = TARGETS[task][0]
    content = class_content(task, column, positive)
    content["columns"]["k"] = {"type": "category"}
    content["candidates"] = {"Tree": content["candidates"]["Tree"]}
    content["candidates"]["Tree"]["preprocess"] = {"category": ["sklearn.preprocessing.OrdinalEncoder"]}
    recipe = as_recipe(content)
    table = draw_classes(labels, 300)
    table["k"] = np.where(np.arange(300) % 3, "u", "v")
    held, plain = evaluate(recipe, table, tmp_path, None)
    found, streamed = evaluate(recipe, table, tmp_path, 60)
    assert streamed == plain
    assert held.diagnosis.fairness
    pd.testing.assert_frame_equal(found.golden, held.golden)
    pd.testing.assert_frame_equal(found.test_predictions, held.test_predictions)


def test_models_of_trees_answer_rows_one_by_one_as_together(wines: pd.DataFrame, recipe: Recipe) -> None:
    features = wines[list(recipe.features)]
    for model in (DecisionTreeRegressor(random_state=0), HistGradientBoostingRegressor(max_iter=5)):
        fitted = model.fit(features, wines["quality"])
        apart = np.concatenate([fitted.predict(features.iloc[place : place + 7]) for place in range(0, 400, 7)])
        np.testing.assert_array_equal(apart, fitted.predict(features))
