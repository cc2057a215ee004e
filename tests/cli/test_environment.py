from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from recipeline.cli import environment
from recipeline.cli.environment import (
    PROJECT,
    find_actor,
    find_project,
    is_fetched_project,
    open_session,
    open_settings,
)
from recipeline.engine.workers import Workers
from recipeline.errors import DataError, UnavailableError, UsageError
from tests.conftest import ROOT, Project


@pytest.fixture
def _no_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """No step of a project has been imported."""
    monkeypatch.delitem(sys.modules, "steps", raising=False)


def settings(project: Project) -> tuple[str, str]:
    return str(project.recipe_path), str(project.profile_path)


@pytest.mark.usefixtures("_no_steps")
def test_the_project_is_the_nearest_folder_upwards_with_an_mlproject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a/b")
    with pytest.raises(UsageError, match="No project in"):
        find_project()
    for folder in (tmp_path, tmp_path / "a"):
        (folder / "MLproject").touch()
        assert find_project() == folder


def test_a_step_is_of_the_project_that_its_script_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import steps

    monkeypatch.chdir(tmp_path)
    assert steps.__file__
    assert find_project() == ROOT


def test_the_environment_names_the_project_first_and_must_name_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROJECT, str(tmp_path))
    with pytest.raises(UsageError, match=rf"{PROJECT} must name a folder with an MLproject"):
        find_project()
    (tmp_path / "MLproject").touch()
    assert find_project() == tmp_path


def test_a_store_is_the_profiles_and_its_place_for_artifacts_too(project: Project) -> None:
    found = open_settings(*settings(project))
    assert (found.tracking_uri, found.artifact_location) == (project.uri, str(project.folder / "mlruns"))
    assert (found.folder, found.root, found.profile_name) == (ROOT, ROOT, "test")


def test_the_environment_wins_over_the_profile_and_has_its_own_place_for_artifacts(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = open_settings(*settings(project))
    monkeypatch.setenv(PROJECT, str(ROOT))
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mine.db")
    found = open_settings(*settings(project))
    assert (found.tracking_uri, found.artifact_location, found.folder) == ("sqlite:///mine.db", None, project.folder)
    assert found.store_key != own.store_key
    assert found.store_key == open_settings(*settings(project)).store_key


def test_a_recipe_may_lie_in_the_folder_of_the_command_or_in_the_projects(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROJECT, str(ROOT))
    monkeypatch.chdir(project.folder)
    assert open_settings("recipe.yaml", str(project.profile_path)).recipe.name == "small"
    monkeypatch.chdir(project.folder.parent)
    assert open_settings("recipe.yaml", str(project.profile_path)).recipe.path == ROOT / "recipe.yaml"


def test_to_ask_whether_there_is_a_store_makes_none(project: Project) -> None:
    assert open_settings(*settings(project)).has_store
    (project.folder / "mlflow.db").unlink()
    assert not open_settings(*settings(project)).has_store
    assert not (project.folder / "mlflow.db").exists()
    (project.folder / "mlflow.db").touch()
    assert not open_settings(*settings(project)).has_store


def test_a_store_that_is_not_there_is_told_by_its_place_and_by_who_named_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.folder / "mlflow.db").unlink()
    before = sorted(project.folder.iterdir())
    monkeypatch.setenv(PROJECT, str(ROOT))
    monkeypatch.chdir(project.folder)
    for uri, words in (
        ("", f"{project.folder}/mlflow.db: there is no such file. Correct store.tracking_uri of the profile 'test', or"),
        ("sqlite:///typo.db", f"{project.folder}/typo.db: there is no such file. Correct MLFLOW_TRACKING_URI, or run"),
        ("sqlite:///typo/a.db", f"{project.folder}/typo/a.db: the folder {project.folder}/typo does not exist. Correct MLFLOW"),
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        for how in ({"reads": True}, {"makes": False}, {"makes": False, "will_fit": True}):
            with pytest.raises(UnavailableError, match=f"^No MLflow store at {re.escape(words)}"):
                open_session(*settings(project), **how)
    assert sorted(project.folder.iterdir()) == before


def test_a_session_knows_who_gives_the_command_and_what_signs_the_ledger(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    monkeypatch.setenv("RECIPELINE_LEDGER_KEY", "secret")
    session = open_session(*settings(project))
    assert (session.actor.name, session.ledger_key, session.store.uri) == ("ann", "secret", project.uri)
    assert session.step("ingest").name == "ingest"
    assert session.adopted is None


def test_a_project_whose_path_is_no_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    (folder / "MLproject").touch()
    monkeypatch.setenv(PROJECT, str(folder))
    with pytest.raises(UsageError, match="The path of the project must be UTF-8"):
        open_settings("recipe.yaml", "local")
    assert [*folder.iterdir()] == [folder / "MLproject"]


def test_a_user_whose_name_is_no_text_has_one_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("MLFLOW_TRACKING_USERNAME", "LOGNAME"):
        monkeypatch.setenv(variable, os.fsdecode(b"zo\xff"))
        assert find_actor().name == "zo?"
        monkeypatch.delenv(variable)


def test_a_run_that_the_environment_names_must_be_one_of_the_store(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0123")
    with pytest.raises(UnavailableError, match=r"MLFLOW_RUN_ID must be the ID of a run in the store\. Got '0123' instead"):
        open_session(*settings(project))


def test_a_run_of_another_command_is_left_alone_and_that_is_said(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = project.client
    for tags, is_taken in (({"recipeline.step": "train"}, False), ({}, True)):
        run_id = client.create_run("0", tags=tags).info.run_id
        monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
        assert bool(open_session(*settings(project)).adopted) is is_taken
        assert ("is a run of another command" in capsys.readouterr().err) is not is_taken


@pytest.mark.parametrize(("name", "is_fetched"), [("tmpabcd_123", True), ("tmpabc", False), ("mine", False)])
def test_a_project_that_mlflow_fetched_lies_in_a_temporary_folder_of_its_making(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, is_fetched: bool
) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "MLproject").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv(PROJECT, str(tmp_path / name))
    assert not is_fetched_project()  # not by `mlflow run`
    monkeypatch.setenv("MLFLOW_RUN_ID", "0123")
    assert is_fetched_project() is is_fetched


#: Prints the folder in which its command was typed.
ASK = "from recipeline.cli.environment import _typed_in; print(_typed_in(), end='')"


def typed(tmp_path: Path, *words: str) -> str:
    """Return what ASK prints in `project` below a process typed with `words`.

    The process is in another folder.
    """
    here, project = tmp_path / "user's folder", tmp_path / "project"
    here.mkdir()
    project.mkdir()
    script = tmp_path / "start.py"
    start = f"subprocess.run([sys.executable, '-c', {ASK!r}], cwd={str(project)!r}, check=True)"
    script.write_text(f"import subprocess, sys\n{start}\n", encoding="utf-8")
    (tmp_path / "mlflow").symlink_to(script)
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_RUN_ID": "0123"}
    command = [sys.executable, *(str(tmp_path / word) if word in ("mlflow", "start.py") else word for word in words)]
    done = subprocess.run(command, cwd=here, env=variables, capture_output=True, text=True, check=True)
    return done.stdout


def test_the_folder_is_the_one_that_mlflow_run_was_typed_in(tmp_path: Path) -> None:
    assert typed(tmp_path, "mlflow", "run", ".", "-e", "main") == str(tmp_path / "user's folder")


@pytest.mark.parametrize("words", [("mlflow", "server"), ("start.py", "run")])
def test_below_another_command_it_is_the_working_folder(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert typed(tmp_path, *words) == str(tmp_path / "project")


def test_without_a_run_of_mlflow_no_process_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "Process", lambda: pytest.fail("a process was asked"))
    assert environment._typed_in() == Path.cwd()


class Parent:
    """A process that is asked."""

    def __init__(self, words: list[str] | psutil.Error, folder: str | psutil.Error = "/") -> None:
        self._words, self._folder = words, folder

    def cmdline(self) -> list[str]:
        if isinstance(self._words, psutil.Error):
            raise self._words
        return self._words

    def cwd(self) -> str:
        if isinstance(self._folder, psutil.Error):
            raise self._folder
        return self._folder


RUN = ["python", "/bin/mlflow", "run", "."]


@pytest.mark.parametrize(
    ("parents", "found"),
    [
        ([Parent(psutil.AccessDenied(2)), Parent(RUN)], "/"),
        ([Parent(RUN, psutil.AccessDenied(2))], "here"),
        ([Parent(psutil.NoSuchProcess(2))], "here"),
        ([Parent(psutil.ZombieProcess(2))], "here"),
        ([Parent(RUN, "/a folder that is gone")], "here"),
        ([], "here"),
    ],
    ids=["a hidden one between", "its folder is hidden", "gone", "dead", "its folder is gone", "none"],
)
def test_where_the_process_cannot_be_seen_it_is_the_working_folder(
    parents: list[Parent], found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0123")
    monkeypatch.setattr(psutil.Process, "parents", lambda _: parents)
    assert environment._typed_in() == (Path.cwd() if found == "here" else Path(found))


@pytest.mark.parametrize("is_new", [True, False])
def test_no_worker_starts_for_rows_that_are_not_there(project: Project, monkeypatch: pytest.MonkeyPatch, is_new: bool) -> None:
    if is_new:
        (project.folder / "mlflow.db").unlink()
    monkeypatch.setattr(Workers, "start", lambda _: pytest.fail("a worker was started"))
    for data in ("wiens", "none.csv", "/none/a.csv"):
        with pytest.raises(DataError, match="which does not exist"):
            open_session(*settings(project), will_fit=True, data=data)
    assert (project.folder / "mlflow.db").exists() is not is_new


def test_the_environment_names_the_cache_folder(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert open_settings(*settings(project)).cache_folder.name == "recipeline"
    monkeypatch.setenv("RECIPELINE_CACHE", str(tmp_path / "mine"))
    assert open_settings(*settings(project)).cache_folder == tmp_path / "mine"


def test_all_faults_of_recipe_and_profile_are_in_one_list_and_no_store_is_opened(project: Project) -> None:
    (project.folder / "mlflow.db").unlink()
    project.ok("check")
    project.write_recipe(lambda content: content["candidates"]["ElasticNet"].update(params={"alhpa": 1}))
    project.write_profile(data=str(project.folder / "gone.csv"))
    outcome = project.run("check")
    assert outcome.exit_code == 2
    assert "2 faults in the recipe or the profile. Correct them before anything runs.\n" in outcome.stderr
    assert "gone.csv" in outcome.stderr
    assert "'candidates.ElasticNet.params.alhpa' is not a parameter" in outcome.stderr
    project.write_recipe(lambda content: content.update(targt="quality", random_state="x"))
    project.write_profile(engin=1)
    outcome = project.run("check")
    assert "3 faults" in outcome.stderr
    assert "Correct them before anything runs. Candidates are checked after that.\n" in outcome.stderr
    assert "recipe.yaml: 'targt'" in outcome.stderr
    assert "test.yaml: 'engin'" in outcome.stderr
    assert not (project.folder / "mlflow.db").exists()
