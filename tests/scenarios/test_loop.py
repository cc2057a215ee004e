"""The whole loop: load, drift, late labels, and a retrained model."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import requests

from custom.red_wine import draw
from tests.conftest import Project
from tests.serving.helpers import Server

pytestmark = pytest.mark.xdist_group("under load")


@pytest.fixture
def project(tmp_path: Path, empty_store: Path) -> Iterator[Project]:
    """A project with one candidate, and a service that keeps what it is asked."""
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    project = Project(tmp_path, draw(1))
    project.write_recipe(
        lambda content: content.update(candidates={"LinearRegression": content["candidates"]["LinearRegression"]})
    )
    project.write_profile(service={"workers": 2, "drain_seconds": 0.5, "prediction_log": {"folder": str(tmp_path / "log")}})
    yield project
    mlflow.end_run()


def _mean_error(answers: list[requests.Response], truth: pd.Series) -> float:
    predicted = np.array([answer.json()["predictions"][0] for answer in answers])
    return float(np.abs(predicted - truth.head(len(answers)).to_numpy()).mean())


def _ask(server: Server, row: dict[str, Any], *, version: str) -> requests.Response:
    """Return the answer of a version that a worker may still have to take over."""
    deadline = time.monotonic() + 10
    while (answer := server.predict(row)).json()["model"]["version"] != version:
        assert time.monotonic() < deadline, answer.text
    return answer


class Client:
    """Somebody who asks for a wine all the time."""

    def __init__(self, server: Server, row: dict[str, Any]) -> None:
        self._server, self._row = server, row
        self._ended = threading.Event()
        self.answers: list[tuple[int, str]] = []
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        session = requests.Session()
        while not self._ended.is_set():
            answer = session.post(f"{self._server.url}/predict", json=self._row, timeout=10)
            self.answers.append((answer.status_code, answer.json()["model"]["version"]))
            time.sleep(0.01)

    def end(self) -> None:
        """Ask no more."""
        self._ended.set()
        self._thread.join()


def test_drift_under_load_is_found_learned_from_promoted_and_served_without_a_restart(project: Project, tmp_path: Path) -> None:
    project.ok("main")
    drifted = draw(3).drop_duplicates().head(600)
    drifted = drifted.assign(**{"residual sugar": drifted["residual sugar"] + 30, "quality": drifted["quality"] - 2})
    rows = drifted.drop(columns="quality").to_dict("records")
    server = Server(project)
    try:
        server.wait()
        client = Client(server, draw(1).drop(columns="quality").iloc[0].to_dict())
        try:
            with ThreadPoolExecutor(4) as pool:
                answers = list(pool.map(server.predict, rows))
            assert {answer.status_code for answer in answers} == {200}
            labels = pd.DataFrame(
                {"request_id": [answer.headers["X-Request-ID"] for answer in answers], "quality": drifted["quality"].to_numpy()}
            )
            labels.to_csv(tmp_path / "labels.csv", index=False)
            time.sleep(1)  # the log is written behind the answers
            outcome = project.run("monitor", labels=str(tmp_path / "labels.csv"), on_drift="retrain")
            deadline = time.monotonic() + 10
            while client.answers[-1][1] != "2" and time.monotonic() < deadline:
                time.sleep(0.1)
        finally:
            client.end()
        assert outcome.exit_code == 0, outcome.stderr
        assert "residual sugar: PSI" in outcome.stderr
        assert "Labels: 600 of 600 joined to rows of the log." in outcome.stderr
        assert f"Retrained on {len(draw(1))} rows of version 1 and 600 new ones." in outcome.stdout
        assert project.versions() == {"1": "Archived", "2": "Production"}
        assert {status for status, _ in client.answers} == {200}
        assert (client.answers[0][1], client.answers[-1][1]) == ("1", "2")
        again = [_ask(server, row, version="2") for row in rows[:50]]
        before, after = (_mean_error(them, drifted["quality"]) for them in (answers[:50], again))
        assert after < 0.5 * before
    finally:
        server.end()
