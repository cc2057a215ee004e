"""Undocumented parts of MLflow in use, against the installed one."""

from __future__ import annotations

import json
import logging
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor
from skops.io.exceptions import UntrustedTypesFoundException
from sqlalchemy import Engine, event

from recipeline.data.origin.uris import MLFLOW_SCHEMES
from recipeline.errors import causes
from recipeline.tracking import _compat
from recipeline.tracking.connection.client import RegistryClient
from recipeline.tracking.connection.store import Store
from recipeline.tracking.models import load_model
from tests.toys import ROWS, TARGET, log_toy


def new_run(store: Store) -> str:
    return str(store.client.create_run(store.experiment("toy")).info.run_id)


# --- tags ----------------------------------------------------------------------------------------------------------------


def test_the_tags_of_a_runs_name_and_parent_are_those_that_mlflow_sets(store: Store) -> None:
    with (
        mlflow.start_run(experiment_id=store.experiment("toy"), run_name="outer") as outer,
        mlflow.start_run(experiment_id=store.experiment("toy"), run_name="inner", nested=True) as inner,
    ):
        pass
    tags = store.client.get_run(inner.info.run_id).data.tags
    assert (tags[_compat.RUN_NAME], tags[_compat.PARENT_RUN_ID]) == ("inner", outer.info.run_id)


def test_the_tags_of_the_context_are_those_of_a_run_that_mlflow_starts_and_ones_own_win(store: Store) -> None:
    with mlflow.start_run(experiment_id=store.experiment("toy")) as run:
        pass
    started = store.client.get_run(run.info.run_id).data.tags
    found = _compat.context_tags({"mine": "1", "mlflow.user": "somebody"})
    assert set(started) - {_compat.RUN_NAME} <= set(found)
    assert (found["mine"], found["mlflow.user"]) == ("1", "somebody")
    assert found["mlflow.source.name"] == started["mlflow.source.name"]


# --- databases -----------------------------------------------------------------------------------------------------------


def test_the_engines_of_a_store_are_those_that_its_client_asks(store: Store) -> None:
    engines = list(_compat.engines_of(store.client))
    assert [type(engine) for engine in engines] == [Engine, Engine]
    asked: list[str] = []
    for engine in engines:
        event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    store.client.search_experiments()
    assert [words for words in asked if "experiments" in words]
    store.client.search_registered_models()
    assert [words for words in asked if "registered_models" in words]


def test_a_server_has_no_engines() -> None:
    assert list(_compat.engines_of(MlflowClient("http://127.0.0.1:9"))) == []


def test_the_tables_of_a_store_are_asked_and_emptied_in_words_that_they_know(store: Store, tmp_path: Path) -> None:
    run_id = new_run(store)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        ask = connection.execute
        assert ask(_compat.COUNT_SCHEMAS).fetchone() == (1,)
        assert ask(_compat.COUNT_ROWS).fetchone() == (3,)  # Default, toy and the run
        root = store.client.get_run(run_id).info.artifact_uri
        experiments = dict(ask(_compat.LIST_EXPERIMENTS).fetchall())
        assert root.startswith(f"{experiments[1]}/")
        assert ask(_compat.LIST_RUNS, (1,)).fetchall() == [(run_id,)]
        ask(_compat.FORGET_EXPERIMENTS)
        assert ask("SELECT COUNT(*) FROM experiments").fetchone() == (0,)


def test_the_logger_of_database_errors_is_the_one_that_logs_their_traceback(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger(_compat.DATABASE_LOGGER)
    logger.setLevel(logging.WARNING)
    logger.addHandler(caplog.handler)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection, connection:
        connection.execute("DROP TABLE experiments")
    try:
        with pytest.raises(MlflowException):
            store.client.search_experiments()
    finally:
        logger.removeHandler(caplog.handler)
    assert {record.name for record in caplog.records if record.exc_info} == {_compat.DATABASE_LOGGER}


# --- what is left of the reason of an error ------------------------------------------------------------------------------


def test_an_error_of_a_database_keeps_its_cause(store: Store, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection, connection:
        connection.execute("DROP TABLE experiments")
    with pytest.raises(MlflowException) as error:
        store.client.search_experiments()
    assert sqlite3.OperationalError in [type(getattr(cause, "orig", None)) for cause in causes(error.value)]
    assert any(words in str(error.value) for words in _compat.STORE_GONE)


def test_an_address_that_is_none_is_refused_in_the_words_that_are_known() -> None:
    with pytest.raises(MlflowException) as error:
        MlflowClient("nonsense://x").search_registered_models()
    assert any(words in str(error.value) for words in _compat.STORE_GONE)


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """Give the address of a server that says this to everybody."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def reply() -> None:
            with suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    with peer:
                        peer.recv(65536)
                        peer.sendall(answer)

        threading.Thread(target=reply, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


BROKEN = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!"


@pytest.mark.parametrize("answer", [b"", BROKEN], ids=["none", "broken"])
def test_no_answer_of_a_server_begins_with_the_words_that_are_known(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with answering(answer) as address, pytest.raises(MlflowException) as error:
        MlflowClient(address).search_experiments()
    assert str(error.value).startswith(_compat.NO_ANSWER)


NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def test_a_file_that_a_server_does_not_have_is_told_in_the_words_that_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    folder = "api/2.0/mlflow-artifacts/artifacts/1"
    with answering(NOT_FOUND) as address, pytest.raises((MlflowException, OSError)) as error:
        mlflow.artifacts.download_artifacts(artifact_uri=f"{address}/{folder}/a.json", dst_path=str(tmp_path))
    assert any(words in str(error.value) for words in _compat.NOTHING_THERE)


def test_a_file_that_a_folder_does_not_have_is_told_in_the_words_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(MlflowException) as error:
        mlflow.artifacts.download_artifacts(artifact_uri=f"{tmp_path.as_uri()}/a.json", dst_path=str(tmp_path / "to"))
    assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    assert any(words in str(error.value) for words in _compat.NOTHING_THERE)


# --- artifacts -----------------------------------------------------------------------------------------------------------


def test_a_folder_of_this_machine_is_local_and_its_path_unquoted(tmp_path: Path) -> None:
    folder = tmp_path / "a b#c%20d"
    assert _compat.is_local(str(tmp_path))
    assert _compat.is_local(folder.as_uri())
    assert _compat.as_path(str(tmp_path)) == tmp_path
    assert _compat.as_path(folder.as_uri()) == folder


@pytest.mark.parametrize("uri", ["s3://bucket/a", "https://host.example/a", "mlflow-artifacts:/1/a", "runs:/1/a"])
def test_a_place_elsewhere_is_not_local(uri: str) -> None:
    assert not _compat.is_local(uri)


def test_every_scheme_that_mlflow_reads_is_known() -> None:
    from mlflow.store.artifact.artifact_repository_registry import get_registered_artifact_repositories

    assert set(get_registered_artifact_repositories()) - {""} == MLFLOW_SCHEMES


def test_an_unknown_scheme_is_refused_without_a_code_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(MlflowException) as error:
        mlflow.artifacts.download_artifacts(artifact_uri="shelf://a/b", dst_path=str(tmp_path))
    assert error.value.error_code == "INTERNAL_ERROR"


@pytest.mark.parametrize("name", ["model", "a b", "größer"])
def test_the_files_of_a_folder_are_listed_by_their_own_names_where_its_address_ends_in_a_slash(store: Store, name: str) -> None:
    run_id = new_run(store)
    store.client.log_text(run_id, "flavors: {}", f"{name}/MLmodel")
    folder = _compat.as_path(store.client.get_run(run_id).info.artifact_uri) / name
    for uri in (folder.as_uri(), str(folder)):
        assert [file.path for file in mlflow.artifacts.list_artifacts(artifact_uri=f"{uri}/")] == ["MLmodel"]
    assert mlflow.artifacts.list_artifacts(artifact_uri=f"{folder.as_uri()}-gone/") == []


# --- data sets -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "kind", "noted"),
    [
        ("/data/a.csv", "local", "/data/a.csv"),
        ("https://host.example/a.csv", "http", "https://host.example/a.csv"),
        ("s3://bucket/a.csv", "s3", "s3://bucket/a.csv"),
        ("runs:/0123/a.csv", "code", "runs:/0123/a.csv"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_source_of_rows_is_noted_by_its_address(store: Store, origin: str, kind: str, noted: str) -> None:
    dataset = mlflow.data.from_pandas(ROWS, source=_compat.describe_source(origin), name="rows", digest="0123")
    entity = mlflow.entities.Dataset(**dataset.to_dict())
    assert entity == dataset._to_mlflow_entity()
    run_id = new_run(store)
    store.client.log_inputs(run_id, [mlflow.entities.DatasetInput(entity, [])])
    (found,) = store.client.get_run(run_id).inputs.dataset_inputs
    assert found.dataset.source_type == kind
    assert noted in json.dumps(json.loads(found.dataset.source))


# --- models --------------------------------------------------------------------------------------------------------------


def save(model: Any, **given: Any) -> None:
    mlflow.sklearn.save_model(model, serialization_format="skops", **given)


def test_a_type_that_is_not_trusted_is_the_reason_of_the_error_that_mlflow_raises(tmp_path: Path) -> None:
    model = KNeighborsRegressor(n_neighbors=2, algorithm="kd_tree").fit(ROWS, TARGET)
    with pytest.raises(MlflowException) as error:
        save(model, path=str(tmp_path / "model"), pip_requirements=["scikit-learn"])
    assert any(isinstance(cause, UntrustedTypesFoundException) for cause in causes(error.value))


def test_requirements_are_not_compared_in_the_block_and_are_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[object] = []
    monkeypatch.setattr("mlflow.utils.environment.warn_dependency_requirement_mismatches", compared.append)
    model = LinearRegression().fit(ROWS, TARGET)
    with _compat.requirements_known():
        save(model, path=str(tmp_path / "known"), pip_requirements=["scikit-learn"])
    assert compared == []
    with suppress(ZeroDivisionError), _compat.requirements_known():
        _ = 1 / 0
    save(model, path=str(tmp_path / "unknown"), pip_requirements=["scikit-learn"])
    assert compared


def test_the_location_of_a_model_is_that_of_its_files_whatever_it_is_named_by(store: Store) -> None:
    _, model_id = log_toy(store)
    store.client.create_registered_model("Toy")
    store.client.create_model_version("Toy", f"models:/{model_id}", model_id=model_id)
    store.client.set_registered_model_alias("Toy", "champion", "1")
    location = store.client.get_logged_model(model_id).artifact_location
    for uri in (f"models:/{model_id}", "models:/Toy/1", "models:/Toy@champion", location):
        assert _compat.as_path(_compat.model_location(uri)) == _compat.as_path(location)
        before = sorted(_compat.as_path(location).iterdir())
        assert load_model(uri) is not None
        assert sorted(_compat.as_path(location).iterdir()) == before


def test_sessions_of_mlflows_client_repeat_requests_as_they_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.utils import request_utils
    from urllib3.util import Retry

    class Other(Retry):
        pass

    monkeypatch.setattr(request_utils, "Retry", request_utils.Retry)  # put back afterwards
    _compat.replace_retries(Other)
    session = request_utils._get_request_session(3, 2, 1.0, frozenset([503]), True, True)
    request_utils._cached_get_request_session.cache_clear()
    assert all(type(session.get_adapter(f"{scheme}://x").max_retries) is Other for scheme in ("http", "https"))


# --- fewer requests than the public methods make --------------------------------------------------------------------------


def test_a_run_is_ended_as_by_the_public_method(store: Store) -> None:
    for status in ("FINISHED", "FAILED"):
        ours, theirs = new_run(store), new_run(store)
        _compat.end_run(store.client, ours, status)
        store.client.set_terminated(theirs, status)
        found = [store.client.get_run(run_id).info for run_id in (ours, theirs)]
        assert [(it.status, it.run_name is not None, it.end_time > 0) for it in found] == [(status, True, True)] * 2
        assert abs(found[0].end_time - found[1].end_time) < 60_000


def test_a_file_is_downloaded_without_a_listing(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = new_run(store)
    store.client.log_text(run_id, "a", "deep/a.txt")
    repository = get_artifact_repository(store.client.get_run(run_id).info.artifact_uri)

    def list_nothing(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(repository, "list_artifacts", list_nothing)
    _compat.download_file(repository, "deep/a.txt", tmp_path / "copy.txt")
    assert (tmp_path / "copy.txt").read_text(encoding="utf-8") == "a"


def test_a_model_is_checked_once_for_being_a_prompt(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.client.create_registered_model("Toy")
    store.client.create_model_version("Toy", "s3://bucket/model")
    later, asked = RegistryClient(store.client.tracking_uri), []
    get = later.get_registered_model
    monkeypatch.setattr(later, "get_registered_model", lambda name: (asked.append(name), get(name))[1])
    for number in range(2):
        later.set_registered_model_alias("Toy", f"a{number}", "1")
        later.set_model_version_tag("Toy", "1", "a", "b")
    assert asked == ["Toy"]
