"""Keeping house: old runs and models deleted, the local store saved and brought back."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlflow.entities import Run, ViewType
from mlflow.entities.model_registry import ModelVersion
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from pipeline.errors import UnavailableError, UsageError
from pipeline.registry import PRODUCTION, STAGING
from pipeline.session import Session
from pipeline.store import SQLITE, held

_DATABASE, _ARTIFACTS = "mlflow.db", "artifacts"


@dataclass(frozen=True)
class Waste:
    """What is old and needed by nothing: versions that never were in Production, and runs."""

    versions: tuple[ModelVersion, ...]
    runs: tuple[Run, ...]


def find_waste(session: Session) -> Waste:
    """Return the versions and runs of this recipe and profile that `prune` may delete.

    Kept are: what is younger than the recipe's `retention.days`; every version that the ledger names, or that is in Staging or
    Production; every run that a kept version, or the ledger, leads to, with the runs nested in it; runs that are not finished.
    """
    before = (datetime.now(UTC) - timedelta(days=session.recipe.retention.days)).timestamp() * 1000
    entries = session.registry.ledger.read().entries
    served = {name for entry in entries for name in (entry.before, entry.after)}
    versions = session.registry.versions()
    waste = tuple(
        version
        for version in versions
        if version.creation_timestamp < before
        and str(version.version) not in served
        and version.current_stage not in (STAGING, PRODUCTION)
        and not version.aliases
    )
    needed = {entry.run_id for entry in entries}
    for version in versions:
        if version not in waste:
            needed |= {value for key, value in version.tags.items() if key.endswith("_run_id")} | {version.run_id}
    runs = list(_runs(session))
    # A nested run stays with the one it is nested in, and the other way round.
    for run in runs:
        parent = run.data.tags.get(MLFLOW_PARENT_RUN_ID, "")
        if run.info.run_id in needed and parent:
            needed.add(parent)
    for _ in range(2):  # candidates are nested in train, train in main
        needed |= {run.info.run_id for run in runs if run.data.tags.get(MLFLOW_PARENT_RUN_ID) in needed}
    old = tuple(
        run
        for run in runs
        if run.info.run_id not in needed and run.info.status != "RUNNING" and (run.info.end_time or before) < before
    )
    return Waste(waste, old)


def _runs(session: Session) -> Iterator[Run]:
    """Yield the runs of the steps of this recipe and profile, and those nested in them, in all experiments."""
    client = session.store.client
    experiments = [e.experiment_id for e in client.search_experiments(view_type=ViewType.ACTIVE_ONLY)]
    own, token = set(), None
    found: list[Run] = []
    while token != "":
        page = client.search_runs(experiments, max_results=1000, page_token=token)
        found, token = found + list(page), page.token or ""
    for run in found:
        tags = run.data.tags
        if (tags.get("pipeline.recipe"), tags.get("pipeline.profile")) == (session.recipe.name, session.profile_name):
            own.add(run.info.run_id)
    yield from (run for run in found if run.info.run_id in own or run.data.tags.get(MLFLOW_PARENT_RUN_ID) in own)


def delete_waste(session: Session, waste: Waste) -> str:
    """Delete what `find_waste` found, files too where the store's database is open to us; return what is left to do."""
    client, ids = session.store.client, [run.info.run_id for run in waste.runs]
    with session.registry.locked():
        for version in waste.versions:
            client.delete_model_version(version.name, str(version.version))
        for run_id in ids:
            client.delete_run(run_id)
    if not ids:
        return ""
    if session.store.uri.startswith(("http://", "https://")):
        return "The files go when the server's administrator runs `mlflow gc`."
    for start in range(0, len(ids), 200):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "mlflow",
                "gc",
                "--backend-store-uri",
                session.store.uri,
                "--run-ids",
                ",".join(ids[start:][:200]),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            return f"Their files are still there: `mlflow gc` said '{done.stderr.strip().splitlines()[-1]}'."
    return ""


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
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT artifact_location FROM experiments WHERE name != 'Default'").fetchall()
    return [Path(local_file_uri_to_path(location)) for (location,) in rows]


def _database(session: Session) -> Path:
    if not session.store.uri.startswith(SQLITE):
        raise UsageError(
            "backup and restore are for a local store, a SQLite file.",
            got=f"'{session.store.uri.partition('://')[0]}://…'",
            fix="Save a server's database and its artifacts with their own tools.",
        )
    return Path(session.store.uri.removeprefix(SQLITE))


def _artifact_root(session: Session) -> Path:
    root = session.store.artifact_root
    return Path(local_file_uri_to_path(root)) if root else _database(session).with_name("mlruns")
