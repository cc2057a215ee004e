"""Profiles: one environment each, as a file of the settings that differ."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from recipeline.config.import_path import import_function
from recipeline.config.settings import Settings, load_settings
from recipeline.config.table import SQL, ImportPath, Sql
from recipeline.errors import UsageError, nearest
from recipeline.escape import is_remote

#: A path in front of others, or none: /models/wine.
ROOT_PATH = r"^(/[A-Za-z0-9_.~-]+)*$"

#: A place in an object store; no part of it is . or .. or empty.
ARCHIVE = r"(s3|gs|az)://[A-Za-z0-9][A-Za-z0-9._-]*(/(?!\.{1,2}(/|$))[A-Za-z0-9._=-]+)*/?"

Policy = Literal["auto", "manual", "never", "always"]


class Store(Settings):
    """The MLflow store.

    A relative SQLite path or artifact folder lies in the project's folder.
    """

    #: The store of runs and versions: a SQLite file, a database, or an MLflow server.
    tracking_uri: str = Field(min_length=1)
    #: The folder or URI of the files of new experiments; none: the server's own.
    artifact_location: str | None = None


class Tls(Settings):
    """The files of certificates of a Dask cluster.

    A relative path starts in the project's folder.
    """

    #: The certificate of the authority.
    ca: str = Field(min_length=1)
    #: The certificate of this side.
    cert: str = Field(min_length=1)
    #: Its private key.
    key: str = Field(min_length=1)


class Engine(Settings):
    """The processes that fit models.

    `local` are `n_jobs` processes of this machine, -1 for one per core. `dask` are the workers of the scheduler at `address`;
    without an address they are `n_jobs` workers of a cluster that the command starts. It waits for `wait_for_workers` at most
    `timeout` seconds.
    """

    #: Where the processes are: of this machine, or of a Dask cluster.
    kind: Literal["local", "dask"] = "local"
    n_jobs: int = -1
    address: str = ""
    wait_for_workers: int = Field(default=1, ge=1)
    timeout: float = Field(default=60, gt=0)
    #: Certificates of a cluster that asks for them.
    tls: Tls | None = None
    #: Models are fitted to at most so many training rows, chosen by a hash of their group; null: to all.
    max_train_rows: int | None = Field(default=None, ge=1)

    def changes_results(self) -> dict[str, dict[str, int]]:
        """Return the settings that change results, as nested values; all others do not."""
        return {} if self.max_train_rows is None else {"engine": {"max_train_rows": self.max_train_rows}}

    @model_validator(mode="after")
    def _only_of_dask(self) -> Engine:
        if self.kind == "local" and (given := self.model_fields_set & {"address", "wait_for_workers", "timeout", "tls"}):
            raise ValueError(f"{', '.join(sorted(given))} must be left out, or kind be dask.")
        if not self.address and (given := self.model_fields_set & {"wait_for_workers", "tls"}):
            raise ValueError(
                f"{', '.join(sorted(given))} must be left out without an address: the command starts its own workers."
            )
        return self


class PredictionLog(Settings):
    """The service's log of rows and predictions: a folder of JSON lines.

    A file has `max_mb` MiB at most, and is deleted after `keep_days`. With `archive`, finished files are compressed and moved
    there; `keep_days` is then how much of the archive `monitor` and `retrain` read where they are told no time.
    """

    #: The folder, in the project's unless absolute.
    folder: str = Field(min_length=1)
    #: The share of the requests that is logged.
    sample: float = Field(default=1.0, gt=0, le=1)
    #: About so many rows a second are logged by all workers of a service, those of a fair draw of the requests; empty: all.
    rate: float | None = Field(default=None, gt=0)
    max_mb: float = Field(default=64, gt=0)
    keep_days: float = Field(default=30, gt=0)
    #: Where finished files go: s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, or a folder.
    archive: str | None = Field(default=None, min_length=1)
    #: A file is finished after so many minutes, whatever its size.
    archive_minutes: float = Field(default=15, gt=0, le=1440)
    #: Files that wait for the archive have so many MiB at most; beyond, the oldest are deleted and their lines counted.
    disk_mb: float = Field(default=10_240, gt=0)

    @model_validator(mode="after")
    def _only_of_archive(self) -> PredictionLog:
        if self.archive is None and (given := self.model_fields_set & {"archive_minutes", "disk_mb"}):
            raise ValueError(f"{', '.join(sorted(given))} must be left out without archive.")
        if self.archive and is_remote(self.archive) and not re.fullmatch(ARCHIVE, self.archive):
            # Not quoted: people write keys in front of an @.
            raise ValueError(
                "archive must be s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or a folder, of letters, digits "
                "and . _ - = only, without keys: those are read from the environment."
            )
        return self


class Webhook(Settings):
    """The webhook of an MLflow server that tells of changed aliases.

    `secret` is that of the webhook in MLflow; a signature holds for `seconds`.
    """

    secret: str = Field(min_length=16, repr=False)
    seconds: float = Field(default=300, gt=0, le=3600)


class Service(Settings):
    """The REST service.

    `workers` are processes, -1 for one per core; each answers `concurrency` requests at once and refuses more.
    `out_of_range` is what becomes of values that the model was not trained on: an answer with a warning, or a refusal.
    One worker asks the registry every `poll_seconds`, by default each second of a SQLite file and every 10 s elsewhere; with
    `webhook` also when an MLflow server tells of a change. A service that is told to end says so at `/readyz`, and goes on
    answering for `drain_seconds`, so that a load balancer can leave. A model may be made of `trusted_types` besides those that
    are trusted in every model; no command loads any other.
    The last `self_watch_rows` rows of all workers are compared with the training rows; 0: none are.
    A body has at most `max_body_mb`, also when decompressed, and `max_rows` rows, and must be there within `body_seconds`.
    On a loopback address the service answers to loopback names only, and to those of `hosts`: the names that a proxy passes on.
    Pages of `cors_origins` may ask it from a browser, by default none. `root_path` is the path that a proxy serves it under.
    `hooks` is the import path of a function that is called with the Flask application of each worker, to add hooks and routes.
    With `shadow`, the version with that alias predicts a `shadow_share` of the requests too, after the champion, for log and
    metrics alone; a worker spends at most the share `shadow_time` of its time on that.
    """

    workers: int = Field(default=-1, ge=-1)
    concurrency: int = Field(default=32, ge=1)
    max_body_mb: float = Field(default=10, gt=0)
    max_rows: int = Field(default=100_000, ge=1)
    body_seconds: float = Field(default=10, gt=0, le=3600)
    hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    root_path: str = Field(default="", pattern=ROOT_PATH)
    hooks: ImportPath | Literal[""] = ""
    out_of_range: Literal["warn", "reject"] = "warn"
    poll_seconds: float | None = Field(default=None, gt=0, le=60)
    webhook: Webhook | None = None
    drain_seconds: float = Field(default=1, ge=0, le=600)
    trusted_types: tuple[str, ...] = ()
    #: Whether each request is logged as a line of JSON on stderr.
    access_log: bool = True
    prediction_log: PredictionLog | None = None
    self_watch_rows: int = Field(default=10_000, ge=0)
    shadow: Literal["challenger", ""] = ""
    shadow_share: float = Field(default=1.0, gt=0, le=1)
    shadow_time: float = Field(default=0.2, gt=0, le=1)

    def load_hooks(self) -> Callable[..., Any] | None:
        """Return the function that `hooks` names; None without one.

        Raises
        ------
        UsageError : it cannot be imported, is not a function, or is one of other arguments than the application.
        """
        if not self.hooks:
            return None
        where, words = "The profile's service.hooks", "that takes the Flask application"
        return import_function(self.hooks, 1, (), where=where, takes=words, fix="Correct it.")


class Profile(Settings):
    """One environment.

    `data` is auto, synthetic, the name of the recipe's download, a path or a URI.
    """

    store: Store
    data: str = Field(min_length=1)
    #: The value of ``data: {sql: {url: ..., query: ...}}``; `data` is "sql" then.
    sql: Sql | None = None
    #: The promotion policy: promote if the gate passes, wait for `approve` then, never, or whatever the gate says.
    promote: Policy = "auto"
    #: Whether the chain reuses finished steps.
    cache: bool = True
    engine: Engine = Engine()
    service: Service = Service()

    @classmethod
    def write_out(cls, content: Any) -> Any:
        """Return the content of a file with the mapping ``data: {sql: {...}}`` split up.

        The word `sql` remains in `data`, whose other values are all one word; the mapping goes to the field `sql`.
        """
        if isinstance(content, dict) and isinstance(content.get("data"), dict) and [*content["data"]] == [SQL]:
            return content | {"data": SQL, SQL: content["data"][SQL]}
        return content


def find_profile(name: str, folder: Path, cwd: Path) -> Path:
    """Return the file of the profile `name`.

    `name` is that of a file in `folder`, or a path to a YAML file, relative to `cwd`.

    Raises
    ------
    UsageError : there is no such profile.
    """
    if name.endswith((".yaml", ".yml")):
        if not re.fullmatch(r"[\w.-]+", Path(name).name):
            raise UsageError(
                "The name of a profile must consist of letters, digits, '.', '-' and '_'.",
                got=f"'{name}'",
                fix="Rename the file: runs are tagged with its name.",
            )
        return cwd / name
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in known:
        raise UsageError(
            f"profile must be the name of a file in {folder.name}/, or the path of a .yaml file.",
            got=f"'{name}'",
            fix=nearest(name, known),
        )
    return folder / f"{name}.yaml"


def load_profile(path: Path, environment: Mapping[str, str]) -> Profile:
    """Return the profile in the file `path`.

    Raises
    ------
    UsageError : as `load_settings`.
    """
    return load_settings(path, Profile, environment)
