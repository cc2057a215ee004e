from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities.model_registry import ModelVersion
from sqlalchemy.exc import OperationalError

from recipeline.config.profile import Service as Settings
from recipeline.errors import UnavailableError
from recipeline.registry.versions import Registry
from recipeline.serving.following import follower
from recipeline.serving.following.follower import Watch
from recipeline.serving.following.polling import Board, Poller
from recipeline.serving.model.copies import fetch_version, served_copies
from recipeline.serving.prometheus import Metrics
from recipeline.serving.shadow.answering import Shadow
from recipeline.serving.state import Service
from recipeline.tracking.connection.failures import store_errors
from recipeline.tracking.connection.store import Store, open_store
from tests.conftest import NAME, Project
from tests.serving.helpers import store_of

pytestmark = pytest.mark.xdist_group("watch")


class Watched:
    """A service and its watch, on two versions; the store can be taken away."""

    def __init__(self, project: Project, folder: Path) -> None:
        self.project, self.folder, self.away = project, folder, False
        self.store: Store | None = None
        self.restart()

    def restart(self) -> None:
        self.service = Service(NAME, Settings(), Metrics())
        self.watch = Watch(self.service, self._open, self.folder)

    def _open(self) -> Store:
        if self.away:
            raise UnavailableError("The MLflow store must be reachable and writable.", got="'nothing there'")
        self.store = self.store or store_of(self.project)
        return self.store

    def poll(self) -> str:
        self.watch.poll()
        return self.service.model.version if self.service.model else ""

    def metric(self, name: str) -> float:
        line = next(line for line in self.service.metrics.expose().decode().splitlines() if line.startswith(name))
        return float(line.split()[-1])


@pytest.fixture
def watched(waiting: Project, tmp_path: Path) -> Watched:
    """A project with version 1 in Production and version 2 waiting."""
    return Watched(waiting, tmp_path / "copies")


@pytest.fixture
def fetches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The versions that are fetched from the store, in their order."""
    found: list[str] = []

    def fetch(store: Store, version: ModelVersion, folder: Path) -> Path:
        found.append(str(version.version))
        return fetch_version(store, version, folder)

    monkeypatch.setattr("recipeline.serving.following.follower.fetch_version", fetch)
    return found


class Fault:
    """Ways in which the wanted version, the second one, cannot be served."""

    @staticmethod
    def file(watched: Watched) -> Path:
        version = watched.project.client.get_model_version(NAME, "2")
        model = watched.project.client.get_logged_model(version.source.rpartition("/")[2])
        return Path(model.artifact_location.removeprefix("file://")) / "model.skops"

    @staticmethod
    def of_the_store(watched: Watched) -> None:
        watched.away = True
        watched.restart()

    @classmethod
    def of_its_file(cls, watched: Watched) -> None:
        file = cls.file(watched)
        file.write_bytes(file.read_bytes()[:-50])

    @classmethod
    def of_its_place(cls, watched: Watched) -> None:
        shutil.rmtree(cls.file(watched).parent)

    @staticmethod
    def of_its_run(watched: Watched) -> None:
        version = watched.project.client.get_model_version(NAME, "2")
        run = watched.project.client.get_run(version.tags["recipeline.evaluate_run_id"])
        shutil.rmtree(run.info.artifact_uri.removeprefix("file://"))


def test_a_promotion_and_a_rollback_are_followed(watched: Watched) -> None:
    assert watched.poll() == "1"
    watched.project.ok("promote", promote="always")
    assert watched.poll() == "2"
    first = watched.service.model
    assert watched.poll() == "2"
    assert watched.service.model is first
    watched.project.ok("rollback")
    assert watched.poll() == "1"
    assert watched.metric("model_swaps_total") == 3


def test_nothing_in_production_is_no_model_which_is_said_once(
    project: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched(project, tmp_path / "copies")
    assert (watched.poll(), watched.poll()) == ("", "")
    assert watched.service.state()["status"] == "not ready"
    project.ok("main", model="lr", promote="always")
    assert watched.poll() == "1"
    watched.watch.poll()
    assert caplog.text.count("requests are refused (503): no version of") == 1


def test_a_version_that_cannot_be_served_is_refused_and_the_old_one_stays(watched: Watched) -> None:
    watched.poll()
    watched.project.ok("promote", promote="always")
    file = Fault.file(watched)
    whole = file.read_bytes()
    file.write_bytes(whole[:-50])
    assert watched.poll() == "1"
    state = watched.service.state()
    assert state["status"] == "ready"
    assert state["wanted"] == "2"
    assert "has changed or is truncated" in state["refused"]["reason"]
    assert (watched.metric("model_stale"), watched.metric("model_refused_total")) == (1, 1)
    assert watched.poll() == "1"
    assert watched.metric("model_refused_total") == 1  # it is not tried again every second
    file.write_bytes(whole)
    watched.watch._retry_at = 0
    assert watched.poll() == "2"
    assert watched.metric("model_stale") == 0
    assert watched.service.state()["refused"] is None


def test_a_store_that_is_away_changes_nothing(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.poll()
    with monkeypatch.context() as patch:
        patch.setattr(
            "recipeline.serving.following.follower.Registry",
            lambda *_: (_ for _ in ()).throw(UnavailableError("The store must be reachable.")),
        )
        assert watched.poll() == "1"
        state = watched.service.state()
        assert state["status"] == "ready"
        assert state["registry"] == {"answers": False, "error": "The store must be reachable."}
        assert watched.metric("registry_errors_total") == 1
    assert watched.poll() == "1"
    assert watched.service.state()["registry"]["answers"]


def test_a_worker_that_is_begun_while_the_store_is_away_serves_what_was_served_last(watched: Watched) -> None:
    watched.poll()
    watched.away = True
    watched.restart()
    assert watched.poll() == "1"
    assert watched.service.state()["status"] == "ready"
    assert not watched.service.state()["registry"]["answers"]


@pytest.mark.parametrize("fault", [Fault.of_the_store, Fault.of_its_file, Fault.of_its_place, Fault.of_its_run])
def test_a_worker_that_is_begun_while_the_wanted_version_cannot_be_served_serves_what_was_served_last(
    watched: Watched, fault: Callable[[Watched], None]
) -> None:
    watched.poll()
    watched.project.ok("promote", promote="always")
    fault(watched)
    watched.poll()
    watched.restart()
    assert watched.poll() == "1"
    state = watched.service.state()
    assert state["status"] == "ready"
    assert state["wanted"] == ("1" if watched.away else "2")
    assert bool(state["refused"]) is not watched.away


def damage(copy: Path) -> None:
    for path in (copy / "version.json", copy / "model" / "model.skops"):
        path.write_bytes(path.read_bytes()[:20])


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError,
        *(pytest.param(it, marks=pytest.mark.full) for it in (ValueError, ImportError, KeyError, zlib.error, AssertionError)),
    ],
)
@pytest.mark.parametrize("place", ["fetch_version", "load_copy", "Registry"])
def test_whatever_a_client_of_a_storage_raises_what_was_served_last_is_served(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, error: type[Exception], place: str
) -> None:
    watched.poll()
    watched.project.ok("promote", promote="always")
    watched.restart()
    load = follower.load_copy

    def fail(*words: Any) -> Any:
        if place != "load_copy" or words[0].name.startswith("2-"):
            raise error("no such thing at ftp://user:Zq7x@host/")
        return load(*words)

    monkeypatch.setattr(follower, place, fail)
    watched.watch.start(wait_seconds=20)
    watched.watch.stop()
    state = watched.service.state()
    assert (state["status"], state["served"]["version"]) == ("ready", "1")
    told = state["registry"]["error"] if place == "Registry" else state["refused"]["reason"]
    assert told == "an error of the service; its log has it"
    assert "Zq7x" not in json.dumps(state)


def test_copies_that_fail_are_skipped_and_the_one_served_before_them_is_recalled(watched: Watched) -> None:
    watched.poll()
    watched.project.ok("promote", promote="always")
    assert watched.poll() == "2"
    damage(served_copies(watched.folder)[0])
    watched.away = True
    watched.restart()
    assert watched.poll() == "1"


CHANGES: dict[str, Callable[[bytes], bytes | None]] = {
    "cut off": lambda content: content[:-1],
    "longer": lambda content: content + b"\n",
    "another": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    "missing": lambda _: None,
}


@pytest.mark.parametrize(
    "change", [pytest.param(it, marks=() if it in ("another", "missing") else pytest.mark.full) for it in CHANGES]
)
def test_a_copy_of_which_any_file_changed_is_skipped_and_said_and_the_next_one_recalled(
    watched: Watched, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.poll()
    watched.project.ok("promote", promote="always")
    assert watched.poll() == "2"
    newest = served_copies(watched.folder)[0]
    said: list[str] = []
    monkeypatch.setattr("recipeline.serving.following.follower._LOG.error", lambda words, *values: said.append(words % values))
    files = sorted(path for path in newest.rglob("*") if path.is_file() and path.name != "served")
    assert {"digests.json", "version.json", "model.skops", "MLmodel"} <= {path.name for path in files}
    watched.away = True
    for file in files:
        content = file.read_bytes()
        changed = CHANGES[change](content)
        if changed is None:
            file.unlink()
        else:
            file.write_bytes(changed)
        # Of the digests themselves, what stays the same is that of each file.
        is_as_before = file.name == "digests.json" and change == "longer"
        said.clear()
        watched.restart()
        assert watched.poll() == ("2" if is_as_before else "1"), file
        assert is_as_before or f"the copy {newest} is skipped" in said[0]
        file.write_bytes(content)
        os.utime(newest / "served")  # the other one was served meanwhile
        assert served_copies(watched.folder)[0] == newest
    watched.restart()
    assert watched.poll() == "2"


def test_a_copy_with_a_changed_file_is_fetched_again_where_the_store_answers(watched: Watched, fetches: list[str]) -> None:
    watched.poll()
    file = served_copies(watched.folder)[0] / "model_info.json"
    whole = file.read_bytes()
    file.write_bytes(whole + b" ")
    watched.restart()
    assert watched.poll() == "1"
    assert file.read_bytes() == whole
    assert fetches == ["1", "1"]


def test_a_copy_without_digests_as_earlier_versions_left_them_is_fetched_again(watched: Watched, fetches: list[str]) -> None:
    watched.poll()
    (served_copies(watched.folder)[0] / "digests.json").unlink()
    watched.restart()
    assert watched.poll() == "1"
    assert watched.service.state()["refused"] is None
    assert fetches == ["1", "1"]


def test_a_refused_version_is_not_fetched_again_while_the_store_has_nothing_else(
    watched: Watched, fetches: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.poll()
    watched.project.ok("promote", promote="always")
    with monkeypatch.context() as patch:
        patch.setattr("recipeline.serving.model.loading.answers_golden", lambda *_: False)
        for _ in range(3):
            assert watched.poll() == "1"
            assert "golden rows" in watched.service.state()["refused"]["reason"]
            watched.watch._retry_at = 0
        assert fetches == ["1", "2"]
        # What the runs note is something else now.
        patch.setattr("recipeline.serving.model.copies.Reader.digest", lambda *_: "0" * 64)
        watched.poll()
        watched.watch._retry_at = 0
        assert fetches == ["1", "2", "2"]
    assert watched.poll() == "2"


def test_a_copy_of_the_wanted_version_that_fails_is_fetched_again(watched: Watched) -> None:
    watched.poll()
    damage(served_copies(watched.folder)[0])
    watched.restart()
    assert watched.poll() == "1"
    assert watched.service.state()["refused"] is None


def test_a_store_that_hangs_keeps_no_worker_from_what_was_served_last(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.poll()
    watched.restart()
    hung = threading.Event()
    monkeypatch.setattr(watched.watch, "_open_store", hung.wait)
    watched.watch.start(wait_seconds=0.05)
    watched.watch.stop()
    assert watched.service.state()["status"] == "ready"
    assert watched.service.state()["registry"] == {"answers": False, "error": "not asked yet"}
    hung.set()


def test_a_version_that_is_refused_again_and_again_is_fetched_less_and_less_often(watched: Watched) -> None:
    watched.project.ok("promote", promote="always")
    Fault.of_its_file(watched)
    for seconds in (15, 30, 60, 120, 240, 240):
        began = time.monotonic()
        watched.poll()
        assert began + seconds <= watched.watch._retry_at <= time.monotonic() + seconds
        watched.watch._retry_at = 0


def test_without_a_store_and_without_a_copy_it_is_not_ready_and_says_why(project: Project, tmp_path: Path) -> None:
    watched = Watched(project, tmp_path / "copies")
    watched.away = True
    assert watched.poll() == ""
    state = watched.service.state()
    assert state["status"] == "not ready"
    assert "nothing there" in state["registry"]["error"]


def refuse(uri: str, _: Path) -> Store:
    """Fail as a database's driver does, whose words hold the address."""
    with store_errors(uri):
        raise OperationalError("", {}, Exception(f"connection to {uri} failed: no password for user at {uri}"))


@pytest.mark.parametrize("password", ["Zq7x", "Zq7x/Kw9v", "Zq7x?Kw9v", "Zq7x#Kw9v", "Zq7x@Kw9v", "Zq7x%2FKw9v"])
@pytest.mark.parametrize(
    ("scheme", "open_it"), [("http", lambda uri, root: open_store(uri, root=root)), ("postgresql+psycopg", refuse)]
)
def test_the_password_of_a_store_that_is_away_is_told_to_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, scheme: str, open_it: Callable[[str, Path], Store], password: str
) -> None:
    uri = f"{scheme}://user:{password}@127.0.0.1:9/mlflow?token=Zq7x"
    service = Service(NAME, Settings(), Metrics())
    Watch(service, lambda: open_it(uri, tmp_path), tmp_path / "copies").poll()
    said = json.dumps(service.state()) + caplog.text
    assert service.state()["registry"]["error"] != "not asked yet"
    assert not [half for half in ("Zq7x", "Kw9v") if half in said], said


@pytest.mark.parametrize(("scheme", "password"), [("ftp", "Zq7x"), ("ftp", "Zq7x/Kw9v"), ("http", "Zq7x"), ("nosuch", "Zq7x")])
def test_the_password_of_a_place_of_artifacts_is_told_to_nobody(
    watched: Watched, caplog: pytest.LogCaptureFixture, scheme: str, password: str
) -> None:
    watched.poll()
    watched.project.ok("promote", promote="always")
    place = f"{scheme}://user:{password}@127.0.0.1:9/mlruns?token=Zq7x"
    with closing(sqlite3.connect(watched.project.folder / "mlflow.db")) as connection, connection:
        for table, column in (("runs", "artifact_uri"), ("logged_models", "artifact_location")):
            connection.execute(f"UPDATE {table} SET {column} = ? || substr({column}, -40)", (place,))
    watched.restart()
    assert watched.poll() == "1"
    said = json.dumps(watched.service.state()) + caplog.text
    assert watched.service.state()["refused"]
    assert not [half for half in ("Zq7x", "Kw9v") if half in said], said


def test_a_full_disk_refuses_the_new_version_and_keeps_the_old_one(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.poll()
    watched.project.ok("promote", promote="always")
    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfile", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
        assert watched.poll() == "1"
        assert "No space left" in watched.service.state()["refused"]["reason"]
    watched.watch._retry_at = 0
    assert watched.poll() == "2"


def test_the_watch_outlives_a_bug(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "_POLL_SECONDS", 0.05)
    calls = []

    def poll() -> None:
        calls.append(1)
        raise ZeroDivisionError

    monkeypatch.setattr(watched.watch, "poll", poll)
    watched.watch.start()
    deadline = time.monotonic() + 10
    while len(calls) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    watched.watch.stop()
    assert len(calls) >= 3
    assert not watched.service.state()["registry"]["answers"]


# --- one poller for all workers -----------------------------------------------------------------------------------------------


class Boarded(Watched):
    """The same project with two workers on one board.

    `asked` counts questions to the registry.
    """

    def __init__(self, project: Project, folder: Path, asked: list[str]) -> None:
        self.board, self.asked = Board(folder.parent, 60), asked
        super().__init__(project, folder)

    def restart(self) -> None:
        super().restart()
        self.other = Service(NAME, Settings(), Metrics())
        self.watches = [Watch(it, self._open, self.folder, board=self.board) for it in (self.service, self.other)]
        self.poller = Poller(self.board, self._open, NAME, ["champion"])

    def look(self) -> list[str]:
        """Let both workers look at the board; return what they serve."""
        self.asked.clear()
        for watch in self.watches:
            watch.poll()
        return [it.model.version if it.model else "" for it in (self.service, self.other)]


@pytest.fixture
def boarded(waiting: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Boarded:
    """A project with version 1 in Production, version 2 waiting, two workers."""
    asked, holder = list[str](), Registry.holder

    def count(registry: Registry, alias: str) -> ModelVersion | None:
        asked.append(alias)
        return holder(registry, alias)

    monkeypatch.setattr(Registry, "holder", count)
    return Boarded(waiting, tmp_path / "copies", asked)


def test_workers_ask_the_registry_only_where_the_board_has_another_version(boarded: Boarded) -> None:
    assert not any(watch.poll() for watch in boarded.watches)
    assert boarded.look() == ["", ""]
    boarded.poller.poll()
    assert (boarded.look(), boarded.asked) == (["1", "1"], ["champion", "champion"])
    boarded.poller.poll()
    assert (boarded.look(), boarded.asked) == (["1", "1"], [])
    boarded.project.ok("promote", promote="always")
    assert (boarded.look(), boarded.asked) == (["1", "1"], [])
    boarded.poller.poll()
    assert (boarded.look(), len(boarded.asked)) == (["2", "2"], 2)
    assert (boarded.look(), boarded.asked) == (["2", "2"], [])
    assert all(it.state()["registry"]["answers"] for it in (boarded.service, boarded.other))


def test_a_registry_that_the_poller_cannot_reach_is_told_by_all_workers_and_counted_once(boarded: Boarded) -> None:
    boarded.poller.poll()
    boarded.look()
    boarded.away, boarded.poller._store = True, None
    boarded.poller.poll()
    for _ in range(3):
        assert (boarded.look(), boarded.asked) == (["1", "1"], [])
    for service in (boarded.service, boarded.other):
        assert service.state()["registry"] == {
            "answers": False,
            "error": "The MLflow store must be reachable and writable. Got 'nothing there' instead.",
        }
    assert boarded.metric("registry_errors_total") == 1
    boarded.away = False
    boarded.poller.poll()
    boarded.look()
    assert boarded.service.state()["registry"]["answers"]


def test_a_version_that_is_refused_is_tried_again_after_its_time_without_a_new_notice(boarded: Boarded) -> None:
    boarded.poller.poll()
    boarded.look()
    boarded.project.ok("promote", promote="always")
    file = Fault.file(boarded)
    whole = file.read_bytes()
    file.write_bytes(whole[:-50])
    boarded.poller.poll()
    assert boarded.look() == ["1", "1"]
    assert (boarded.look(), boarded.asked) == (["1", "1"], [])
    assert boarded.metric("model_stale") == 1
    file.write_bytes(whole)
    for watch in boarded.watches:
        watch._retry_at = 0
    assert boarded.look() == ["2", "2"]


def test_workers_ask_by_themselves_and_no_more_often_where_the_board_says_nothing_any_more(
    boarded: Boarded, caplog: pytest.LogCaptureFixture
) -> None:
    boarded.poller.poll()
    boarded.look()
    boarded.project.client.set_registered_model_alias(NAME, "champion", "2")
    assert boarded.look() == ["1", "1"]
    boarded.board.patience_seconds = -1
    assert (boarded.look(), boarded.asked) == (["2", "2"], ["champion", "champion"])
    assert (boarded.look(), boarded.asked) == (["2", "2"], [])
    boarded.away = True
    for watch in boarded.watches:
        assert 0 < watch._ask_at - time.monotonic() <= 72
        watch._store, watch._ask_at = None, watch._ask_at - 72
    boarded.look()
    assert not any(it.state()["registry"]["answers"] for it in (boarded.service, boarded.other))
    assert sum("says nothing" in message for message in caplog.messages) == 2
    boarded.away, boarded.board.patience_seconds = False, 60
    boarded.poller.poll()
    assert (boarded.look(), boarded.asked) == (["2", "2"], [])
    assert all(it.state()["registry"]["answers"] for it in (boarded.service, boarded.other))


def test_a_board_that_never_said_anything_is_waited_for_and_not_for_ever(boarded: Boarded) -> None:
    assert not any(watch.poll() for watch in boarded.watches)
    assert not boarded.asked
    boarded.board.patience_seconds = -1
    assert all(watch.poll() for watch in boarded.watches)
    assert boarded.service.model


# --- the challenger in shadow -----------------------------------------------------------------------------------------------


class Shadowed(Watched):
    """The same project with a service whose challenger is in shadow."""

    def restart(self) -> None:
        super().restart()
        self.shadow = Shadow(NAME, Settings(shadow="challenger"), self.service.metrics.shadow)
        self.beside = Watch(self.shadow, self._open, self.folder.with_name("beside"), alias="challenger", recalls=False)

    def poll(self) -> str:
        """Return the versions that are served and in shadow."""
        self.beside.poll()
        return f"{super().poll()} {self.shadow.model.version if self.shadow.model else 'none'}"


@pytest.fixture
def shadowed(waiting: Project, tmp_path: Path) -> Iterator[Shadowed]:
    """A first version in Production and the second one as the challenger."""
    found = Shadowed(waiting, tmp_path / "copies")
    yield found
    found.shadow.close()


def test_the_challenger_is_followed_into_shadow_and_leaves_it_when_it_is_promoted(shadowed: Shadowed) -> None:
    assert shadowed.poll() == "1 2"
    served = shadowed.service.model
    assert served
    assert shadowed.shadow.describe(served).version == "2"
    shadowed.away = True
    shadowed.watch._store = shadowed.beside._store = None
    assert shadowed.poll() == "1 2"
    shadowed.away = False
    shadowed.project.ok("promote", promote="always")
    assert shadowed.poll() == "2 none"
    assert shadowed.service.model
    assert shadowed.shadow.describe(shadowed.service.model).state == "none"


@pytest.mark.parametrize("fault", [Fault.of_its_file, Fault.of_its_place, Fault.of_its_run], ids=lambda it: it.__name__)
def test_a_challenger_that_cannot_be_loaded_is_refused_and_production_knows_nothing_of_it(
    shadowed: Shadowed, fault: Callable[[Watched], object]
) -> None:
    fault(shadowed)
    assert shadowed.poll() == "1 none"
    state = shadowed.service.state()
    assert (state["status"], state["refused"], state["wanted"]) == ("ready", None, "1")
    assert shadowed.metric("model_stale") == 0
    assert shadowed.service.model
    assert (found := shadowed.shadow.describe(shadowed.service.model)).state == "refused"
    assert (found.version, bool(found.reason)) == ("2", True)
    assert shadowed.metric("shadow_model_refused_total") == 1


def test_a_refused_challenger_that_is_wanted_again_is_told_as_refused(shadowed: Shadowed) -> None:
    Fault.of_its_file(shadowed)
    client = shadowed.project.client
    assert shadowed.poll() == "1 none"
    assert shadowed.service.model
    client.delete_registered_model_alias(NAME, "challenger")
    shadowed.poll()
    assert shadowed.shadow.describe(shadowed.service.model).state == "none"
    client.set_registered_model_alias(NAME, "challenger", "2")
    shadowed.poll()
    assert shadowed.shadow.describe(shadowed.service.model).state == "refused"


def test_a_copy_that_was_in_shadow_is_never_recalled_into_production(shadowed: Shadowed) -> None:
    shadowed.poll()
    assert [copy.name[0] for copy in served_copies(shadowed.folder)] == ["1"]
    shadowed.away = True
    shadowed.restart()
    assert shadowed.poll() == "1 none"
