"""Undocumented behaviour of MLflow that the library relies on (3.17).

Each was verified in MLflow 3.17.0 to 3.17.2. It may change with any release of MLflow: `tests/tracking/test_compat.py` tries
each.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import RunStatus
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from sqlalchemy import Engine
from urllib3.util import Retry

# --- words ---------------------------------------------------------------------------------------------------------------
# MLflow often raises an error of its own without the one that caused it, under the code INTERNAL_ERROR: what is left of the
# reason is its message. Types and codes are looked at first. Seen in 3.17.0 to 3.17.2.

#: How MLflow's client begins when a server did not answer, or not well.
NO_ANSWER = "API request to"

#: Its words where a server, or what is in front of it, does not know the user, or permits the user too little.
NO_USER, NO_PERMISSION = "failed with error code 401", "failed with error code 403"

#: Parts of messages whose reason is a server's database, or the registry of an address without one.
STORE_GONE = ("sqlite3.", "(psycopg", "OperationalError", "Model registry functionality is")

#: Parts of messages after two processes wrote the same row at once: the drivers' names for it, and the words of SQLAlchemy
#: for a row that is gone, and of MLflow for a version whose number was taken three times.
CONFLICT = ("IntegrityError", "UniqueViolation", "row(s); 0 were matched", "Model Version creation error")

#: How a download says, whatever the place, that there is no such file.
NOTHING_THERE = (
    "404 Client Error",
    "error code 404",
    "RESOURCE_DOES_NOT_EXIST",
    "NoSuchKey",
    "(404)",
    "No such file",
    "No such artifact",
)

# --- requests ------------------------------------------------------------------------------------------------------------

#: Where boto3 logs, at the level DEBUG, that it repeats a request, and how that message begins. Seen in botocore 1.44.
S3_RETRIES, S3_RETRY = "botocore.retries.standard", "Retry needed, retrying request"


def replace_retries(kind: type[Retry]) -> None:
    """Let the sessions of MLflow's client repeat requests as `kind` does.

    MLflow has variables for their number and pauses, and no way to be told of them.
    """
    from mlflow.utils import request_utils

    if request_utils.Retry is not kind:
        request_utils.Retry = kind
        request_utils._cached_get_request_session.cache_clear()


# --- tags ----------------------------------------------------------------------------------------------------------------

#: System tags that MLflow documents by these names, and has no public constant for.
RUN_NAME, PARENT_RUN_ID, NOTE = "mlflow.runName", "mlflow.parentRunId", "mlflow.note.content"


def context_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return `tags` with the tags that `mlflow.start_run` adds.

    They are user, source, commit and those of plugins; a client's `create_run` adds none of them.
    """
    from mlflow.tracking.context.registry import resolve_tags

    return dict(resolve_tags(dict(tags)))


# --- runs ----------------------------------------------------------------------------------------------------------------


def end_run(client: MlflowClient, run_id: str, status: str) -> None:
    """Give a run its last status and the time.

    The public `set_terminated` of a server's client reads the run first, to print its address on stdout.
    """
    client._tracking_client.store.update_run_info(
        run_id, run_status=RunStatus.from_string(status), end_time=int(time.time() * 1000), run_name=None
    )


# --- databases -----------------------------------------------------------------------------------------------------------

#: The logger of a traceback for each error of a database, which is raised too.
DATABASE_LOGGER = "mlflow.store.db.utils"

#: Queries of a SQLite file that MLflow made, in its own tables.
COUNT_SCHEMAS = "SELECT COUNT(*) FROM alembic_version"
COUNT_ROWS = "SELECT (SELECT COUNT(*) FROM experiments) + (SELECT COUNT(*) FROM runs)"
FORGET_EXPERIMENTS = "DELETE FROM experiments"
LIST_EXPERIMENTS = "SELECT experiment_id, artifact_location FROM experiments"
LIST_RUNS = "SELECT run_uuid FROM runs WHERE experiment_id = ?"
#: The columns that hold a full path or URI of artifacts, by table; there is no way to change them but by SQL.
LOCATIONS = (
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("experiments", "artifact_location"),
)


def engines_of(client: MlflowClient) -> Iterator[Engine]:
    """Yield the SQLAlchemy engines of a database client's stores.

    They are those of tracking and registry. MLflow gives no other way to set up its connections to a store, and to no other
    database.
    """
    for store in (client._tracking_client.store, client._get_registry_client().store):
        engine = getattr(store, "engine", None)
        if isinstance(engine, Engine):
            yield engine


# --- artifacts -----------------------------------------------------------------------------------------------------------


def is_local(uri: str) -> bool:
    """Whether an artifact URI is a folder of this machine: a path or file:.

    MLflow has no public function for it.
    """
    from mlflow.utils.uri import is_local_uri

    return bool(is_local_uri(uri))


def as_path(uri: str) -> Path:
    """Return the path of a local artifact URI, unquoted as MLflow unquotes it."""
    from mlflow.utils.file_utils import local_file_uri_to_path

    return Path(local_file_uri_to_path(uri))


def download_file(repository: ArtifactRepository, name: str, target: Path) -> None:
    """Download one file of an artifact repository to the path `target`.

    The public `download_artifacts` first lists the folder of that name, to see whether it is one.
    """
    repository._download_file(name, str(target))


def forget_storage_clients() -> None:
    """Forget clients of object stores that have the environment's keys.

    MLflow keeps those of S3 by address, not by key, and boto3 the keys that it found first.
    """
    if "boto3" in sys.modules:
        from mlflow.store.artifact import s3_artifact_repo

        s3_artifact_repo._cached_get_s3_client.cache_clear()
        sys.modules["boto3"].__dict__["DEFAULT_SESSION"] = None


# --- data sets -----------------------------------------------------------------------------------------------------------


def describe_source(origin: str) -> Any:
    """Return MLflow's description of a data source, or its address.

    The address is used for kinds that MLflow does not know, such as runs:/, for which `mlflow.data.from_pandas` raises.
    """
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.dataset_source_registry import resolve_dataset_source

    try:
        return resolve_dataset_source(origin)
    except MlflowException:
        return CodeDatasetSource({"mlflow.source.name": origin})


# --- models --------------------------------------------------------------------------------------------------------------


def model_location(uri: str) -> str:
    """Return the folder URI of a ``models:/`` URI; any other URI unchanged."""
    from mlflow.store.artifact.models_artifact_repo import ModelsArtifactRepository

    while ModelsArtifactRepository.is_models_uri(uri):
        uri = ModelsArtifactRepository.get_underlying_uri(uri)
    return uri


@contextmanager
def requirements_known() -> Iterator[None]:
    """Skip MLflow's comparison of requirements with installed packages.

    They were read from these packages just before. MLflow would read all files of all packages, for half a second, and has no
    option for that.
    """
    from mlflow.utils import environment

    look = environment.warn_dependency_requirement_mismatches
    environment.warn_dependency_requirement_mismatches = lambda _: None
    try:
        yield
    finally:
        environment.warn_dependency_requirement_mismatches = look
