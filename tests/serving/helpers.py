"""A service in a process of its own, and how it is asked."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from recipeline.tracking.connection.store import Store, open_store
from tests.conftest import Project, forget_mlflow
from tests.processes import Command

Make = Callable[..., FlaskClient]
Row = dict[str, float]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, status: int = 200, seconds: float = 60, check: Callable[[], object] = lambda: None) -> requests.Response:
    """Wait until /readyz answers with a status."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        check()
        with contextlib.suppress(requests.ConnectionError):
            response = requests.get(f"{url}/readyz", timeout=5)
            if response.status_code == status:
                return response
        time.sleep(0.1)
    raise TimeoutError


class Server:
    """`python -m recipeline serve` in a process with its imports done."""

    def __init__(self, project: Project, *options: str, **environment: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = project.folder / "serve.log"
        self.process = Command(
            "recipeline",
            "serve",
            *("--recipe", str(project.recipe_path), "--profile", str(project.profile_path)),
            *("--port", str(self.port), *options),
            environment={**os.environ, **environment},
            stdout=Path(os.devnull),
            stderr=self.log,
        )

    def wait(self, status: int = 200, seconds: float = 60) -> requests.Response:
        """Wait until /readyz answers with a status."""

        def check() -> None:
            assert self.process.poll() is None, self.log.read_text()

        try:
            return wait_for(self.url, status, seconds, check)
        except TimeoutError:
            raise AssertionError(f"no {status} in {seconds} s: {self.log.read_text()}") from None

    def predict(self, row: Any, **headers: str) -> requests.Response:
        return requests.post(f"{self.url}/predict", json=row, headers=headers, timeout=10)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.end_by_itself(20)

    def end_by_itself(self, seconds: float = 60) -> int:
        """Return the exit code; kill a process that does not end in time.

        Its workers too.
        """
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            subprocess.run(["pkill", "-KILL", "-P", str(self.process.pid)], check=False)
            self.process.kill()
            raise


def store_of(project: Project) -> Store:
    """Open the store of a project, as a service does."""
    store = open_store(project.uri, root=project.folder)
    forget_mlflow()
    return store


def post(client: FlaskClient, body: Any, path: str = "/predict", **headers: str) -> TestResponse:
    """Post a body, JSON unless it is bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(path, data=data, headers={"Content-Type": "application/json"} | headers)


def answer(client: FlaskClient, body: Any, path: str = "/predict") -> dict[str, Any]:
    """Return the answer to a body, which must be one."""
    response = post(client, body, path)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.get_json()
    return found
