"""A candidate's run has all that training knows of it, and its model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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
