"""A version of one registry becomes one of another, once, with lineage.

The findings of its own gate stay behind.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from recipeline.artifacts import ADDED_REQUESTS, ORDER, VERDICT, VERSION
from recipeline.cli.target import find_target, open_target
from recipeline.hosting import mlflow_server
from recipeline.orchestration.added_rows import find_contents, find_requests
from recipeline.orchestration.session import Session
from recipeline.orchestration.transfer import writing
from recipeline.orchestration.transfer.source import reading_version
from recipeline.orchestration.transfer.writing import Transferred, write_version
from recipeline.registry.loading import load_version
from recipeline.registry.tries import count_looks, record_looks
from recipeline.tracking.connection.store import open_store
from recipeline.tracking.lineage import lineage_of_version
from recipeline.tracking.models import model_id_of
from recipeline.tracking.run_copies import CopyWriter
from recipeline.tracking.tags import VersionTags, run_id_tag
from tests.orchestration.transfer.helpers import IDENTITY, add_version
from tests.registry.helpers import ANN
from tests.sessions import lines_of, open_toys
from tests.toys import ROWS


def send(dev: Session, prod: Session, number: str = "1") -> Transferred:
    with reading_version(dev, dev.registry.version(number), with_runs=True) as found:
        mlflow.set_tracking_uri(prod.store.uri)
        return write_version(fresh(prod), found)


def fresh(session: Session) -> Session:
    """Return a session of another command."""
    return replace(session)


def copies(session: Session) -> dict[str, str]:
    """Return the status of each copy in a store, by run ID."""
    client = session.store.client
    found = client.search_runs([it.experiment_id for it in client.search_experiments()])
    return {run.info.run_id: run.info.status for run in found if "recipeline.source_run_id" in run.data.tags}


def assert_whole(prod: Session, version: ModelVersion) -> None:
    session = fresh(prod)
    lineage = lineage_of_version(version, session.upstream("promote"))
    assert [*lineage] == [*session.upstream("promote")]
    for run_id in lineage.values():
        assert session.reader.faults(run_id) == []
    assert session.reader.load(VERSION, lineage["register"]).version == str(version.version)
    assert session.reader.load(VERDICT, lineage["evaluate"]).run_id == version.run_id
    load_version(session.reader, version).predict(ROWS)
    assert {*copies(session)} == {*lineage.values(), version.run_id}
    assert {*copies(session).values()} == {"FINISHED"}


def test_a_new_version_is_the_challenger_and_leads_to_its_copies_and_to_its_source(dev: Session, prod: Session) -> None:
    done = send(dev, prod)
    assert (done.version, done.is_new) == ("1", True)
    version, before = prod.registry.version("1"), dev.registry.version("1")
    assert_whole(prod, version)
    assert (version.current_stage, version.aliases) == ("Staging", ["challenger"])
    assert version.tags[VersionTags.IDENTITY] == IDENTITY
    assert version.tags[VersionTags.SOURCE_VERSION] == f"{before.name}/1"
    assert version.tags[VersionTags.SOURCE_RUN_ID] == before.tags[VersionTags.REGISTER_RUN_ID]
    assert version.tags[VersionTags.CANDIDATE] == "lr"
    assert version.description == f"made by {version.run_id}"
    assert before.tags[VersionTags.GATE_PASSED] == "true"
    for tag in (VersionTags.GATE_PASSED, VersionTags.HELD_AGAINST, VersionTags.GATE_RUN_ID):
        assert tag not in version.tags  # it would be approved without a measurement


def test_the_same_version_again_writes_nothing_and_another_one_with_other_files_does(dev: Session, prod: Session) -> None:
    first, runs = send(dev, prod), copies(prod)
    again = send(dev, prod)
    assert again == replace(first, is_new=False)
    assert copies(prod) == runs
    # The same recipe, rows and environment, and yet another model: what was tried there is what goes into Production here.
    dev.store.client.set_model_version_tag(dev.registry.name, "1", VersionTags.IDENTITY, "old")
    add_version(dev, slope=2.0)
    assert send(dev, prod, "2").version == "2"
    assert len(prod.registry.of_identity(IDENTITY)) == 2


def test_files_and_requests_that_were_added_in_the_source_are_known_in_the_target(dev: Session, prod: Session) -> None:
    digest = dev.registry.version("1").tags[VersionTags.DATA_DIGEST]
    with dev.open_run("retrain") as run:
        run.save(ADDED_REQUESTS, pd.DataFrame({"request": np.array([7], dtype=np.uint64)}))
        run.tag(base_digest="b", combined_digest=digest, added_digest="f")
    send(dev, prod)
    ingest = prod.registry.version("1").tags[run_id_tag("ingest")]
    assert find_contents(fresh(prod), ingest, digest) == {digest, "b", "f"}
    assert find_requests(fresh(prod), ingest, set()).tolist() == [7]
    with reading_version(fresh(prod), prod.registry.version("1"), with_runs=True) as found:  # and on to the next
        assert found.runs["ingest"].tags == {"recipeline.added_digest": "b,f"}


@pytest.mark.full
def test_an_interrupted_transfer_is_finished_or_deleted_by_the_next(
    dev: Session, prod: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each call of the writer; killed processes are in the scenarios."""

    class Stopped(BaseException):
        pass

    calls = 0
    for at in range(1, 40):
        left = at
        with monkeypatch.context() as patch:

            def stop(method: Callable[..., object]) -> Callable[..., object]:
                def call(*words: object, **options: object) -> object:
                    nonlocal left
                    left -= 1
                    if not left:
                        raise Stopped
                    return method(*words, **options)

                return call

            for name in ("open_run", "write_model", "write_files", "save", "close"):
                patch.setattr(CopyWriter, name, stop(getattr(CopyWriter, name)))
            try:
                send(dev, prod)
            except Stopped:
                calls += 1
            else:
                break
        versions = prod.registry.versions()
        assert len(versions) <= 1
        if at % 5 == 0 or versions:  # else several are left at once
            done = send(dev, prod)
            assert_whole(prod, prod.registry.version(done.version))
            prod.store.client.delete_model_version(prod.registry.name, done.version)
    assert calls > 15
    assert_whole(prod, prod.registry.versions()[0])


@pytest.mark.full
def test_a_version_that_another_machine_registers_meanwhile_is_taken(
    dev: Session, prod: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = writing._Writing._write_runs
    others: list[Transferred] = []

    def overtake(self: writing._Writing, writer: CopyWriter) -> None:
        write(self, writer)
        with monkeypatch.context() as patch:
            patch.setattr(writing._Writing, "_write_runs", write)
            patch.setattr(writing, "_alone", lambda _: nullcontext())
            patch.setattr(writing, "delete_left", lambda *_: None)  # it is too young for the other machine
            others.append(send(dev, prod))

    monkeypatch.setattr(writing._Writing, "_write_runs", overtake)
    done = send(dev, prod)
    assert others == [replace(done, is_new=True)]
    assert not done.is_new
    assert_whole(prod, prod.registry.version("1"))


@pytest.mark.full
def test_another_model_of_the_same_store_gets_the_same_runs(dev: Session) -> None:
    there = replace(dev, recipe=dev.recipe.model_copy(update={"model_name": "Other"}))
    with reading_version(dev, dev.registry.version("1"), with_runs=False) as found:
        done = write_version(there, found)
        assert write_version(fresh(there), found) == replace(done, is_new=False)
    ours, theirs = there.registry.version("1"), dev.registry.version("1")
    assert model_id_of(ours) == model_id_of(theirs)
    for step in dev.upstream("register"):
        assert ours.tags[f"recipeline.{step}_run_id"] == theirs.tags[f"recipeline.{step}_run_id"]
    assert dev.reader.load(VERSION, done.register_run_id).name == "Other"
    assert dev.reader.load(VERSION, theirs.tags[VersionTags.REGISTER_RUN_ID]).name == theirs.name
    assert VersionTags.GATE_PASSED not in ours.tags


@pytest.mark.full
def test_the_looks_of_the_source_count_in_the_target(dev: Session, prod: Session) -> None:
    record_looks(dev.registry, {"a": 2, "b": 1}, ANN)
    send(dev, prod)
    send(dev, prod)
    assert count_looks(prod.registry, "") == 3
    assert len(prod.registry.ledger.read().entries) == 1


@pytest.mark.full
def test_a_transfer_waits_for_another_one_to_the_same_model(dev: Session, prod: Session, tmp_path: Path) -> None:
    waiting = fresh(prod)
    with reading_version(dev, dev.registry.version("1"), with_runs=True) as found:
        with writing._alone(prod):
            other = threading.Thread(target=write_version, args=(waiting, found))
            other.start()
            other.join(1.5)
            assert other.is_alive()
            assert lines_of(waiting) == [f"waiting for another transfer to {prod.registry.name}"]
            assert prod.registry.versions() == []
        other.join(120)
    assert [str(it.version) for it in prod.registry.versions()] == ["1"]
    assert (tmp_path / "prod").is_dir()


@pytest.fixture
def workspaces(tmp_path: Path) -> Iterator[str]:
    """The URI of an MLflow server with the workspaces `default` and `prod`."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--enable-workspaces", "--backend-store-uri", f"sqlite:///{tmp_path}/server.db"]
    command += ["--artifacts-destination", str(tmp_path / "artifacts")]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 180
        while not mlflow_server.is_ready(port):
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        MlflowClient(f"http://127.0.0.1:{port}").create_workspace("prod")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(60)


@pytest.mark.full
def test_another_workspace_of_the_same_server_is_another_store(
    workspaces: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_toys(open_store(workspaces, root=tmp_path), tmp_path, order=ORDER)
    version = add_version(session)
    monkeypatch.setenv("RECIPELINE_TO_MLFLOW_WORKSPACE", "prod")
    target = find_target(session, workspaces)
    with reading_version(session, version, with_runs=True) as found, open_target(session, target) as there:
        done = write_version(there, found)
        assert write_version(fresh(there), found) == replace(done, is_new=False)
        written = there.registry.version(done.version)
        assert written.workspace == "prod"
        assert "/workspaces/prod/" in there.store.client.get_run(written.run_id).info.artifact_uri
        load_version(fresh(there).reader, written).predict(ROWS)
    assert [it.tags.get(VersionTags.SOURCE_VERSION) for it in session.registry.versions()] == [None]
