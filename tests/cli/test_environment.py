from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

from recipeline.cli.environment import PROJECT, find_project, has_store, is_fetched_project, open_session, open_settings
from recipeline.errors import UnavailableError, UsageError
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
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mine.db")
    found = open_settings(*settings(project))
    assert (found.tracking_uri, found.artifact_location, found.folder) == ("sqlite:///mine.db", None, project.folder)
    assert found.store_key != own.store_key
    assert found.store_key == open_settings(*settings(project)).store_key


def test_a_recipe_may_lie_in_the_folder_of_the_command_or_in_the_projects(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    assert open_settings("recipe.yaml", str(project.profile_path)).recipe.name == "small"
    monkeypatch.chdir(project.folder.parent)
    assert open_settings("recipe.yaml", str(project.profile_path)).recipe.path == ROOT / "recipe.yaml"


def test_to_ask_whether_there_is_a_store_makes_none(project: Project) -> None:
    assert has_store(*settings(project))
    (project.folder / "mlflow.db").unlink()
    assert not has_store(*settings(project))
    assert not (project.folder / "mlflow.db").exists()


def test_a_session_knows_who_gives_the_command_and_what_signs_the_ledger(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    monkeypatch.setenv("RECIPELINE_LEDGER_KEY", "secret")
    session = open_session(*settings(project))
    assert (session.actor.name, session.ledger_key, session.store.uri) == ("ann", "secret", project.uri)
    assert session.step("ingest").name == "ingest"
    assert session.adopted is None


def test_a_run_that_the_environment_names_must_be_one_of_the_store(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0123")
    with pytest.raises(UnavailableError, match=r"MLFLOW_RUN_ID must be a run of the store\. Got '0123' instead"):
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
