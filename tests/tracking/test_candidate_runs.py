"""A candidate's run has all that training knows of it, and its model."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from recipeline.artifacts import FITTED, TRAIN
from recipeline.config.recipe import Recipe
from recipeline.errors import UsageError
from recipeline.tracking.candidate_runs import choose_fitted, log_fitted
from recipeline.tracking.connection.store import Store
from recipeline.tracking.lineage import find_fitted
from recipeline.tracking.runs import open_run
from recipeline.training.scaling import Kind
from tests.conftest import Project

SCORES = {"cv_mean_score", "cv_std", "fit_seconds", "cv_fold_score"}


def test_a_candidates_run_is_nested_and_has_its_scores_parameters_and_model(trained: Project) -> None:
    train = trained.first("train")
    children = [run for run in trained.runs() if run.data.tags.get("mlflow.parentRunId") == train.info.run_id]
    assert children
    for run in children:
        assert run.data.tags["model_type"] == run.info.run_name
        assert set(run.data.metrics) >= SCORES
        history = trained.client.get_metric_history(run.info.run_id, "cv_fold_score")
        assert sum(it.value for it in history) / len(history) == pytest.approx(run.data.metrics["cv_mean_score"])
    tree = next(run for run in children if run.info.run_name == "DecisionTree")
    assert tree.data.params["estimator"].endswith("DecisionTreeRegressor")
    assert "max_depth" in tree.data.params


def test_the_manifest_of_train_counts_the_candidates_models(trained: Project) -> None:
    folder = Path(trained.first("train").info.artifact_uri.removeprefix("file://"))
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    logged = {model.model_id for model in trained.client.search_logged_models([trained.first("train").info.experiment_id])}
    assert set(manifest["models"]) <= logged
    assert len(manifest["models"]) == 3


@pytest.mark.parametrize("limit", [None, 1_000, 150])
def test_the_rows_that_models_are_fitted_to_are_the_dataset_of_the_run_and_are_told(
    store: Store, recipe: Recipe, wines: pd.DataFrame, limit: int | None
) -> None:
    experiment, heard = store.experiment("toy"), list[str]()
    with open_run(store.client, "split", experiment, {"split_method": "grouped"}) as split:
        split.save(TRAIN, wines)
    with open_run(store.client, "train", experiment, {}) as train:
        train.set_lineage({"split": split.id})
        rows, saved = choose_fitted(train, recipe, ["DecisionTree"], limit, heard.append)
        log_fitted(train, recipe, [], saved)
        is_limited = limit == 150
        assert train.has(FITTED) == bool(saved) == is_limited
        assert heard == ([f"train: fitted on {len(rows)} of 400 training rows (engine.max_train_rows)"] if is_limited else [])
    (logged,) = store.client.get_run(train.id).inputs.dataset_inputs
    assert (FITTED if is_limited else TRAIN).name in logged.dataset.source
    assert logged.dataset.digest == (saved or train.reader.digest(TRAIN, split.id))[:32]
    train.lineage["train"] = train.id
    known, fitted = find_fitted(train)
    assert known == limit
    assert (fitted is not None) == is_limited
    pd.testing.assert_frame_equal(rows, train.reader.load(FITTED, train.id) if is_limited else wines)


def test_a_candidate_is_refused_before_rows_are_chosen(
    store: Store, recipe: Recipe, wines: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recipeline.training.scaling.KINDS", (Kind(("DecisionTreeRegressor",), 150, "it is a test"),))
    with open_run(store.client, "split", store.experiment("toy"), {}) as split:
        split.save(TRAIN, wines)
    with open_run(store.client, "train", store.experiment("toy"), {}) as train:
        train.set_lineage({"split": split.id})
        with pytest.raises(UsageError, match="would be fitted to 400 rows: DecisionTreeRegressor takes 150 at most"):
            choose_fitted(train, recipe, ["DecisionTree"], None, print)
        rows, _ = choose_fitted(train, recipe, ["DecisionTree"], 150, print)
        assert len(rows) <= 150
