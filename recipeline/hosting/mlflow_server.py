"""MLflow's server on PostgreSQL and the S3 endpoint."""

from __future__ import annotations

import os
import signal
import sys
import urllib.request
from contextlib import suppress

import psutil

from recipeline.hosting import processes
from recipeline.hosting.object_store import BUCKET, client_environment
from recipeline.hosting.postgres import DATABASE, USER
from recipeline.hosting.state import Secrets, ServerFolder

NAME = "mlflow"

#: The first start makes the tables.
_START_SECONDS, _STOP_SECONDS = 180, 15

#: Settings of a client, which a server that is started from a client's shell must not take for its own.
_OF_CLIENTS = ("MLFLOW_TRACKING_", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_", "MLFLOW_REGISTRY_URI", "MLFLOW_S3_", "AWS_", "PG")


def start(
    folder: ServerFolder, ports: dict[str, int], secrets: Secrets, workers: int, *, backend: str = "", artifacts: str = ""
) -> psutil.Process:
    """Start MLflow's server with a number of worker processes; do not wait for it.

    It listens on the loopback address. `backend` is the URI of its database and `artifacts` the place of its files; empty:
    PostgreSQL and the object store.

    Raises
    ------
    UnavailableError : it cannot be started.
    """
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(ports["mlflow"])]
    command += ["--workers", str(workers), "--artifacts-destination", artifacts or f"s3://{BUCKET}/served"]
    # By name, not left to be found: without uvloop the answers of several workers are 40 ms late.
    command += ["--uvicorn-opts", "--loop uvloop"]
    environment = _environment(ports, secrets) | ({"MLFLOW_BACKEND_STORE_URI": backend} if backend else {})
    return processes.start(folder, NAME, command, environment=environment, ports=[ports["mlflow"]])


def wait(folder: ServerFolder, process: psutil.Process, port: int) -> None:
    """Wait until MLflow's server answers.

    Raises
    ------
    UnavailableError : it ended, or does not answer in time.
    """
    log = processes.log_of(folder, NAME)
    processes.wait_until(lambda: is_ready(port), process, log, name="MLflow's server", seconds=_START_SECONDS)


def stop(folder: ServerFolder) -> bool:
    """Stop MLflow's server; return whether it was running."""
    return processes.stop(folder, NAME, how=signal.SIGTERM, seconds=_STOP_SECONDS)


def is_ready(port: int) -> bool:
    """Whether the server answers."""
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def _environment(ports: dict[str, int], secrets: Secrets) -> dict[str, str]:
    """Return the server's environment, with all its secrets.

    Every user of the machine can read a command line.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OF_CLIENTS)}
    return inherited | {
        "MLFLOW_BACKEND_STORE_URI": f"postgresql+psycopg://{USER}@127.0.0.1:{ports['postgres']}/{DATABASE}",
        "PGPASSWORD": secrets.postgres_password,
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": secrets.webhook_key,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight more processes
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **client_environment(ports["s3"], secrets),
    }
