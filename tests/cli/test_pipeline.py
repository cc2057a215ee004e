from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from recipeline.artifacts import ORDER, Artifact
from recipeline.cli import pipeline
from recipeline.cli.pipeline import name_params
from recipeline.errors import UnavailableError
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.connection import patience
from tests.conftest import Project
from tests.reports.helpers import card_of


@pytest.mark.xdist_group("cards")
def test_a_last_run_that_is_gone_in_parts_is_no_reason_to_fail(project: Project) -> None:
    project.ok("main", model="lr")
    (card_of(project, project.first("evaluate").info.run_id).parent / "verdict.json").unlink()
    outcome = project.ok("main", model="lr", cache="off")
    main = max(project.runs("main"), key=lambda run: run.info.start_time)
    assert "Since the last run" not in card_of(project, main.info.run_id).read_text(encoding="utf-8")
    assert "warning" not in outcome.stderr.lower()


def test_what_the_chain_ends_with_reads_each_result_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, is_done = Counter[tuple[str, str]](), list[bool]()
    load, run_steps = Reader.load, pipeline.run_chain

    def watched(reader: Reader, artifact: Artifact[Any], run_id: str) -> Any:
        asked[artifact.name, run_id] += bool(is_done)
        return load(reader, artifact, run_id)

    def run(*words: Any, **options: Any) -> None:
        run_steps(*words, **options)
        is_done.append(True)

    monkeypatch.setattr(Reader, "load", watched)
    monkeypatch.setattr(pipeline, "run_chain", run)
    for tool in (None, "/usr/bin/mlflow"):  # the second one is compared with the first
        monkeypatch.setattr(pipeline, "shutil", SimpleNamespace(which=lambda _, found=tool: found))
        said = project.ok("main", model="lr").stdout.partition("MLflow's own server:\n")[2]
        # MLflow's server finds its programs on PATH, and its port is not that of `mlflow ui`.
        assert ("bin/activate\n" in said) is (tool is None)
        assert " mlflow models serve --env-manager local --port 5001 \\\n" in said
        assert set(asked.values()) <= {0, 1}
        assert sum(asked[name, run] for name, run in asked if name in ("metrics.json", "verdict.json", "decision.json")) == 3
        asked.clear()
        is_done.clear()


def test_the_card_of_a_chain_whose_store_went_away_waits_for_it_as_short_as_the_other_notes_of_that(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = list[float | None]()

    def go_away(*_: Any, **__: Any) -> None:
        raise UnavailableError("The store is away.")

    def draw(*_: Any, **__: Any) -> None:
        limits.append(patience._LIMIT.get())
        raise MlflowException("The MLflow server does not answer.")

    monkeypatch.setattr(pipeline, "run_chain", go_away)
    monkeypatch.setattr(pipeline, "draw_card", draw)
    outcome = project.run("main", model="lr")
    assert (outcome.exit_code, "The store is away." in outcome.stderr) == (6, True)
    assert limits == [patience._LAST_SHORT]


def test_search_runs_of_main_is_a_table_to_sort_and_chart(ran: Project) -> None:
    ran.ok("main", model="lr", cache="off")
    found = mlflow.search_runs(
        [run.info.experiment_id for run in ran.runs("main")][:1],
        "tags.`recipeline.step` = 'main'",
        order_by=["metrics.`best.r2` DESC"],
    )
    assert len(found) == 2
    metrics = ["rows", "test_rows", "seconds", *(f"best.{name}" for name in ("r2", "rmse", "mae", "cv_mean_score", "cv_std"))]
    assert found[[f"metrics.{name}" for name in metrics]].notna().all(axis=None)
    params = [
        "data_source",
        "data_digest",
        "data_origin",
        "split_method",
        "candidates",
        "best_candidate",
        "verdict",
        "model_version",
        "decision_rule",
    ]
    assert found[[f"params.{name}" for name in params]].notna().all(axis=None)
    assert (found["metrics.best.gain_lower"] < found["metrics.best.gain"]).all()
    assert found["metrics.best.r2"].is_monotonic_decreasing
    assert found.filter(like="metrics.").dtypes.eq(float).all()  # a chart takes them as they are
    assert sorted(len(names.split(", ")) for names in found["params.candidates"]) == [1, 3]
    names = [name.split(" · ") for name in found["tags.mlflow.runName"]]
    assert {(step, data) for step, data, _ in names} == {("main", "wines.csv")}
    assert "v1 promoted" in {came_to for _, _, came_to in names}
    for run in (run for run in ran.runs() if run.data.tags.get("recipeline.step")):
        assert run.data.metrics or run.data.params, run.info.run_name
        assert "r2" not in run.data.metrics


def test_a_parameter_of_the_chain_belongs_to_its_step() -> None:
    assert name_params(data="a.csv", split="random", model="lr", promote="never") == {
        "ingest": {"data": "a.csv"},
        "split": {"method": "random"},
        "train": {"model": "lr"},
        "promote": {"promote": "never"},
    }
    assert set(name_params(data="")) <= set(ORDER)
