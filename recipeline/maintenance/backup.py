"""Keeping house: old runs and models deleted, the local store saved and brought back."""

from __future__ import annotations

import shutil
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from recipeline.errors import UnavailableError, UsageError
from recipeline.orchestration.session import Session
from recipeline.tracking._compat import LIST_LOCATIONS, as_path
from recipeline.tracking.sqlite import path_of
from recipeline.tracking.store import held

_DATABASE, _ARTIFACTS = "mlflow.db", "artifacts"


def back_up(session: Session, target: Path) -> Path:
    """Write the local store, database and artifacts, into the archive `target`; return it. It is whole or it is not there.

    Raises
    ------
    UsageError : the store is no SQLite file, or `target` exists.
    """
    database = _database(session)
    if target.exists():
        raise UsageError("output must be a new file.", got=f"'{target}', which exists,", fix="Name another one.")
    if not target.parent.is_dir():
        raise UsageError(
            "output must lie in a folder that exists.", got=f"'{target}'", fix=f"Make it: mkdir -p {target.parent}"
        )
    unfinished = target.with_name(f".{target.name}.part")
    with held(session.store.lock(), session.store.uri), tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / _DATABASE
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as destination:
            source.backup(destination)
        try:
            with tarfile.open(unfinished, "w:gz", compresslevel=1) as archive:
                archive.add(copy, _DATABASE)
                artifacts = _artifact_root(session)
                if artifacts.exists():
                    archive.add(artifacts, _ARTIFACTS)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
    return target


def bring_back(session: Session, source: Path) -> list[Path]:
    """Put the archive's store in the place of this one; return where the one before was moved to.

    The store's database names its artifacts by their full path: an archive is for the folder it was made in.

    Raises
    ------
    UsageError : the store is no SQLite file. UnavailableError : the archive cannot be read, or is of another folder.
    """
    database, artifacts = _database(session), _artifact_root(session)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    unpacked = database.with_name(f".{database.name}.restore-{stamp}")
    try:
        try:
            with tarfile.open(source) as archive:
                archive.extractall(unpacked, filter="data")
            locations = _locations(unpacked / _DATABASE)
        except (OSError, EOFError, tarfile.TarError, sqlite3.Error) as error:
            raise UnavailableError(
                "input must be a whole archive that `backup` wrote.", got=f"'{source}' ({error})", fix="Name another one."
            ) from None
        foreign = [path for path in locations if artifacts not in (path, *path.parents)]
        if foreign:
            raise UnavailableError(
                f"The archive must be of a store whose artifacts are in {artifacts}.",
                got=f"one with artifacts in {foreign[0]}",
                fix="Bring it back in the folder that it was made in.",
            )
        aside = []
        with held(session.store.lock(), session.store.uri):
            for path, part in ((artifacts, _ARTIFACTS), (database, _DATABASE)):
                if path.exists():
                    aside.append(path.rename(path.with_name(f"{path.name}.before-{stamp}")))
                if (unpacked / part).exists():
                    (unpacked / part).rename(path)
        return aside
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _locations(database: Path) -> list[Path]:
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute(LIST_LOCATIONS).fetchall()
    return [as_path(location) for (location,) in rows]


def _database(session: Session) -> Path:
    path = path_of(session.store.uri)
    if path is None:
        raise UsageError(
            "backup and restore are for a local store, a SQLite file.",
            got=f"'{session.store.uri.partition('://')[0]}://…'",
            fix="Save a server's database and its artifacts with their own tools.",
        )
    return path


def _artifact_root(session: Session) -> Path:
    root = session.store.artifact_root
    return as_path(root) if root else _database(session).with_name("mlruns")
