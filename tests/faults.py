"""Processes that die at a chosen write to the store, and the writes there are."""

from __future__ import annotations

import gc
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

_WRITES = ("create_", "set_", "log_", "update_", "delete_", "transition_", "finalize_", "record_")


def _classes() -> list[type]:
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as RegistryStore
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as TrackingStore

    return [TrackingStore, RegistryStore, LocalArtifactRepository]


def watch_writes(seen: Callable[[str, str], None]) -> None:
    """Call `seen(when, name)` before and after each outermost write.

    To the store or its artifacts, in this process.
    """
    depth = 0

    def watched(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal depth
            if depth == 0:
                seen("before", name)
            depth += 1
            try:
                return method(*arguments, **options)
            finally:
                depth -= 1
                if depth == 0:
                    seen("after", name)

        return call

    for kind in _classes():
        for name in dir(kind):
            method = getattr(kind, name)
            if name.startswith(_WRITES) and callable(method):
                setattr(kind, name, watched(f"{kind.__module__.split('.')[-1]}.{name}", method))


def in_fork(command: Callable[[], object]) -> int:
    """Run `command` in a fork; return its wait status, 0 without an error.

    Connections that it opens stay there: a store that this process had open would be shared with every fork after it.
    """
    gc.collect()
    gc.freeze()  # what is left is none of the next collection's business
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    try:
        command()
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def run_and_die(command: Callable[[], object], *, at: int, log: Path) -> int:
    """Run `command` in a fork that is killed at its `at`-th moment.

    By SIGKILL; -1: never. Return the wait status.

    The moments, before and after each write, are numbered from 0 and written to `log`.
    """

    def watched() -> None:
        count = 0
        with log.open("w", encoding="utf-8") as moments:

            def seen(when: str, name: str) -> None:
                nonlocal count
                print(when, name, file=moments, flush=True)
                if count == at:
                    os.kill(os.getpid(), signal.SIGKILL)
                count += 1

            watch_writes(seen)
            command()

    return in_fork(watched)


def kill_while_writing(database: Path) -> None:
    """Leave a SQLite file as a process does that is killed in a large transaction.

    Half-written pages are in the file, and the journal beside it undoes them.
    """

    def write() -> None:
        connection = sqlite3.connect(database, isolation_level=None)
        connection.execute("PRAGMA cache_size = 1")  # pages are written before the end
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE half_written (it BLOB)")
        connection.executemany("INSERT INTO half_written VALUES (zeroblob(8000))", [()] * 100)
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_fork(write) == signal.SIGKILL
    assert database.with_name(f"{database.name}-journal").stat().st_size
