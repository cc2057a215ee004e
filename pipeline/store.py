"""The MLflow store: opened once, created by one process at a time, and unavailable in one sentence."""

from __future__ import annotations

import errno
import hashlib
import logging
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import filelock
import mlflow
import requests
import sqlalchemy.exc
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from sqlalchemy import Engine, event

from pipeline.errors import UnavailableError, UsageError
from pipeline.sources import redact

SQLITE = "sqlite:///"
#: How long a command waits for another one that is changing the same store.
LOCK_SECONDS = 120
#: How long SQLite waits for a locked file: as MLflow sets it.
_BUSY_SECONDS = 20
_UNAVAILABLE_CODES = {"TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "PERMISSION_DENIED", "UNAUTHENTICATED"}
#: How MLflow's client begins when a server did not answer, or not well.
_NO_ANSWER = "API request to"
_STORAGE_ERRNOS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EFBIG,
    errno.EIO,
    errno.ENOTDIR,
}


@dataclass(frozen=True)
class Store:
    """An open store: its URI, a client for it, and where the artifacts of new experiments go (None: where MLflow says)."""

    uri: str
    client: MlflowClient
    artifact_root: str | None

    @property
    def is_file(self) -> bool:
        """Whether the store is a SQLite file, whose lock lies beside it: all who change it share that lock."""
        return self.uri.startswith(SQLITE)

    def lock(self) -> filelock.BaseFileLock:
        """Return the lock that all writers of the registry hold: MLflow's own transitions are not isolated."""
        return _lock(self.uri)

    def experiment(self, name: str) -> str:
        """Return the ID of the experiment `name`, made where there is none.

        Raises
        ------
        UnavailableError : the experiment was deleted.
        """
        with held(self.lock(), self.uri):
            found = self.client.get_experiment_by_name(name)
            if found is None:
                folder = quote(name, safe="")
                if not folder.strip("."):
                    folder = folder.replace(".", "%2E")  # no folder above
                if self.artifact_root and self.artifact_root.startswith("file:"):
                    folder = quote(folder)  # the name of the folder itself stays quoted: it may hold a slash
                location = f"{self.artifact_root}/{folder}" if self.artifact_root else None
                return str(self.client.create_experiment(name, artifact_location=location))
        if found.lifecycle_stage != "active":
            raise UnavailableError(
                f"The experiment '{name}' must be active.",
                got="a deleted one",
                fix=f"Bring it back with `mlflow experiments restore -x {found.experiment_id}`.",
            )
        return str(found.experiment_id)


def open_store(uri: str, *, root: Path, artifact_location: str | None = None) -> Store:
    """Return the store at `uri`, its tables made where it is new; a relative SQLite path lies in `root`.

    Raises
    ------
    UnavailableError : it cannot be reached, read or written.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # It logs a traceback of each database error that it raises; we say the error in one sentence.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    uri = _absolute(uri, root)
    with store_errors(uri):
        if uri.startswith(("http://", "https://")):
            # MLflow's own client retries for minutes before it says that a server is down.
            # Whatever it answers, it is there; who may do what, and whom to trust, is MLflow's client's to know.
            with suppress(requests.exceptions.SSLError):
                requests.get(f"{uri.rstrip('/')}/health", timeout=10)
        mlflow.set_tracking_uri(uri)
        # Two processes that make the tables of one store at once break each other; the client makes them when it is made.
        _check_folder(uri)
        with held(_lock(uri), uri):
            _check_writable(uri)
            try:
                client = MlflowClient(tracking_uri=uri)
                client.search_experiments(max_results=1)
                client.search_registered_models(max_results=1)
            except MlflowException as error:
                raise unwritable(uri, " ".join(str(error).split())[:200]) from None
            except ModuleNotFoundError as error:
                raise UsageError(
                    f"The driver of the store {redact(uri)} must be installed.",
                    got=f"no module '{error.name}'",
                    fix="Install it into .venv, or name another one, as in postgresql+psycopg://.",
                ) from None
    if artifact_location and "://" not in artifact_location:
        artifact_location = (root / artifact_location).resolve().as_uri()
    return Store(uri, client, artifact_location.rstrip("/") if artifact_location else None)


@event.listens_for(Engine, "connect")
def spare_syncs(connection: object, _: object) -> None:
    """Have SQLite wait for the disk twice a write instead of four times (docs/decisions/0015-sqlite-waits-less.md).

    A file that its owner has put into WAL mode stays in it, and as durable as it is.
    """
    if not isinstance(connection, sqlite3.Connection):
        return
    connection.execute(f"PRAGMA busy_timeout = {1000 * _BUSY_SECONDS}")  # MLflow sets it after the next line has read the file
    if connection.execute("PRAGMA journal_mode").fetchone() == ("delete",):
        connection.execute("PRAGMA journal_mode = TRUNCATE")
        connection.execute("PRAGMA synchronous = NORMAL")


def is_new(uri: str, *, root: Path) -> bool:
    """Whether the store at `uri` is a SQLite file that does not exist yet."""
    return uri.startswith(SQLITE) and not Path(_absolute(uri, root).removeprefix(SQLITE)).exists()


def _absolute(uri: str, root: Path) -> str:
    """Return `uri` with a relative SQLite path resolved in `root`."""
    if not uri.startswith(SQLITE) or uri.startswith(f"{SQLITE}/"):
        return uri
    return f"{SQLITE}{(root / uri.removeprefix(SQLITE)).resolve()}"


def _check_folder(uri: str) -> None:
    """Raise UnavailableError where the folder of a SQLite file does not exist; taking the lock would make it, typos and all."""
    folder = Path(uri.removeprefix(SQLITE)).parent
    if uri.startswith(SQLITE) and not folder.exists():
        raise unwritable(uri, f"the folder {folder} does not exist")


def _check_writable(uri: str) -> None:
    """Raise sqlite3.Error at once where a SQLite file cannot be opened or written; MLflow would try for 100 s."""
    if uri.startswith(SQLITE):
        with closing(sqlite3.connect(uri.removeprefix(SQLITE), timeout=_BUSY_SECONDS)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()


def _lock(uri: str) -> filelock.BaseFileLock:
    """Return the lock of a store: beside a SQLite file; for a server, one per machine (its database does the rest)."""
    if uri.startswith(SQLITE):
        path = Path(f"{uri.removeprefix(SQLITE)}.lock")
    else:
        path = Path(tempfile.gettempdir()) / f"pipeline-{hashlib.sha256(uri.encode()).hexdigest()[:16]}.lock"
    # One lock object per path and process: the same thread may then take it again.
    return filelock.FileLock(path, timeout=LOCK_SECONDS, is_singleton=True)


@contextmanager
def held(lock: filelock.BaseFileLock, uri: str) -> Iterator[None]:
    """Hold `lock` for the block. Raises UnavailableError where another command does not let go of it in time."""
    try:
        lock.acquire()
    except filelock.Timeout:
        raise UnavailableError(
            f"The store {redact(uri)} must be free within {LOCK_SECONDS} s.",
            got="another command that is still changing it",
            fix="Wait for it, or end it, and try again.",
        ) from None
    except OSError as error:
        raise unwritable(uri, str(error)) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Turn what a store that is not there, full or read-only raises into an UnavailableError; anything else is a bug."""
    try:
        yield
    except (
        MlflowException,
        sqlalchemy.exc.SQLAlchemyError,
        sqlite3.Error,
        requests.RequestException,
        OSError,
    ) as error:
        reason = _unavailable(error)
        if reason is None:
            raise
        raise unwritable(uri, reason) from None


def unwritable(uri: str, reason: str) -> UnavailableError:
    """Return what is raised of a store that is not there, full or read-only, or did not answer; `reason` in one line."""
    return UnavailableError(
        f"The MLflow store {redact(uri)} must be reachable and writable.",
        got=f"'{reason}'",
        fix="Check that it is there, that you may write to it, and that the disk is not full.",
    )


def _unavailable(error: BaseException | None) -> str | None:
    """Return in one line why a store did not answer; None where `error` and its causes are of another kind."""
    while error is not None:
        whole = " ".join(str(getattr(error, "orig", None) or error).split())
        # What MLflow says of a download begins with the address, and with the reason later on.
        text = whole[max(0, whole.find(_NO_ANSWER)) :][:200]
        if isinstance(
            error,
            (
                sqlalchemy.exc.OperationalError,
                sqlalchemy.exc.DatabaseError,
                sqlalchemy.exc.ArgumentError,
                sqlite3.Error,
                requests.RequestException,
            ),
        ):
            return text
        if isinstance(error, OSError) and error.errno in _STORAGE_ERRNOS:
            return text
        if isinstance(error, MlflowException):
            if error.error_code in _UNAVAILABLE_CODES or _NO_ANSWER in whole:
                return text
            if any(word in whole for word in ("sqlite3.", "(psycopg", "OperationalError", "Model registry functionality is")):
                return text
        error = error.__cause__ or error.__context__
    return None


def is_missing(error: MlflowException) -> bool:
    """Whether MLflow says that what was asked for does not exist; anything else is no answer to the question."""
    return error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND", "ENDPOINT_NOT_FOUND"}


def search_versions(client: MlflowClient, name: str) -> list[ModelVersion]:
    """Return all versions of a registered model, newest first; none where there is no such model."""
    found: list[ModelVersion] = []
    token = None
    while token != "":
        page = client.search_model_versions(f"name = '{name}'", max_results=1000, page_token=token)
        found, token = found + list(page), page.token or ""
    return sorted(found, key=lambda version: -int(version.version))


def now_ms() -> int:
    """Return the time in milliseconds since the epoch, as MLflow stores it."""
    return int(time.time() * 1000)
