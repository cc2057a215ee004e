"""Stores whose folder was moved or copied: found, told and corrected."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.entities import Run

from recipeline.errors import UnavailableError
from recipeline.tracking.connection.local import LocalStore, check_database, find_local, find_old_root, relocate
from recipeline.tracking.connection.store import Store, open_store
from recipeline.tracking.models import model_id_of
from tests.conftest import close_stores
from tests.toys import log_toy


@pytest.fixture(params=["plain", "with space ü"])
def project(request: pytest.FixtureRequest, tmp_path: Path, empty_store: Path) -> Path:
    """A folder with a store of one run and model of ours, one run of MLflow's.

    Each in an experiment of its own.
    """
    folder = tmp_path / request.param
    folder.mkdir()
    shutil.copy(empty_store, folder / "mlflow.db")
    store = open_here(folder)
    _, model_id = log_toy(store)
    store.client.create_registered_model("Toy")
    store.client.create_model_version("Toy", f"models:/{model_id}", model_id=model_id)
    other = store.client.create_experiment("by path", artifact_location=str(folder / "mlruns/7"))
    store.client.log_text(store.client.create_run(other).info.run_id, "text", "a.txt")
    close_stores()
    return folder


def open_here(folder: Path) -> Store:
    return open_store("sqlite:///mlflow.db", root=folder, artifact_location="mlruns")


def files_of(folder: Path) -> LocalStore:
    return LocalStore(folder / "mlflow.db", folder / "mlruns")


def mend(folder: Path) -> list[Path]:
    """Relocate the store as often as it takes; return the folders that it was in."""
    files, found = files_of(folder), []
    while before := find_old_root(files.database, files.artifacts):
        relocate(files.database, before, files.artifacts)
        found.append(before)
    return found


def locations(database: Path) -> str:
    """Return all that the database says, as SQL."""
    with closing(sqlite3.connect(database)) as connection:
        return "\n".join(connection.iterdump())


def runs(store: Store) -> list[Run]:
    return list(store.client.search_runs([e.experiment_id for e in store.client.search_experiments()]))


@pytest.mark.parametrize("way", ["moved", "copied", "moved with a link in the old place"])
def test_a_moved_store_is_not_opened_until_it_is_corrected_and_then_names_nothing_in_the_old_place(
    project: Path, tmp_path: Path, way: str
) -> None:
    after = tmp_path / "new folder"
    shutil.copytree(project, after)
    if way != "copied":
        shutil.rmtree(project)
    if way.endswith("link in the old place"):
        project.symlink_to(after)
        assert open_here(after)  # every path still leads to the same files
        return
    with pytest.raises(UnavailableError, match=r"was moved: its artifacts are in .* `recipeline repair`") as error:
        open_here(after)
    assert (str(project / "mlruns") in error.value.sentence, error.value.exit_code) == (True, 6)
    assert mend(after) == [project / "mlruns"]
    store = open_here(after)
    for run in runs(store):
        assert store.client.list_artifacts(run.info.run_id)
    (version,) = store.client.search_model_versions("name = 'Toy'")
    assert Path(find_local(store.uri, version_location(store, model_id_of(version))).artifacts, "MLmodel").is_file()
    said = [line for line in locations(after / "mlflow.db").splitlines() if str(project) in line or project.as_uri() in line]
    assert all("experiments" in line and "Default" in line for line in said), said


def version_location(store: Store, model_id: str) -> str:
    return str(store.client.get_logged_model(model_id).artifact_location)


def test_a_store_in_its_own_place_is_left_alone(project: Path) -> None:
    before = locations(project / "mlflow.db")
    assert (open_here(project).uri, mend(project)) == (f"sqlite:///{project}/mlflow.db", [])
    assert locations(project / "mlflow.db") == before


def test_a_store_whose_artifacts_are_elsewhere_by_choice_is_left_alone(project: Path, tmp_path: Path) -> None:
    (tmp_path / "other/toy").mkdir(parents=True)
    (tmp_path / "other/7").mkdir()
    assert open_store("sqlite:///mlflow.db", root=project, artifact_location=str(tmp_path / "other"))
    assert open_store("sqlite:///mlflow.db", root=project, artifact_location="s3://bucket/wines")


def test_what_was_written_to_the_old_place_since_is_brought_along_and_the_old_place_keeps_it(
    project: Path, tmp_path: Path
) -> None:
    after = tmp_path / "copy"
    shutil.copytree(project, after)
    (run, *_) = runs(open_here(project))
    late = open_here(project).client.create_run(run.info.experiment_id).info.run_id
    open_here(project).client.log_text(late, "late", "late.txt")
    close_stores()
    shutil.copy(project / "mlflow.db", after / "mlflow.db")  # as if it had been written there
    mend(after)
    assert open_here(after).client.list_artifacts(late)[0].path == "late.txt"
    assert len(list(tmp_path.rglob("late.txt"))) == 2


@pytest.mark.parametrize("content", [b"no database" * 100, b"SQLite format 3\0" + b"\xff" * 5000], ids=["text", "header only"])
def test_a_damaged_database_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.db").write_bytes(content)
    with pytest.raises(sqlite3.DatabaseError):
        check_database(tmp_path / "a.db")
    with pytest.raises(sqlite3.OperationalError):
        check_database(tmp_path / "none.db")


def test_a_page_that_was_overwritten_is_found(project: Path) -> None:
    content = (project / "mlflow.db").read_bytes()
    check_database(project / "mlflow.db")
    (project / "mlflow.db").write_bytes(content[:40960] + b"\xff" * 4096 + content[45056:])
    with pytest.raises(sqlite3.DatabaseError):
        check_database(project / "mlflow.db")


@pytest.mark.parametrize(
    ("uri", "root"), [("http://host", None), ("postgresql://host/db", "file:///a"), ("sqlite:////a.db", "s3://bucket")]
)
def test_a_store_that_is_not_all_on_this_machine_has_no_files(uri: str, root: str | None) -> None:
    assert find_local(uri, root) is None
