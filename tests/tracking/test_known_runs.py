from __future__ import annotations

import pytest
from mlflow.exceptions import MlflowException

from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.connection.store import Store
from recipeline.tracking.finished_runs import History
from recipeline.tracking.known_runs import KnownRuns
from recipeline.tracking.runs import open_run
from tests.tracking.helpers import WHO, finish, new_run


@pytest.fixture
def asked(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The IDs that the store is asked for."""
    ids: list[str] = []
    get = store.client.get_run
    monkeypatch.setattr(store.client, "get_run", lambda run_id: (ids.append(run_id), get(run_id))[1])
    return ids


def test_a_finished_run_of_a_step_is_read_once(store: Store, asked: list[str]) -> None:
    run_id, runs = finish(store), KnownRuns(store.client)
    assert runs.get(run_id) is runs.get(run_id)
    assert asked == [run_id]


def test_runs_that_may_change_are_read_each_time(store: Store, asked: list[str]) -> None:
    candidate, running, deleted = new_run(store), new_run(store), finish(store)
    store.client.set_terminated(candidate)
    store.client.set_tag(running, "recipeline.step", "train")
    store.client.delete_run(deleted)
    runs = KnownRuns(store.client)
    for run_id in (candidate, running, deleted):
        store.client.restore_run(deleted)
        assert runs.get(run_id).data.tags.get("x") is None
        if run_id != deleted:
            store.client.set_tag(run_id, "x", "y")
            assert runs.get(run_id).data.tags["x"] == "y"
    assert asked[:4] == [candidate, candidate, running, running]


def test_a_run_that_is_not_there_is_asked_for_again(store: Store, asked: list[str]) -> None:
    runs = KnownRuns(store.client)
    for _ in range(2):
        with pytest.raises(MlflowException):
            runs.get("0123")
    assert asked == ["0123", "0123"]


def test_a_search_tells_of_the_runs_that_it_finds(store: Store, asked: list[str]) -> None:
    run_id, runs = finish(store), KnownRuns(store.client)
    History(store.client, WHO["recipe"], WHO["profile"], runs).newest("ingest")
    assert runs.get(run_id).info.run_id == run_id
    assert asked == []


def test_a_run_of_this_command_is_known_as_the_store_has_it(store: Store, asked: list[str]) -> None:
    reader = Reader(store.client)
    with open_run(store.client, "ingest", store.experiment("toy"), WHO, reader=reader) as run:
        run.tag(data_source="uci", data_origin="x" * 6000)
        run.show(params={"a": "b"}, metrics={"rows": 7}, title="ingest · 7", note="seven rows")
    known = reader.runs.get(run.id)
    assert asked == []
    stored = store.client.get_run(run.id)
    assert known.data.to_dictionary() == stored.data.to_dictionary()
    for name in ("run_id", "experiment_id", "status", "artifact_uri", "lifecycle_stage", "run_name", "start_time"):
        assert getattr(known.info, name) == getattr(stored.info, name)
