from __future__ import annotations

import gc
import hashlib
import json
import socket
import sqlite3
import tempfile
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import NoReturn

import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from recipeline.artifacts import CARD, DATASET, METRICS, VERDICT, plot
from recipeline.errors import UnavailableError
from recipeline.evaluation.results import Metrics
from recipeline.records import to_plain
from recipeline.tracking.artifact_writer import FORMAT, Writer
from recipeline.tracking.artifacts import artifact_folders
from recipeline.tracking.artifacts.artifact_cache import file_digest
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.connection.store import Store
from recipeline.tracking.tags import RunTags
from tests.records import some
from tests.toys import ROWS, log_toy
from tests.tracking.helpers import finish, new_run

FOUND = some(Metrics, {"test_rows": 4})


def harm(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "cut":
        path.write_bytes(content[:-9])
    elif how == "changed":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    else:
        path.unlink()


def test_a_run_is_whole_without_its_card_and_plots(store: Store) -> None:
    run_id = new_run(store)
    writer = Writer(store.client, run_id)
    for artifact in (plot("residuals"), CARD):
        writer.save(artifact, b"\x89PNG" if artifact is not CARD else "<html>")
    writer.save(METRICS, FOUND)
    writer.close()
    root = Path(store.client.get_run(run_id).info.artifact_uri.removeprefix("file://"))
    (root / "card.html").unlink()
    (root / "plots/residuals.png").write_bytes(b"other")
    assert Reader(store.client).faults(run_id) == []


def test_the_manifest_has_the_digest_of_every_file_and_model(store: Store, tmp_path: Path) -> None:
    run, model_id = log_toy(store)
    (path,) = (tmp_path / "mlruns").rglob("manifest.json")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    (table,) = (tmp_path / "mlruns").rglob("dataset.parquet")
    assert manifest["files"] == {"dataset.parquet": hashlib.sha256(table.read_bytes()).hexdigest()}
    assert list(manifest["models"]) == [model_id]
    model = tmp_path / "mlruns" / "toy" / "models" / model_id / "artifacts"
    assert manifest["models"][model_id]["MLmodel"] == file_digest(model / "MLmodel")
    assert set(manifest["models"][model_id]) == {str(f.relative_to(model)) for f in model.rglob("*") if f.is_file()}
    assert Reader(store.client).faults(run.id) == []


@pytest.mark.parametrize("how", ["cut", "changed", "removed"])
def test_an_artifact_that_is_not_whole_is_never_read(store: Store, tmp_path: Path, how: str) -> None:
    run, _ = log_toy(store)
    (path,) = (tmp_path / "mlruns").rglob("dataset.parquet")
    harm(path, how)
    got = "is missing" if how == "removed" else "has changed or is truncated"
    with pytest.raises(UnavailableError, match=rf"dataset\.parquet of run {run.id} {got}") as error:
        Reader(store.client).load(DATASET, run.id)
    assert error.value.exit_code == 6
    assert Reader(store.client).faults(run.id) == [error.value.sentence]


@pytest.mark.parametrize("is_here", [True, False], ids=["here", "on another machine"])
def test_the_rows_of_an_artifact_are_there_for_as_long_as_they_are_used(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_here: bool
) -> None:
    run, _ = log_toy(store)
    monkeypatch.setattr(artifact_folders, "is_local", lambda _: is_here)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = {*tmp_path.iterdir()}
    rows = Reader(store.client).open(DATASET, run.id)
    assert len({*tmp_path.iterdir()} - before) == (0 if is_here else 1)
    pd.testing.assert_frame_equal(pd.concat(rows.batches()), ROWS)
    del rows
    gc.collect()
    assert {*tmp_path.iterdir()} == before


@pytest.mark.parametrize("how", ["cut", "changed", "removed"])
def test_rows_that_are_not_whole_are_never_opened(store: Store, tmp_path: Path, how: str) -> None:
    run, _ = log_toy(store)
    (path,) = (tmp_path / "mlruns").rglob("dataset.parquet")
    harm(path, how)
    with pytest.raises(UnavailableError, match=rf"dataset\.parquet of run {run.id} (is missing|has changed)"):
        Reader(store.client).open(DATASET, run.id)


@pytest.mark.parametrize(("format_", "is_read"), [(None, True), (FORMAT, True), (FORMAT + 1, False), ("x", False), ([], False)])
def test_artifacts_of_a_newer_format_are_refused_and_those_of_older_ones_are_read(
    store: Store, tmp_path: Path, format_: object, is_read: bool
) -> None:
    run_id = new_run(store)
    writer = Writer(store.client, run_id)
    writer.save(METRICS, FOUND)
    writer.close()
    (path,) = (tmp_path / "mlruns").rglob("manifest.json")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    assert manifest.pop("format") == FORMAT
    path.write_text(json.dumps(manifest | ({} if format_ is None else {"format": format_})), encoding="utf-8")
    if is_read:
        assert Reader(store.client).load(METRICS, run_id) == FOUND
        return
    with pytest.raises(UnavailableError) as raised:
        Reader(store.client).load(METRICS, run_id)
    assert ("Upgrade recipeline" in str(raised.value)) == (format_ == FORMAT + 1)


@pytest.mark.parametrize(("how", "got"), [("cut", "cannot be read"), ("removed", "is missing")])
def test_without_a_whole_manifest_nothing_is_read(store: Store, tmp_path: Path, how: str, got: str) -> None:
    run, _ = log_toy(store)
    (path,) = (tmp_path / "mlruns").rglob("manifest.json")
    harm(path, how)
    with pytest.raises(UnavailableError, match=rf"manifest\.json of run {run.id} {got}"):
        Reader(store.client).load(DATASET, run.id)
    assert len(Reader(store.client).faults(run.id)) == 1


@pytest.mark.parametrize(
    "harmed",
    [
        {"files": {"../verdict.json": "d"}},
        {"files": {"/etc/hosts": "d"}},
        {"views": {"a/../../b": "d"}},
        {"files": ["verdict.json"]},
        {"models": {"m-1": {"..": "d"}}},
        {"format": "1"},
    ],
)
def test_a_manifest_that_leads_out_of_its_folder_is_not_read(store: Store, tmp_path: Path, harmed: dict[str, object]) -> None:
    run, _ = log_toy(store)
    (path,) = (tmp_path / "mlruns").rglob("manifest.json")
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | harmed), encoding="utf-8")
    store.client.set_tag(run.id, RunTags.MANIFEST_DIGEST, file_digest(path))  # by whoever may write into that store
    assert Reader(store.client).faults(run.id)[0].startswith(f"The artifact manifest.json of run {run.id} cannot be read.")


def test_a_copy_of_a_model_has_no_more_files_than_the_model(store: Store, tmp_path: Path) -> None:
    run, model_id = log_toy(store)
    (path,) = (tmp_path / "mlruns").rglob("MLmodel")
    (path.parent / "registered_model_meta").write_text("MLflow writes this where it loads a version", encoding="utf-8")
    reader = Reader(store.client)
    reader.copy_model(model_id, run.id, tmp_path / "copy")
    files = {str(it.relative_to(tmp_path / "copy")) for it in (tmp_path / "copy").rglob("*") if it.is_file()}
    assert files == {*reader.model_digests(model_id, run.id)}


def test_a_run_that_was_never_closed_has_no_manifest_and_is_not_read(store: Store) -> None:
    run_id = new_run(store)
    Writer(store.client, run_id).save(DATASET, ROWS)
    with pytest.raises(UnavailableError, match=r"manifest\.json"):
        Reader(store.client).load(DATASET, run_id)


def test_a_file_that_the_manifest_does_not_name_is_not_read(store: Store, tmp_path: Path) -> None:
    run, _ = log_toy(store)
    (tmp_path / "verdict.json").write_text("{}", encoding="utf-8")
    store.client.log_artifact(run.id, str(tmp_path / "verdict.json"))
    with pytest.raises(UnavailableError, match=r"verdict\.json .*is missing"):
        Reader(store.client).load(VERDICT, run.id)


def test_a_run_that_the_store_does_not_have_is_unavailable(store: Store) -> None:
    with pytest.raises(UnavailableError, match=r"^There is no run '0123' in the store"):
        Reader(store.client).load(DATASET, "0123")


@pytest.mark.parametrize(
    ("how", "got"),
    [("cut", "has changed or is truncated"), ("changed", "has changed or is truncated"), ("removed", "is missing")],
)
@pytest.mark.parametrize("name", ["MLmodel", "model.skops"])
def test_a_model_file_that_is_not_whole_is_named(store: Store, tmp_path: Path, name: str, how: str, got: str) -> None:
    run, model_id = log_toy(store)
    (path,) = (tmp_path / "mlruns").rglob(name)
    harm(path, how)
    assert Reader(store.client).faults(run.id) == [f"The file {name} of the logged model {model_id} {got}."]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (None, "must be reachable and writable"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc", "must be reachable and writable"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "must be reachable and writable"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "is missing"),
    ],
    ids=["no answer", "half an answer", "forbidden", "not found"],
)
def test_a_model_is_missing_only_where_its_server_says_so(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes | None, found: str
) -> None:
    run, _ = log_toy(store)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def reply() -> None:
            with suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    with peer:
                        peer.recv(65536)
                        peer.sendall(answer or b"")

        threading.Thread(target=reply, daemon=True).start()
        place = f"http://127.0.0.1:{listener.getsockname()[1]}/api/2.0/mlflow-artifacts/artifacts/1"
        with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection, connection:
            connection.execute("UPDATE logged_models SET artifact_location = ?", (place,))
        try:
            said = " ".join(Reader(store.client).faults(run.id))
        except UnavailableError as error:
            said = error.sentence
        listener.shutdown(socket.SHUT_RDWR)
    assert found in said


def test_a_model_that_is_gone_since_it_was_compared_is_a_sentence(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run, model_id = log_toy(store)
    reader = Reader(store.client)
    reader.know_model(model_id, "mlflow-artifacts:/1/models/gone")

    def gone(*_: object) -> NoReturn:
        raise MlflowException("404 Client Error: NOT FOUND", RESOURCE_DOES_NOT_EXIST)

    monkeypatch.setattr(reader.folders, "files", gone)
    monkeypatch.setattr(reader.folders, "states", lambda _, digests: dict.fromkeys(digests, "is missing"))
    with pytest.raises(UnavailableError, match=f"of the logged model {model_id} is missing"):
        reader.load_model(model_id, run.id)


def test_a_model_that_was_deleted_is_named(store: Store) -> None:
    run, model_id = log_toy(store)
    store.client.delete_logged_model(model_id)
    (fault,) = Reader(store.client).faults(run.id)
    assert model_id in fault


def test_a_record_without_a_key_that_is_needed_is_refused_in_a_sentence_that_names_it(store: Store) -> None:
    run_id = new_run(store)
    writer, plain = Writer(store.client, run_id), to_plain(FOUND)
    del plain["best"]["interval_90"]["level"]
    writer.save(METRICS, plain)
    writer.close()
    with pytest.raises(UnavailableError) as error:
        Reader(store.client).load(METRICS, run_id)
    assert error.value.sentence == (
        f"The artifact metrics.json of run {run_id} cannot be read. The key best.interval_90.level is missing. "
        "Run the step that writes it again."
    )


def test_a_manifest_that_was_replaced_is_refused(store: Store, tmp_path: Path) -> None:
    run, _ = log_toy(store)
    (table,) = (tmp_path / "mlruns").rglob("dataset.parquet")
    (path,) = (tmp_path / "mlruns").rglob("manifest.json")
    harm(table, "changed")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["files"]["dataset.parquet"] = file_digest(table)
    path.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(UnavailableError, match=rf"manifest\.json of run {run.id} has changed"):
        Reader(store.client).load(DATASET, run.id)


def test_a_run_without_results_has_no_manifest_and_no_faults(store: Store) -> None:
    run_id = finish(store)
    assert store.client.list_artifacts(run_id) == []
    reader = Reader(store.client)
    assert (reader.faults(run_id), reader.has(DATASET, run_id)) == ([], False)
