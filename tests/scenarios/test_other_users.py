"""Commands of a user who may read a store and not write to it."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import sqlite3
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recipeline.cli.environment import PROJECT
from recipeline.errors import UnavailableError
from recipeline.serving import server
from recipeline.serving.following.follower import Watch
from recipeline.serving.model.copies import fetch_version
from recipeline.serving.prometheus import Metrics
from recipeline.serving.server import Serving
from recipeline.serving.state import Service
from recipeline.tracking.connection.store import open_store
from tests.conftest import NAME, ROOT, Project, close_stores, move_store
from tests.faults import in_fork
from tests.warm import import_all

NOBODY = 65534


def as_reader(command: Callable[[], object]) -> int:
    """Run `command` in a fork as a user without rights; return its status."""

    def run() -> None:
        close_stores()
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        command()

    return in_fork(run)


def _can_be_read_by_others() -> bool:
    """Whether another user reaches the code: a command imports when it runs."""
    places = [place for name in (ROOT, sys.prefix) for place in (Path(name), *Path(name).parents)]
    return all(place.stat().st_mode & 0o005 == 0o005 for place in places)


pytestmark = pytest.mark.skipif(
    os.geteuid() == 0 and not _can_be_read_by_others(), reason=f"root's other users may not read {ROOT} or {sys.prefix}"
)


@pytest.fixture(autouse=True)
def _project(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are those of this project, and import nothing more.

    A Python in the home of root is not to be read by others.
    """
    monkeypatch.setenv(PROJECT, str(ROOT))
    import_all(ROOT)
    importlib.import_module("encodings.cp437")  # of names in an archive


@pytest.fixture(scope="module")
def readable(_ran: Path, wines: pd.DataFrame) -> Iterator[Project]:
    """A project with a champion, which everybody may read and nobody write."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "project"
        move_store(_ran, folder)
        project = Project(folder, wines)
        paths = [Path(place), *Path(place).rglob("*")]
        for path in paths:
            path.chmod(0o555 if path.is_dir() else 0o444)
        yield project
        for path in paths:
            path.chmod(path.stat().st_mode | stat.S_IWUSR)


def snapshot(project: Project) -> dict[str, tuple[int, int]]:
    paths = project.folder.rglob("*")
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths if path.is_file()}


def test_commands_that_read_need_no_right_to_write(readable: Project) -> None:
    before = snapshot(readable)

    def read() -> None:
        os.chdir(readable.folder)
        for command, words in {
            "history": "promote",
            "who_served": "promote",
            "why": "In Production from",
            "doctor": "Nothing is broken",
            "predict": "version 1",
        }.items():
            outcome = readable.run(command)
            assert (outcome.exit_code, words in outcome.stdout) == (0, True), (command, outcome.stdout, outcome.stderr)
        with tempfile.TemporaryDirectory() as folder:
            readable.ok("backup", output=f"{folder}/a.tar.gz")
            readable.ok("predict", input=str(readable.data), output=f"{folder}/scored.csv")
        store = open_store(readable.uri, root=readable.folder, reads=True)
        champion = store.client.get_model_version_by_alias(NAME, "champion")
        with tempfile.TemporaryDirectory() as folder:
            assert fetch_version(store, champion, Path(folder) / "copies").is_dir()
        with pytest.raises(UnavailableError, match=r"The cache folder .*/cache must be writable.*RECIPELINE_CACHE"):
            fetch_version(store, champion, readable.folder / "cache")

    assert as_reader(read) == 0
    assert snapshot(readable) == before


def test_the_service_serves_from_a_store_that_it_may_only_read_and_names_a_cache_that_it_may_not_write(
    readable: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, begun = snapshot(readable), list[Serving]()
    monkeypatch.setattr(server, "serve", lambda serving, *_: begun.append(serving) or 0)

    def state_with(cache: str) -> dict[str, Any]:
        """Return what a worker of the service says once it has asked the registry."""
        os.environ["RECIPELINE_CACHE"] = cache
        readable.run("serve")
        serving = begun.pop()
        service = Service(serving.model_name, serving.settings, Metrics())
        Watch(service, serving.open_store, serving.copies).poll()
        return service.state()

    def serve() -> None:
        os.chdir(readable.folder)
        with tempfile.TemporaryDirectory() as folder:
            assert state_with(folder)["served"]["version"] == "1"
        state = state_with(str(readable.folder / "cache"))
        assert state["status"] == "not ready"
        assert re.search(r"The cache folder .*/cache/.* must be writable.*RECIPELINE_CACHE", state["refused"]["reason"]), state

    assert as_reader(serve) == 0
    assert snapshot(readable) == before


def test_commands_that_write_say_so_in_one_sentence(readable: Project) -> None:
    before = snapshot(readable)

    def write() -> None:
        os.chdir(readable.folder)
        for command in ("main", "rollback", "repair", "prune"):
            outcome = readable.run(command)
            assert outcome.exit_code == 6, (command, outcome.stderr)
            assert "must be reachable and writable" in outcome.stderr
            assert "Traceback" not in outcome.stderr

    assert as_reader(write) == 0
    assert snapshot(readable) == before


@pytest.mark.parametrize("is_there", [True, False])
def test_a_store_that_cannot_be_read_or_made_is_refused_at_once(is_there: bool, empty_store: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "mlflow.db"
        if is_there:
            shutil.copy(empty_store, database)
            database.chmod(0)
        Path(folder).chmod(0o555)

        def read() -> None:
            with pytest.raises(UnavailableError, match="must be reachable" if is_there else "No MLflow store at"):
                open_store(f"sqlite:///{database}", root=Path(folder), reads=True)

        assert as_reader(read) == 0
        Path(folder).chmod(0o755)


@pytest.fixture
def closed_wal(readable: Project) -> Iterator[Project]:
    """The same store, put into WAL mode by its owner, who has closed it."""
    database = readable.folder / "mlflow.db"

    def put(mode: str) -> None:
        for path in (readable.folder, database):
            path.chmod(path.stat().st_mode | stat.S_IWUSR)
        with closing(sqlite3.connect(database)) as connection:
            assert connection.execute(f"PRAGMA journal_mode = {mode}").fetchone() == (mode,)
        for path in (readable.folder, database):
            path.chmod(path.stat().st_mode & ~stat.S_IWUSR)

    put("wal")
    assert not list(readable.folder.glob("mlflow.db-*"))
    yield readable
    put("delete")


def test_a_closed_store_in_wal_mode_that_may_not_be_written_says_what_to_do(closed_wal: Project) -> None:
    before = snapshot(closed_wal)

    def read() -> None:
        os.chdir(closed_wal.folder)
        for command in ("history", "who_served", "why", "predict"):
            outcome = closed_wal.run(command)
            assert outcome.exit_code == 6, (command, outcome.stderr)
            assert "Got a database in WAL mode, in a folder that you may not write to instead." in outcome.stderr
            assert "PRAGMA journal_mode = DELETE" in outcome.stderr
            assert len(outcome.stderr.splitlines()) == 1
        outcome = closed_wal.run("doctor")
        assert (outcome.exit_code, "PRAGMA journal_mode = DELETE" in outcome.stdout) == (7, True)

    assert as_reader(read) == 0
    assert snapshot(closed_wal) == before
