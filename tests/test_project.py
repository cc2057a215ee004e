"""The API of notebooks: calls do what is typed, results are values.

Two projects in one process stay apart.
"""

from __future__ import annotations

import copy
import os
import pickle
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import mlflow
import pandas as pd
import pytest
import yaml

import recipeline
from recipeline import Project
from recipeline.data.reading.formats import Format
from recipeline.errors import DataError, RecipelineError, UnavailableError, UsageError
from recipeline.project import ARTIFACTS
from tests.conftest import ROOT, few_trees, small_recipe, undrawn

pytestmark = pytest.mark.xdist_group("project")  # whose tests share a chain


def write_project(folder: Path, rows: pd.DataFrame, empty_store: Path) -> Path:
    """Write a project as its owner has it: recipe, profile, steps and custom code."""
    folder.mkdir()
    for name in ("steps", "custom"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "MLproject", folder)
    shutil.copy(empty_store, folder / "mlflow.db")
    rows.to_csv(folder / "wines.csv", index=False)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(small_recipe()), encoding="utf-8")
    (folder / "profiles").mkdir()
    profile = {
        "store": {"tracking_uri": "sqlite:///mlflow.db", "artifact_location": "mlruns"},
        "data": str(folder / "wines.csv"),
        "engine": {"n_jobs": 1},
    }
    (folder / "profiles/local.yaml").write_text(yaml.safe_dump(profile), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, wines: pd.DataFrame, empty_store: Path) -> Project:
    """A project whose chain has run."""
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    project = Project(write_project(tmp_path_factory.mktemp("api") / "my wines", wines, empty_store))
    with undrawn(), few_trees():
        assert project.run().outcome == "promoted"
    return project


@pytest.fixture(autouse=True)
def _small_and_ended() -> Iterator[None]:
    with undrawn(), few_trees():
        yield
    mlflow.end_run()


def test_the_package_names_its_api_and_imports_nothing_for_it() -> None:
    assert recipeline.Project is Project
    assert {"Project", "__version__"} <= set(dir(recipeline))
    with pytest.raises(AttributeError, match="no attribute 'project_of'"):
        _ = recipeline.project_of


def test_a_step_returns_its_run_its_outcome_and_what_it_wrote(ran: Project) -> None:
    result = ran.run("train", model=["lr", "dt"])

    assert (result.name, result.outcome, result.exit_code) == ("train", "ok", 0)
    assert list(result.load("leaderboard").candidate) == ["LinearRegression", "DecisionTree"]
    assert len(ran.load("leaderboard", result.run_id)) == 2


def test_the_newest_finished_run_is_inspected_and_loaded(ran: Project) -> None:
    result = ran.run("ingest")

    assert ran.inspect("ingest").run_id == result.run_id
    assert len(ran.load("dataset")) == len(result.load("dataset")) == 400


def test_every_result_is_known_by_its_files_name() -> None:
    assert {"dataset", "leaderboard", "metrics", "verdict", "decision", "drift", "test_predictions"} <= set(ARTIFACTS)
    assert "card" not in ARTIFACTS


def test_a_notebook_shows_the_card_in_a_frame_without_access_to_the_notebook(ran: Project) -> None:
    html = ran.inspect("evaluate")._repr_html_()

    assert html.startswith('<iframe sandbox="allow-scripts" srcdoc="')
    assert "&lt;!doctype html&gt;" in html


def test_a_result_without_a_card_is_shown_as_its_words(ran: Project) -> None:
    assert ran.run("history")._repr_html_().startswith("<pre>")


def test_production_predicts_a_frame_with_an_interval_on_its_index(ran: Project, wines: pd.DataFrame) -> None:
    rows = wines.head(4).set_axis(list("wxyz"))

    predicted = ran.production.predict(rows.assign(other="kept out")[[*rows.columns[::-1], "other"]])

    assert list(predicted.index) == list("wxyz")
    assert (predicted.prediction_lower <= predicted.prediction).all()
    assert set(predicted.model_version) == {ran.production.version}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows.assign(pH="high"), r"row 0: pH: must be a number"),
        (lambda rows: rows.assign(pH=99.0), r"row 0: pH: must be at most 5"),
        (lambda rows: rows.assign(pH=[None, *rows.pH[1:]]), r"row 0: pH: must not be missing"),
        (lambda rows: rows.drop(columns="pH"), r"pH"),
        (lambda rows: rows.assign(pH=[object() for _ in range(len(rows))]), r"The column 'pH' must have values of one type"),
        (lambda rows: pd.concat([rows, rows["pH"]], axis=1), "several columns named pH"),
    ],
    ids=["text", "not possible", "missing", "no column", "objects", "twice"],
)
def test_rows_that_break_a_rule_are_an_exception_that_names_them(
    ran: Project, wines: pd.DataFrame, change: Callable[[pd.DataFrame], pd.DataFrame], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        ran.production.predict(change(wines.head(3)))


def test_a_frame_may_have_the_names_that_the_recipe_renames(ran: Project, wines: pd.DataFrame) -> None:
    production, rows = ran.production, wines.head(3)
    expected = production.predict(rows)
    assert production._model.info is not None
    info = replace(production._model.info, csv=Format(rename={"p H": "pH"}))
    production = replace(production, _model=replace(production._model, info=info))
    renamed = rows.rename(columns={"pH": "p H"})

    pd.testing.assert_frame_equal(production.predict(renamed), expected)
    with pytest.raises(DataError, match="several columns named pH"):
        production.predict(renamed.assign(pH=3.0))


def test_late_labels_are_a_frame_and_need_a_log(ran: Project) -> None:
    with pytest.raises(UsageError, match="the profile's service keeps no log"):
        ran.retrain(labels=pd.DataFrame({"request_id": ["a"], "quality": [5]}))


def test_a_frame_is_monitored(ran: Project, wines: pd.DataFrame) -> None:
    result = ran.monitor(wines)

    report = result.load("drift")
    assert report["newest"]["verdict"] == "ok"
    assert (result.outcome, result.exit_code) == ("ok", 0)
    assert report["origin"] == "DataFrame 'data'"
    assert "DataFrame &#39;data&#39;" in result.card
    assert ".parquet" not in result.card
    assert_no_run_names_a_file(ran)


def assert_no_run_names_a_file(project: Project) -> None:
    """Assert that runs on frames have these as input, not their files."""
    client = mlflow.MlflowClient(f"sqlite:///{project.folder}/mlflow.db")
    runs = client.search_runs([it.experiment_id for it in client.search_experiments()])
    on_frames = [run.data.tags for run in runs if run.info.run_name.startswith(("monitor", "retrain"))]
    assert {tags["recipeline.input"] for tags in on_frames} == {"DataFrame 'data'"}
    assert [tags["recipeline.error"] for tags in on_frames if ".parquet" in tags.get("recipeline.error", "")] == []


UNREADABLE = [
    (lambda rows: rows.iloc[:0], r"DataFrame 'data'"),
    (lambda rows: rows.assign(pH=[object() for _ in range(len(rows))]), "The column 'pH' must have values of one type"),
    (lambda rows: pd.concat([rows, rows["pH"]], axis=1), "several columns named pH"),
    (lambda rows: rows[["quality"]], r"DataFrame 'data'"),
]


@pytest.mark.parametrize("command", ["monitor", "retrain"])
@pytest.mark.parametrize(("change", "words"), UNREADABLE, ids=["no rows", "objects", "twice", "no features"])
def test_a_frame_that_cannot_be_used_is_told_as_a_frame(
    ran: Project, wines: pd.DataFrame, command: str, change: Callable[[pd.DataFrame], pd.DataFrame], words: str
) -> None:
    with pytest.raises(DataError, match=words) as refusal:
        getattr(ran, command)(change(wines.head(3)))
    assert ".parquet" not in str(refusal.value)
    if "'data'" in words:
        assert_no_run_names_a_file(ran)


def test_a_project_and_a_result_go_to_another_process(ran: Project) -> None:
    project, result = pickle.loads(pickle.dumps((ran, ran.run("history"))))
    assert repr(project) == repr(copy.deepcopy(ran)) == repr(ran)
    assert list(project.history().version) == ["1"]
    assert result.output


def test_the_history_is_a_table_with_times(ran: Project) -> None:
    history = ran.history()

    assert list(history.version) == ["1"]
    assert str(history.since.dt.tz) == "UTC"
    assert history.until.isna().all()


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda project: project.run("trian"), UsageError, "Did you mean 'train'"),
        (lambda project: project.run("serve"), UsageError, "serve does not end"),
        (lambda project: project.run("train", modle="rf"), UsageError, "--model"),
        (lambda project: project.run("train", model="xgb"), UsageError, "xgb"),
        (lambda project: project.run("train", help=True), UsageError, "--help is for the command line"),
        (lambda project: project.run("history", json=True), UsageError, "--json is for the command line"),
        (lambda project: project.run("train", recipe="other.yaml"), UsageError, r"Project\(..., recipe=...\)"),
        (lambda project: project.monitor("a.csv", profile="ci"), UsageError, r"Project\(..., profile=...\)"),
        (lambda project: project.monitor("a.csv", data="b.csv"), UsageError, "Rows are given twice"),
        (lambda project: project.run(cast(Any, None)), UsageError, "Got 'None'"),
        (lambda project: project.inspect("trian"), UsageError, "Did you mean 'train'"),
        (lambda project: project.production.predict(cast(Any, [1])), UsageError, "Got a list"),
        (lambda project: project.run("ingest", data="nowhere.csv"), RecipelineError, "nowhere.csv"),
        (lambda project: project.load("leader"), UsageError, "Did you mean 'leaderboard'"),
        (lambda project: project.load("change"), UsageError, "the run is ambiguous"),
        (lambda project: project.load("inspection"), UnavailableError, "No finished run of report"),
        (lambda project: project.load("leaderboard", "abc"), UnavailableError, "There is no run 'abc' in the store"),
        (lambda project: project.rollback(), UnavailableError, "No earlier version of Production"),
    ],
    ids=[
        *("step", "serve", "option", "candidate", "help", "json", "recipe", "profile", "twice", "none", "inspected", "list"),
        *("data", "artifact", "any run's", "not yet", "no run", "nothing before"),
    ],
)
def test_a_failure_is_our_exception_with_the_sentence_that_is_typed_for(
    ran: Project, call: Callable[[Project], object], kind: type[RecipelineError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        call(ran)


def test_to_look_at_a_project_without_a_store_makes_none(tmp_path: Path, wines: pd.DataFrame, empty_store: Path) -> None:
    project = Project(write_project(tmp_path / "project", wines, empty_store))
    (project.folder / "mlflow.db").unlink()
    for look in (project.history, project.inspect, lambda: project.load("leaderboard"), lambda: project.production):
        with pytest.raises(UnavailableError, match=rf"No MLflow store at {project.folder}/mlflow.db: there is no such file\."):
            look()
    assert not list(project.folder.glob("mlflow.db*"))


def test_a_folder_without_a_project_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="it has no MLproject"):
        Project(tmp_path)


def test_a_call_leaves_the_process_as_it_was(ran: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ), list(sys.path), {name for name in sys.modules if name.startswith(("steps", "custom"))}

    ran.run("ingest")

    assert (dict(os.environ), list(sys.path), {n for n in sys.modules if n.startswith(("steps", "custom"))}) == before
    assert list(tmp_path.iterdir()) == []


def test_two_projects_in_one_process_keep_their_code_apart(
    ran: Project, tmp_path: Path, wines: pd.DataFrame, empty_store: Path
) -> None:
    folder = write_project(tmp_path / "other", wines.head(100), empty_store)
    step = folder / "steps/ingest.py"
    code = step.read_text(encoding="utf-8")
    loud = "def loud(*given, **params):\n    return f'OTHER {work(*given, **params)}'\n\n\nSTEP = Step("
    step.write_text(code.replace("STEP = Step(", loud).replace('Step("ingest", work', 'Step("ingest", loud'), encoding="utf-8")
    other = Project(folder)

    outputs = [project.run("ingest").output for project in (ran, other, ran)]

    assert [output.startswith("OTHER") for output in outputs] == [False, True, False]
    assert len(other.load("dataset")) == 100
    assert len(ran.load("dataset")) == 400


def test_the_notebook_of_the_docs_runs_line_by_line(ran: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    [cell] = re.findall(r"```python\n(.*?)```", (ROOT / "docs/notebooks.md").read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(ran.folder)
    names: dict[str, Any] = {}

    for line in cell.replace("rf,lr", "dt,lr").splitlines():
        exec(line, names)

    assert len(cell.splitlines()) > 5
    assert len(names["project"].load("leaderboard")) == 2
