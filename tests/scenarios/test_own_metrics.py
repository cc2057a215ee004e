"""A recipe of own metrics, primary metric and level, to the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np
import pandas as pd
import pytest

from recipeline.artifacts import BASELINE, DECISION, DRIFT_REPORT, INSPECTION, LEADERBOARD, METRICS, MODEL_INFO, TRAIN
from recipeline.config.checking.metric_settings import TAKEN
from tests.conftest import Project

HERE = "tests.scenarios.test_own_metrics"
METRIC = {"name": "worst", "function": f"{HERE}.worst", "greater_is_better": False, "label": "worst error"}


def worst(true: np.ndarray, predicted: np.ndarray) -> float:
    """Return the greatest error."""
    return float(np.abs(true - predicted).max())


def nothing(true: np.ndarray, predicted: np.ndarray) -> float:
    """Return no number."""
    return float("nan") + 0 * len(true) * len(predicted)


def two_candidates(content: dict[str, Any], **more: Any) -> None:
    content["candidates"] = {name: content["candidates"][name] for name in ("LinearRegression", "DecisionTree")}
    content["metrics"] |= {"more": [METRIC, "pinball_0.9"], "level": 0.8}
    content["primary_metric"] = "worst"
    content["gates"] = {"validation_criteria": [{"metric": "worst", "threshold": 99}], "beats_mean_predictor": False}
    content["promotion"]["guard_rails"] = {"metrics": {"worst": 5}}
    content |= more


def of_run(project: Project, step: str, artifact: Any) -> Any:
    [run] = project.runs(step)
    return artifact.read(Path(unquote(urlparse(run.info.artifact_uri).path)) / artifact.name)


def test_own_metrics_are_in_every_result_and_rank_the_candidates(project: Project, tmp_path: Path) -> None:
    project.write_recipe(two_candidates)
    outcome = project.ok("main")
    assert "lowest CV worst error mean" in outcome.stdout
    candidates = [run for run in project.runs() if "model_type" in run.data.tags]
    assert {run.data.tags["cv_metric"] for run in candidates} == {"worst"}
    assert all({"worst", "pinball_0.9", "r2"} <= set(run.data.metrics) for run in candidates)
    [best] = [run for run in candidates if "best_model" in run.data.tags]
    assert best.data.metrics["cv_mean_score"] == min(run.data.metrics["cv_mean_score"] for run in candidates)

    board: pd.DataFrame = of_run(project, "train", LEADERBOARD)
    assert board["candidate"].iloc[0] == best.data.tags["model_type"]
    metrics = of_run(project, "evaluate", METRICS)
    low, high = metrics.best.interval_95["worst"]
    assert low <= metrics.scores["worst"] <= high
    assert [(it.name, it.label) for it in metrics.more] == [("worst", "worst error"), ("pinball_0.9", "pinball loss at 0.9")]
    assert metrics.ranked_by == "worst"
    assert metrics.best.interval_90.level == of_run(project, "evaluate", MODEL_INFO).interval.level == 0.8
    assert "worst error change" in [rail.name for rail in of_run(project, "promote", DECISION).evidence.guard_rails]

    rows = of_run(project, "split", TRAIN).sample(120, random_state=1) + 0
    rows["quality"] = rows["quality"] + np.tile([-1, 1, 0], 40)
    rows.to_csv(tmp_path / "labelled.csv", index=False)
    project.run("monitor", data=str(tmp_path / "labelled.csv"), fail_on="never")
    found = of_run(project, "monitor", DRIFT_REPORT).newest
    low, high = found.performance.interval_95["worst"]
    assert found.performance.scores["worst"] > 0
    assert low <= high
    assert of_run(project, "evaluate", BASELINE).errors.scores["worst"] > 0
    logged = project.runs("monitor")[0].data.metrics
    assert logged["worst"] == found.performance.scores["worst"]
    assert {name for name in logged if "/" not in name} - set(found.performance.scores) <= set(TAKEN)

    project.ok("report", nested="on")
    nested = of_run(project, "report", INSPECTION).nested
    assert (nested.metric, nested.greater_is_better, len(nested.folds)) == ("worst error", False, 3)
    assert nested.selected == pytest.approx(best.data.metrics["cv_mean_score"])
    project.ok("report")  # the one with a nested estimate is enough
    assert len(project.runs("report")) == 1


def test_a_metric_that_is_no_number_ends_evaluate_with_its_name(project: Project) -> None:
    bad = METRIC | {"function": f"{HERE}.nothing"}
    project.write_recipe(lambda it: two_candidates(it, primary_metric="r2", metrics={"more": [bad]}, gates={}, promotion={}))
    outcome = project.run("main")
    assert outcome.exit_code == 2
    assert "The metric worst in recipe.yaml: 'metrics.more.0' must be a number of the candidate" in outcome.stderr
    assert "Got nan instead." in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert project.runs("train")[0].info.status == "FINISHED"
