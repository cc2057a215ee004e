"""The MLflow store: opened once, created by one process at a time.

An unavailable store is reported in one sentence.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import filelock
import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from recipeline.data.origin.uris import redact
from recipeline.errors import UnavailableError, UsageError
from recipeline.tracking._compat import DATABASE_LOGGER, NOTE, engines_of
from recipeline.tracking.connection import patience, sqlite
from recipeline.tracking.connection.client import RegistryClient
from recipeline.tracking.connection.failures import is_conflict, store_errors, unavailable, unwritable
from recipeline.tracking.connection.local import find_local, require_in_place
from recipeline.tracking.connection.reach import ask_once, missing_driver
from recipeline.tracking.filters import quoted

#: Schemes of registries without stages or without aliases.
NO_REGISTRY = ("databricks", "databricks-uc", "uc")

#: How long a command waits for another one that is changing the same store.
LOCK_SECONDS = 120

#: As many runs or versions are asked for at a time.
_PAGE = 1000


@dataclass(frozen=True)
class Store:
    """An open store: URI, client and the artifact folder of new experiments.

    The folder is None for MLflow's default.
    """

    uri: str
    client: MlflowClient
    artifact_root: str | None
    #: The active experiments when the store was opened, and those made since: IDs by name.
    experiments: dict[str, str] = field(default_factory=dict)

    @property
    def is_file(self) -> bool:
        """Whether the store is a SQLite file, whose writers share the lock beside it."""
        return self.uri.startswith(sqlite.SQLITE)

    @property
    def is_writable(self) -> bool:
        """Whether this user may write to the store; of a server only the server knows."""
        path = sqlite.path_of(self.uri)
        return path is None or sqlite.is_writable(path)

    def lock(self) -> filelock.BaseFileLock:
        """Return the lock of all registry writers.

        MLflow's own transitions are not isolated.
        """
        return store_lock(self.uri)

    def experiment(self, name: str, *, note: str = "") -> str:
        """Return the ID of the experiment `name`, created with a `note` if new.

        MLflow shows the note as Markdown.

        Raises
        ------
        UnavailableError : the experiment was deleted.
        """
        if name in self.experiments:
            return self.experiments[name]
        with held(self.lock(), self.uri):
            experiment_id = self._create_experiment(name, note)
        self.experiments[name] = experiment_id
        return experiment_id

    def _create_experiment(self, name: str, note: str) -> str:
        """Return the ID of the new experiment `name`, or of the one that there is."""
        folder = quote(name, safe="")
        if not folder.strip("."):
            folder = folder.replace(".", "%2E")  # no folder above
        if self.artifact_root and self.artifact_root.startswith("file:"):
            folder = quote(folder)  # the name of the folder itself stays quoted: it may hold a slash
        location = f"{self.artifact_root}/{folder}" if self.artifact_root else None
        try:
            return str(self.client.create_experiment(name, artifact_location=location, tags={NOTE: note} if note else None))
        except MlflowException as error:
            found = self.client.get_experiment_by_name(name)
            if found is None or not is_taken(error):  # else there was one: of another machine, or deleted
                raise
        if found.lifecycle_stage != "active":
            raise UnavailableError(
                f"The experiment '{name}' was deleted.",
                fix=f"Restore it with `mlflow experiments restore -x {found.experiment_id}`.",
            )
        return str(found.experiment_id)


def open_store(
    uri: str,
    *,
    root: Path,
    artifact_location: str | None = None,
    cache: Path | None = None,
    reads: bool = False,
    makes: bool = True,
    named_by: str = "its URI",
) -> Store:
    """Return the store at `uri`; create the tables of a new one.

    A relative SQLite path lies in `root`. With `reads`, a SQLite file without write permission is opened too; it is neither
    locked nor changed. With `reads`, or without `makes`, no SQLite file is made: a missing one is an error, which tells to
    correct `named_by`. A new SQLite file is made from an empty schema in `cache`; without one MLflow's migrations make it.

    Raises
    ------
    UnavailableError : it is not there, cannot be reached, read or written, or was moved without its records.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # It logs a traceback of each database error that it raises; we say the error in one sentence.
    logging.getLogger(DATABASE_LOGGER).setLevel(logging.CRITICAL)
    uri = sqlite.absolute(uri, root)
    path = sqlite.path_of(uri)
    patience.install()
    with store_errors(uri):
        if path and (reads or not makes):  # before MLflow exports the URI
            _require_made(path, uri, named_by)
        if not path:
            ask_once(uri)
        mlflow.set_tracking_uri(uri)
        _require_stages_and_aliases(uri, mlflow.get_registry_uri())
        # Two processes that make the tables of one store at once break each other; the client makes them when it is made.
        if path and not path.parent.exists():  # taking the lock would make it, typos and all
            raise unwritable(uri, f"the folder {path.parent} does not exist")
        is_read_only = bool(reads and path and path.exists() and not sqlite.is_writable(path))
        with missing_driver(uri), nullcontext() if is_read_only else held(store_lock(uri), uri):
            made_by_mlflow = path and cache and not path.exists() and not sqlite.copy_schema(cache, path)
            if path:
                (sqlite.check_readable if is_read_only else sqlite.check_writable)(path)
            try:
                client: MlflowClient = RegistryClient(tracking_uri=uri)
                for engine in engines_of(client) if path else ():
                    sqlite.listen(engine)
                experiments = list_experiments(client)
                if mlflow.get_registry_uri() != uri:  # one elsewhere may be away
                    client.search_registered_models(max_results=1)
            except MlflowException as error:
                raise unavailable(uri, " ".join(str(error).split())[:200], error) from None
            sqlite.remove_strays(uri)
            if path and cache and made_by_mlflow:
                sqlite.keep_schema(cache, path)
        store = Store(uri, client, artifact_root(artifact_location, root), experiments)
        files = find_local(uri, store.artifact_root)
        if files:
            require_in_place(files)
    return store


def _require_made(path: Path, uri: str, named_by: str) -> None:
    """Raise UnavailableError where a SQLite file is no store, and leave it so.

    One that another command is making is waited for.
    """
    if not sqlite.why_none(path):
        return
    lock = store_lock(uri)
    # Taking the lock would leave its file behind; who makes a store holds it, and has made that file.
    with held(lock, uri) if Path(lock.lock_file).exists() and sqlite.is_writable(path) else nullcontext():
        reason = sqlite.why_none(path)
    if reason:
        chain = ", or run the chain, which makes one: `make pipeline`" if sqlite.has_room(path) else ""
        raise UnavailableError(f"No MLflow store at {path}: {reason}.", fix=f"Correct {named_by}{chain}.")


def list_experiments(client: MlflowClient) -> dict[str, str]:
    """Return the IDs of the active experiments by name."""
    found = _all_pages(partial(client.search_experiments, view_type=ViewType.ACTIVE_ONLY))
    return {it.name: str(it.experiment_id) for it in found}


def search_all_runs(client: MlflowClient, conditions: str = "", view: int = ViewType.ACTIVE_ONLY) -> list[Run]:
    """Return the runs of all active experiments that meet the conditions."""
    experiments = [*list_experiments(client).values()]
    return _all_pages(partial(client.search_runs, experiments, conditions, view, max_results=_PAGE)) if experiments else []


def _require_stages_and_aliases(*uris: str) -> None:
    """Raise UsageError for a registry that lacks stages or aliases."""
    for uri in uris:
        if uri.partition(":")[0] in NO_REGISTRY:
            raise UsageError(
                f"The registry {redact(uri)} lacks what Production is kept by: Unity Catalog has no stages, "
                "and Databricks' workspace registry no aliases.",
                fix="Set MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI to an MLflow server or its database.",
            )


def artifact_root(location: str | None, root: Path) -> str | None:
    """Return the URI of the artifact folder `location`; None: MLflow's default.

    A relative one lies in `root`.
    """
    if location and "://" not in location:
        location = (root / location).resolve().as_uri()
    return location.rstrip("/") if location else None


def store_lock(uri: str) -> filelock.BaseFileLock:
    """Return the lock of a store: beside a SQLite file, or one per machine and user.

    A server's database isolates writers of several machines, and so of several users: in the temporary folder, no user may
    take a lock that another one made.
    """
    file = sqlite.path_of(uri)
    if file:
        path = file.with_name(f"{file.name}.lock")
    else:
        path = Path(tempfile.gettempdir()) / f"recipeline-{os.geteuid()}-{hashlib.sha256(uri.encode()).hexdigest()[:16]}.lock"
    # One lock object per path and process: the same thread may then take it again.
    return filelock.FileLock(path, timeout=LOCK_SECONDS, is_singleton=True)


@contextmanager
def held(lock: filelock.BaseFileLock, uri: str) -> Iterator[None]:
    """Hold `lock` for the block.

    Raises
    ------
    UnavailableError : another command holds it too long.
    """
    try:
        lock.acquire()
    except filelock.Timeout:
        raise UnavailableError(
            f"The store {redact(uri)} is locked by another command for more than {LOCK_SECONDS} s.",
            fix="Wait for that command, or stop it, and try again.",
        ) from None
    except OSError as error:
        raise unwritable(uri, str(error)) from None
    database = sqlite.path_of(uri)
    if database:
        sqlite.share(Path(lock.lock_file), database)
    try:
        yield
    finally:
        lock.release()


def is_taken(error: MlflowException) -> bool:
    """Whether MLflow made nothing because there is one of that name."""
    return error.error_code == "RESOURCE_ALREADY_EXISTS" or is_conflict(error)


def require_registered(client: MlflowClient, name: str, description: str | None = None) -> None:
    """Create a registered model if there is none.

    Another machine may create it at the same time.
    """
    if client.search_registered_models(f"name = {quoted(name)}"):
        return
    try:
        client.create_registered_model(name, description=description)
    except MlflowException as error:
        if not is_taken(error):
            raise


def search_versions(client: MlflowClient, *names: str) -> list[ModelVersion]:
    """Return all versions of registered models, newest first; may be empty."""
    if len(names) > 1 and not any("'" in name for name in names):
        try:
            return _search_versions(client, f"name IN ({', '.join(map(quoted, names))})")
        except MlflowException as error:
            if error.error_code != "INVALID_PARAMETER_VALUE":  # which a server says that knows no lists of names
                raise
    return [version for name in names for version in _search_versions(client, f"name = {quoted(name)}")]


def search_all_versions(client: MlflowClient) -> list[ModelVersion]:
    """Return the versions of all registered models, ledgers among them."""
    return _search_versions(client, "")


def _search_versions(client: MlflowClient, conditions: str) -> list[ModelVersion]:
    found: list[ModelVersion] = _all_pages(partial(client.search_model_versions, conditions, max_results=_PAGE))
    return sorted(found, key=lambda version: -int(version.version))


def _all_pages(search: Callable[..., Any]) -> list[Any]:
    """Return what a search of MLflow finds, on all of its pages."""
    found: list[Any] = []
    token = None
    while token != "":
        page = search(page_token=token)
        found, token = found + list(page), page.token or ""
    return found


def now_ms() -> int:
    """Return the time in milliseconds since the epoch, as MLflow stores it."""
    return int(time.time() * 1000)
