"""A store on this machine: database, artifacts, and relocation after a move."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from recipeline.errors import UnavailableError
from recipeline.tracking._compat import LIST_EXPERIMENTS, LIST_RUNS, LOCATIONS, as_path, is_local
from recipeline.tracking.connection.sqlite import BUSY_SECONDS, path_of, read_database


@dataclass(frozen=True)
class LocalStore:
    """The SQLite file of a store and the folder of its artifacts."""

    database: Path
    artifacts: Path


def find_local(uri: str, artifact_root: str | None) -> LocalStore | None:
    """Return the files of the store at an absolute `uri`; None if not local.

    Database and artifacts must both be on this machine.
    """
    database = path_of(uri)
    if database is None or (artifact_root and not is_local(artifact_root)):
        return None
    return LocalStore(database, as_path(artifact_root) if artifact_root else database.with_name("mlruns"))


def copy_database(source: Path, target: Path) -> None:
    """Replace the content of the SQLite file `target` by that of `source`.

    One transaction: processes that have it open see either content.

    Raises
    ------
    sqlite3.OperationalError : another process holds one of them for `BUSY_SECONDS`.
    sqlite3.DatabaseError : one of them is damaged.
    """
    deadline = time.monotonic() + BUSY_SECONDS

    def give_up(status: int, _: int, __: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() > deadline:
            raise sqlite3.OperationalError(f"{target} is in use by another process")

    with closing(read_database(source)) as before, closing(sqlite3.connect(target, timeout=1)) as after:
        before.backup(after, progress=give_up)


def check_database(path: Path) -> None:
    """Raise sqlite3.Error where the SQLite file cannot be read or is damaged."""
    with closing(read_database(path)) as connection:
        (state, *_) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if state != "ok":
        raise sqlite3.DatabaseError(" ".join(state.split()))


# --- moved stores --------------------------------------------------------------------------------------------------------
# MLflow writes the full path of every artifact into the database. In a checkout that was moved or copied, these paths lead to
# the old folder: artifacts are not found there, or those of the original are read and overwritten.


def find_old_root(database: Path, artifacts: Path) -> Path | None:
    """Return the folder that the database records for the artifacts.

    None if it is `artifacts`. A folder is recognised by its runs, whose names no other run has.
    """
    with closing(read_database(database)) as connection:
        for experiment, location in connection.execute(LIST_EXPERIMENTS):
            if not is_local(location):
                continue
            folder = as_path(location)
            here = artifacts / folder.name
            if folder == here or not here.is_dir() or (folder.exists() and folder.samefile(here)):
                continue
            if any((here / run_id).is_dir() for (run_id,) in connection.execute(LIST_RUNS, (experiment,))):
                return folder.parent
    return None


def require_in_place(store: LocalStore) -> None:
    """Raise UnavailableError if the store was moved without its records."""
    before = find_old_root(store.database, store.artifacts)
    if before is not None:
        raise UnavailableError(
            f"The store {store.database} was moved: its artifacts are in {store.artifacts}, and it refers to {before}.",
            fix="Correct it with `recipeline repair`.",
        )


def relocate(database: Path, before: Path, after: Path) -> None:
    """Replace the artifact folder `before` by `after` in the database.

    One transaction. Artifacts that are in `before` only, because a command wrote them there after the move, are copied first.
    """
    with closing(sqlite3.connect(database, timeout=BUSY_SECONDS)) as connection, connection:

        def moved(location: str | None) -> str | None:
            if not location or not is_local(location) or not as_path(location).is_relative_to(before):
                return location
            path = after / as_path(location).relative_to(before)
            return path.as_uri() if location.startswith("file:") else str(path)

        connection.create_function("moved", 1, moved, deterministic=True)
        connection.execute("BEGIN IMMEDIATE")
        for table, column in LOCATIONS:
            for (location,) in connection.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT moved({column})"):
                source, target = as_path(location), as_path(str(moved(location)))
                if table != "experiments" and source.is_dir() and not target.exists():
                    shutil.copytree(source, target)
            connection.execute(f"UPDATE {table} SET {column} = moved({column}) WHERE {column} IS NOT moved({column})")
