"""The evaluation of trained candidates, as plain values: without a store."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.tree import DecisionTreeRegressor

from recipeline.artifacts import INTERVAL, METRICS, TEST_PREDICTIONS
from recipeline.config.recipe import Recipe
from recipeline.data.relating.held_out import HeldOut
from recipeline.data.results import LeakAudit
from recipeline.data.splits import split_rows
from recipeline.engine.local import LocalWorkers
from recipeline.engine.workers import Workers
from recipeline.errors import DataError
from recipeline.evaluation.assessment import Evaluation, Trained, evaluate_candidates
from recipeline.evaluation.ranking import join_out_of_fold, make_leaderboard
from recipeline.evaluation.results import Diagnosis
from recipeline.records import read_record, to_plain
from recipeline.training.cross_validation import Result, compare_candidates, rank
from tests.classes import TARGETS, class_content, class_recipe, draw_classes
from tests.conftest import as_recipe, small_recipe
from tests.data.relating.test_held_out import hold_few, stored
from tests.records import some

NAMES = ("LinearRegression", "DecisionTree")


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return as_recipe(small_recipe())


@pytest.fixture(scope="module")
def trained(wines: pd.DataFrame, recipe: Recipe) -> tuple[Trained, list[Result]]:
    train, test = split_rows(wines, recipe, "grouped")
    compared = compare_candidates(recipe, NAMES, train, "grouped", LocalWorkers(1))
    ranked = rank(result for _, complete in compared for result in complete)
    runs = {name: {"run_id": f"run of {name}", "model_id": f"model of {name}"} for name in NAMES}
    board = make_leaderboard(recipe, train, ranked, runs)
    audit = some(LeakAudit, {"method": "grouped", "random_split": {"leaked_rows": 1}})
    return Trained(board, train, test, join_out_of_fold(train, recipe.target, ranked), audit), ranked


@pytest.fixture(scope="module")
def found(trained: tuple[Trained, list[Result]], recipe: Recipe) -> Evaluation:
    given, ranked = trained
    return evaluate_candidates(recipe, given, lambda: {result.name: result.model for result in ranked}, LocalWorkers(1))


def test_the_scores_are_those_of_each_model_on_the_test_rows(
    found: Evaluation, trained: tuple[Trained, list[Result]], recipe: Recipe
) -> None:
    given, ranked = trained
    test = HeldOut.of(given.test).keys
    features, target = test[list(recipe.features)], test[recipe.target]
    expected = {result.name: r2_score(target, result.model.predict(features)) for result in ranked}
    assert {name: scores["r2"] for name, scores in found.scores.items()} == pytest.approx(expected, abs=1e-12)
    assert found.metrics.candidates.keys() == expected.keys()


def test_the_best_is_the_first_of_the_leaderboard_and_everything_else_is_about_it(
    found: Evaluation, trained: tuple[Trained, list[Result]]
) -> None:
    given, ranked = trained
    best = ranked[0].name
    assert found.verdict.candidate == found.metrics.best.candidate == found.model_info.candidate == best
    assert (found.verdict.run_id, found.verdict.model_id) == (f"run of {best}", f"model of {best}")
    assert found.metrics.scores["r2"] == found.scores[best]["r2"]
    assert set(found.golden["prediction"]) <= set(found.test_predictions[f"predicted {best}"])
    assert len(found.test_predictions) == found.metrics.test_rows == len(given.test)
    assert (found.interval_models is not None) == (found.model_info.interval.method == "quantile")


def test_a_random_split_is_scored_only_where_the_split_is_another_and_it_would_leak(
    found: Evaluation, trained: tuple[Trained, list[Result]], recipe: Recipe
) -> None:
    assert found.metrics.random_split_r2.keys() == set(NAMES)
    given, ranked = trained
    audits: list[dict[str, Any]] = [
        some(LeakAudit, {"method": "random", "random_split": {"leaked_rows": 1}}),
        some(LeakAudit, {"method": "grouped", "random_split": {"leaked_rows": 0}}),
    ]
    for audit in audits:
        other = Trained(given.leaderboard, given.train, given.test, given.out_of_fold, audit)
        again = evaluate_candidates(recipe, other, lambda: {result.name: result.model for result in ranked}, LocalWorkers(1))
        assert again.metrics.random_split_r2 is None
        assert again.scores == found.scores


def test_the_models_are_loaded_while_the_workers_are_busy(
    trained: tuple[Trained, list[Result]], recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    given, ranked = trained
    start = LocalWorkers.map

    def noted(self: Workers, *arguments: Any, **options: Any) -> Any:
        happened.append("work is handed out")
        return start(self, *arguments, **options)

    def load() -> dict[str, Any]:
        happened.append("models are loaded")
        return {result.name: result.model for result in ranked}

    monkeypatch.setattr(LocalWorkers, "map", noted)
    evaluate_candidates(recipe, given, load, LocalWorkers(1))
    assert happened[:2] == ["work is handed out", "models are loaded"]


def test_the_artifacts_are_those_that_evaluate_declares_and_there_is_no_interval_without_models(found: Evaluation) -> None:
    from steps.evaluate import STEP

    tails = (LinearRegression(), LinearRegression())
    for models, expected in ((tails, set(STEP.writes)), (None, set(STEP.writes) - {INTERVAL})):
        kept = dict(replace(found, interval_models=models).artifacts())
        assert {*kept, TEST_PREDICTIONS} == expected
        assert kept[METRICS] is found.metrics
        assert all(
            value is getattr(found, name.lower())
            for name, value in ((a.name.split(".")[0], v) for a, v in kept.items() if a != INTERVAL)
        )


def test_the_leaderboard_says_how_sure_the_order_is(trained: tuple[Trained, list[Result]]) -> None:
    board = trained[0].leaderboard
    assert board["best_share"].sum() == pytest.approx(1)
    assert board["gain_with_best"].iloc[0] == 0
    assert list(board["run_id"]) == [f"run of {name}" for name in board["candidate"]]


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_classes_have_a_diagnosis_that_says_labels_as_the_model_does(task: str) -> None:
    column, labels, positive = TARGETS[task][0]
    decision = {"decision": {"threshold": 0.9}} if task == "binary" else {}
    recipe = class_recipe(task, column, positive, **decision)
    train, test = draw_classes(labels, 200), draw_classes(labels, 200, seed=1)
    compared = compare_candidates(recipe, ("Logistic",), train, "grouped", LocalWorkers(1))
    ranked = rank(result for _, complete in compared for result in complete)
    board = make_leaderboard(recipe, train, ranked, {"Logistic": {"run_id": "run", "model_id": "model"}})
    audit = some(LeakAudit, {"method": "grouped", "random_split": {}})
    given = Trained(board, train, test, join_out_of_fold(train, recipe.target, ranked), audit)
    found = evaluate_candidates(recipe, given, lambda: {it.name: it.model for it in ranked}, LocalWorkers(1))
    said = dict(zip(test.index, ranked[0].model.predict(test[["x", "z"]]), strict=True))
    diagnosis = read_record(Diagnosis, json.loads(json.dumps(to_plain(found.diagnosis), allow_nan=False)))
    assert [row.predicted for row in diagnosis.worst_rows] == [said[row.row] for row in diagnosis.worst_rows]
    assert diagnosis == found.diagnosis
    assert len(diagnosis.curves) == (1 if task == "binary" else len(labels))
    assert (diagnosis.thresholds is not None) == (task == "binary")
    assert sum(diagnosis.set_sizes) == sum(it.rows for it in diagnosis.sets) == len(test)
    for it in diagnosis.by_predicted:
        assert it.true_interval_95 is not None
        assert it.true_interval_95[0] <= it.mean_true <= it.true_interval_95[1]
    if task == "binary":
        assert found.metrics.best.decisions.rule == "stated in the recipe"
        shares = join_out_of_fold(train, recipe.target, ranked)["predicted Logistic"]
        assert found.baseline.said
        counts = dict(zip(found.baseline.said.names, found.baseline.said.counts, strict=True))
        assert counts["good"] == (shares >= 0.9).sum() < (shares >= 0.5).sum()
        assert any(row.predicted != max(labels) and row.probability < 0.5 for row in diagnosis.worst_rows)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_test_rows_of_one_label_are_refused_with_its_name(task: str) -> None:
    column, labels, positive = TARGETS[task][0]
    recipe, train = class_recipe(task, column, positive), draw_classes(labels)
    one = draw_classes(labels, seed=1).query("y == @labels[0]")
    given = Trained(pd.DataFrame(), train, one, pd.DataFrame(), some(LeakAudit))
    with pytest.raises(DataError) as refused:
        evaluate_candidates(recipe, given, dict, LocalWorkers(1))
    assert f"Got {labels[0]} alone in {len(one)} rows" in refused.value.sentence


def evaluate(recipe: Recipe, table: pd.DataFrame, folder: Path, cells: int | None) -> tuple[Evaluation, dict[str, Any]]:
    """Return an evaluation, as plain values too; hold at most `cells` of them."""
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
