from __future__ import annotations

import os
import re
import shutil
import socket
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import filelock
import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.utils.file_utils import local_file_uri_to_path

from recipeline.errors import UnavailableError, UsageError
from recipeline.tracking.connection import store as module
from recipeline.tracking.connection.store import NO_REGISTRY, Store, held, open_store
from tests.processes import new_processes


def test_a_store_that_is_not_there_is_unavailable_and_nothing_is_left_in_its_place(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=rf"The MLflow store sqlite:///{tmp_path}/none/mlflow\.db must be") as error:
        open_store("sqlite:///none/mlflow.db", root=tmp_path)
    assert error.value.exit_code == 6
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", [{"reads": True}, {"makes": False}])
@pytest.mark.parametrize(
    ("name", "reason", "fix"),
    [
        ("gone.db", "there is no such file", "Correct MINE, or run the chain, which makes one: `make pipeline`."),
        ("empty.db", "the file is empty", "Correct MINE, or run the chain, which makes one: `make pipeline`."),
        ("none/gone.db", "the folder .*/none does not exist", "Correct MINE."),
        ("other.db", "it is a database without MLflow's tables", "Correct MINE."),
    ],
)
def test_where_there_is_no_store_none_is_made_to_read_it(
    tmp_path: Path, how: dict[str, bool], name: str, reason: str, fix: str
) -> None:
    (tmp_path / "empty.db").touch()
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE made (it INTEGER)")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(
        UnavailableError, match=rf"^No MLflow store at {tmp_path}/{name}: {reason}\. {re.escape(fix)}$"
    ) as error:
        open_store(f"sqlite:///{name}", root=tmp_path, cache=tmp_path / "cache", named_by="MINE", **how)
    assert error.value.exit_code == 6
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_store_that_another_command_is_making_is_waited_for(tmp_path: Path, empty_store: Path) -> None:
    held_by_another = filelock.FileLock(tmp_path / "mlflow.db.lock", thread_local=False)

    def make() -> None:
        time.sleep(0.5)
        shutil.copy(empty_store, tmp_path / "mlflow.db")
        held_by_another.release()

    held_by_another.acquire()
    (tmp_path / "mlflow.db").touch()
    maker = threading.Thread(target=make)
    maker.start()
    try:
        assert list(open_store("sqlite:///mlflow.db", root=tmp_path, reads=True).experiments) == ["Default"]
    finally:
        maker.join()


@pytest.mark.parametrize("name", ["file/mlflow.db", "folder", "garbage.db"])
def test_a_path_that_cannot_be_a_store_is_unavailable_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("a file", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    (tmp_path / "garbage.db").write_text("no database" * 100, encoding="utf-8")
    start = time.monotonic()
    with pytest.raises(UnavailableError, match="must be reachable and writable") as error:
        open_store(f"sqlite:///{name}", root=tmp_path)
    assert time.monotonic() - start < 3
    assert error.value.exit_code == 6
    assert "\n" not in error.value.sentence
    assert (tmp_path / "file").read_text(encoding="utf-8") == "a file"
    assert list((tmp_path / "folder").iterdir()) == []
    assert (tmp_path / "garbage.db").read_text(encoding="utf-8") == "no database" * 100


def test_a_database_whose_driver_is_not_installed_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"driver of the store mssql\+pymssql://\*\*\*@host/name is not installed: no module 'pymssql'"
    ):
        open_store("mssql+pymssql://me:secret@host/name", root=tmp_path)


@pytest.mark.parametrize("name", [".", "..", "a/b"])
def test_the_artifacts_of_an_experiment_stay_below_the_root_whatever_its_name(tmp_path: Path, name: str) -> None:
    store = open_store("sqlite:///mlflow.db", root=tmp_path, artifact_location="root/mlruns")
    location = store.client.get_experiment(store.experiment(name)).artifact_location
    folder = Path(local_file_uri_to_path(location)).resolve()
    assert folder.parent == tmp_path / "root/mlruns"


def test_a_server_that_nobody_runs_is_unavailable_within_seconds(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        uri = f"http://me:secret@127.0.0.1:{listener.getsockname()[1]}"
    start = time.monotonic()
    with pytest.raises(UnavailableError, match=r"The MLflow store http://\*\*\*@127\.0\.0\.1:\d+ must be") as error:
        open_store(uri, root=tmp_path)
    assert time.monotonic() - start < 5
    assert "secret" not in error.value.sentence


@pytest.mark.parametrize("uri", ["nonsense://x", "http://", "http://[::1", "mlruns", ""])
def test_an_address_that_is_no_store_is_unavailable(tmp_path: Path, uri: str) -> None:
    with pytest.raises(UnavailableError, match="The MLflow store"):
        open_store(uri, root=tmp_path)


def test_a_relative_path_lies_in_the_root_whatever_the_working_folder(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    assert store.uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert open_store("sqlite:///sub/../mlflow.db", root=tmp_path).uri == store.uri
    assert open_store(store.uri, root=tmp_path / "elsewhere").uri == store.uri


def test_an_opened_store_is_the_one_that_mlflow_uses(store: Store) -> None:
    assert mlflow.get_tracking_uri() == store.uri
    assert store.client.tracking_uri == store.uri


def test_an_experiment_is_made_once_and_its_artifacts_lie_in_the_root(store: Store, tmp_path: Path) -> None:
    first = store.experiment("Wine Quality")
    assert store.experiment("Wine Quality") == first
    run = store.client.create_run(first)
    store.client.log_text(run.info.run_id, "a", "a.txt")
    (path,) = tmp_path.rglob("a.txt")
    assert path.relative_to(tmp_path).parts[0] == "mlruns"


@pytest.mark.parametrize("name", ["a/b", "../outside", "a b%20c?d#e", "größer"])
def test_no_name_of_an_experiment_leads_out_of_the_folder_of_artifacts(store: Store, tmp_path: Path, name: str) -> None:
    run_id = store.client.create_run(store.experiment(name)).info.run_id
    store.client.log_text(run_id, "a", f"{run_id}.txt")
    (path,) = tmp_path.parent.rglob(f"{run_id}.txt")
    assert path.resolve().is_relative_to(tmp_path / "mlruns")
    assert path.read_text(encoding="utf-8") == "a"


def test_experiments_of_different_names_have_different_folders(store: Store) -> None:
    names = ["a b", "a%20b", "a/b", "a%2Fb", "A"]
    places = {store.client.get_experiment(store.experiment(name)).artifact_location for name in names}
    assert len(places) == len(names)


@pytest.mark.usefixtures("store")
def test_a_store_without_a_place_for_artifacts_leaves_it_to_mlflow(tmp_path: Path) -> None:
    other = open_store("sqlite:///mlflow.db", root=tmp_path)
    experiment = other.client.get_experiment(other.experiment("a"))
    assert str(tmp_path / "mlruns") not in experiment.artifact_location


@pytest.mark.usefixtures("store")
def test_artifacts_of_a_store_can_be_elsewhere(tmp_path: Path) -> None:
    store = open_store("sqlite:///mlflow.db", root=tmp_path, artifact_location="s3://bucket/wine/")
    location = store.client.get_experiment(store.experiment("a b")).artifact_location
    assert location == "s3://bucket/wine/a%20b"


def test_a_deleted_experiment_is_unavailable_with_the_way_to_bring_it_back(store: Store, tmp_path: Path) -> None:
    experiment_id = store.experiment("a")
    store.client.delete_experiment(experiment_id)
    with pytest.raises(UnavailableError, match=rf"mlflow experiments restore -x {experiment_id}"):
        open_store(store.uri, root=tmp_path).experiment("a")


def create(root: Path) -> tuple[str, str]:
    store = open_store("sqlite:///new.db", root=root)
    return store.uri, store.experiment("a")


def test_two_processes_can_make_the_same_store_at_once(tmp_path: Path) -> None:
    with new_processes(2) as pool:
        results = set(pool.map(create, [tmp_path] * 2))
    assert results == {(f"sqlite:///{tmp_path}/new.db", "1")}


def test_a_store_that_stays_locked_is_unavailable(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.2)
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        with held(store.lock(), store.uri):
            taken.set()
            done.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait(10)
    lock = store.lock()
    lock.timeout = 0.2
    try:
        with pytest.raises(UnavailableError, match=r"is locked by another command for more than 0\.2 s"), held(lock, store.uri):
            pass
    finally:
        done.set()
        holder.join()
    with held(store.lock(), store.uri):
        pass


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o660, 0o666])
def test_whoever_may_write_a_store_may_lock_it(store: Store, mode: int) -> None:
    database, lock = Path(store.uri.removeprefix("sqlite:///")), Path(store.lock().lock_file)
    before = os.umask(0o077)
    try:
        lock.unlink(missing_ok=True)
        database.chmod(mode)
        with held(store.lock(), store.uri):
            assert lock.stat().st_mode & 0o666 == mode
        database.chmod(0o666)  # its owner shares it later
        with held(store.lock(), store.uri):
            assert lock.stat().st_mode & 0o666 == 0o666
    finally:
        os.umask(before)


@pytest.mark.skipif(os.geteuid() != 0, reason="a file of another user is made by root")
def test_a_lock_that_root_makes_is_of_the_stores_owner(store: Store, tmp_path: Path) -> None:
    database, lock = Path(store.uri.removeprefix("sqlite:///")), Path(store.lock().lock_file)
    lock.unlink(missing_ok=True)
    os.chown(database, 65534, 65534)
    with held(store.lock(), store.uri):
        assert (lock.stat().st_uid, lock.stat().st_gid) == (65534, 65534)
    lock.unlink()
    (tmp_path / "another").touch()
    lock.hardlink_to(tmp_path / "another")
    with held(store.lock(), store.uri):
        assert lock.stat().st_uid == 0, "a file with another name is none of ours"


def test_users_of_one_machine_have_locks_of_their_own_for_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    uri, paths = "http://127.0.0.1:5000", set()
    for user in (0, 1000, 1001):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        paths.add(module.store_lock(uri).lock_file)
    assert len(paths) == 3


def test_the_same_thread_can_take_the_lock_again(store: Store) -> None:
    with held(store.lock(), store.uri), held(store.lock(), store.uri):
        assert store.lock().is_locked
    assert not store.lock().is_locked


@pytest.mark.parametrize("name", ["tracking", "registry"])
@pytest.mark.parametrize(
    "uri", ["databricks", "databricks://dev", "databricks-uc", "databricks-uc://dev", "uc:http://localhost:8080"]
)
def test_a_registry_without_stages_or_aliases_is_refused_before_anything_is_asked(
    tmp_path: Path, name: str, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "registry":
        monkeypatch.setenv("MLFLOW_REGISTRY_URI", uri)
    with pytest.raises(UsageError, match="lacks what Production is kept by") as error:
        open_store(uri if name == "tracking" else "sqlite:///mlflow.db", root=tmp_path)
    assert f"The registry {uri} " in error.value.sentence
    assert list(tmp_path.iterdir()) == []


def test_each_registry_that_mlflow_knows_has_stages_and_aliases_or_is_refused() -> None:
    """Else a change of Production fails in its middle."""
    from mlflow.store._unity_catalog.registry.rest_store import UcModelRegistryStore
    from mlflow.store._unity_catalog.registry.uc_oss_rest_store import UnityCatalogOssStore
    from mlflow.store.db.db_types import DATABASE_ENGINES
    from mlflow.store.model_registry.databricks_workspace_model_registry_rest_store import (
        DatabricksWorkspaceModelRegistryRestStore,
    )
    from mlflow.tracking._model_registry import utils

    known = {*utils._get_store_registry()._registry}
    assert known == {*NO_REGISTRY, *DATABASE_ENGINES, "", "file", "http", "https"}
    lacking = {UcModelRegistryStore: "stage", UnityCatalogOssStore: "stage", DatabricksWorkspaceModelRegistryRestStore: "alias"}
    calls: dict[str, tuple[str, tuple[Any, ...]]] = {
        "stage": ("transition_model_version_stage", ("Wine", "1", "Production", False))
    }
    calls["alias"] = ("set_registered_model_alias", ("Wine", "champion", "1"))
    for kind, what in lacking.items():
        method, arguments = calls[what]
        with pytest.raises((MlflowException, NotImplementedError), match=r"unsupported|not implemented"):
            getattr(object.__new__(kind), method)(*arguments)
