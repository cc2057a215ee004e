"""The chain with a Dask cluster: the same results, and lost processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import pandas as pd
import pytest

from tests.conftest import ROOT, MakeProject, Project

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("dask")]


class Cluster:
    """A scheduler and workers, as `dask scheduler` and `dask worker` start them."""

    def __init__(self, folder: Path) -> None:
        self._file, self._log = folder / "scheduler.json", folder / "log"
        self.processes: list[subprocess.Popen[bytes]] = []
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        deadline = time.monotonic() + 60
        while not self._file.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        self.address = json.loads(self._file.read_text(encoding="utf-8"))["address"]

    @property
    def engine(self) -> dict[str, Any]:
        """The part of a profile that names the cluster."""
        return {"kind": "dask", "address": self.address, "wait_for_workers": 1, "timeout": 60}

    def add_worker(self) -> subprocess.Popen[bytes]:
        """Start a worker of one thread, without a nanny that would bring it back."""
        return self._start("worker", "--no-nanny", "--nthreads", "1", "--no-dashboard")

    def _start(self, what: str, *options: str) -> subprocess.Popen[bytes]:
        words = [Path(sys.executable).parent / "dask", what, "--scheduler-file", self._file, *options]
        with self._log.open("ab") as log:
            process = subprocess.Popen(words, cwd=ROOT, stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": str(ROOT)})
        self.processes.append(process)
        return process

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    found = Cluster(tmp_path_factory.mktemp("cluster"))
    yield found
    found.end()


def heavier(content: dict[str, Any]) -> None:
    content["candidates"]["DecisionTree"] = {
        "alias": "dt",
        "estimator": "sklearn.ensemble.ExtraTreesRegressor",
        "params": {"n_estimators": 300, "random_state": 1},
    }


@pytest.fixture(scope="module")
def expected(make_project: MakeProject, wines: pd.DataFrame) -> dict[str, Any]:
    project = make_project(wines)
    project.write_recipe(heavier)
    project.ok("main")
    return results(project)


def results(project: Project) -> dict[str, Any]:
    """Return what a chain has found, without times, IDs and paths."""
    found: dict[str, Any] = {}
    of = {
        "split": ["train.parquet", "test.parquet"],
        "train": ["leaderboard.csv", "out_of_fold.parquet"],
        "evaluate": [
            "metrics.json",
            "golden.parquet",
            "test_predictions.parquet",
            "diagnosis.json",
            "baseline.json",
            "verdict.json",
        ],
        "promote": ["decision.json"],
    }
    for step, names in of.items():
        run = next(run for run in project.runs(step) if run.info.status == "FINISHED")
        folder = Path(unquote(urlparse(run.info.artifact_uri).path))
        for name in names:
            path = folder / name
            if path.suffix == ".json":
                found[name] = json.loads(path.read_text(encoding="utf-8"))
            else:
                table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
                times = [column for column in table if "seconds" in column or column.endswith("_id") or "latency" in column]
                found[name] = table.drop(columns=times).to_dict("list")
    for name in ("run_id", "model_id"):
        found["verdict.json"].pop(name)
    decision = found["decision.json"]
    evidence = decision["evidence"]
    evidence["guard_rails"] = [it for it in evidence["guard_rails"] if "latency" not in it["name"]]
    found["decision.json"] = {"outcome": decision.get("outcome"), "rule": decision.get("rule"), "evidence": evidence}
    return found


def amid_fits(project: Project, act: Any) -> threading.Thread:
    """Act when the first candidate is logged, and others are being fitted."""

    def wait() -> None:
        deadline = time.monotonic() + 120
        while not any("model_type" in run.data.tags for run in project.runs()) and time.monotonic() < deadline:
            time.sleep(0.02)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_a_chain_on_two_workers_finds_what_the_local_engine_finds_to_the_last_digit(
    cluster: Cluster, project: Project, expected: dict[str, Any]
) -> None:
    cluster.add_worker()
    cluster.add_worker()
    project.write_recipe(heavier)
    project.write_profile(engine=cluster.engine | {"wait_for_workers": 2})
    outcome = project.ok("main")
    assert f"engine: Dask, 2 workers with 2 threads, scheduler {cluster.address}" in outcome.stderr
    assert results(project) == expected


def test_so_it_does_with_a_worker_killed_in_the_middle(cluster: Cluster, project: Project, expected: dict[str, Any]) -> None:
    cluster.add_worker()
    victim = cluster.add_worker()
    project.write_recipe(heavier)
    project.write_profile(engine=cluster.engine | {"wait_for_workers": 2})
    killer = amid_fits(project, lambda: os.kill(victim.pid, signal.SIGKILL))
    project.ok("main")
    killer.join()
    assert victim.wait(timeout=10) == -signal.SIGKILL
    assert results(project) == expected


def test_a_killed_scheduler_ends_with_6_and_the_next_command_recovers(
    cluster: Cluster, project: Project, expected: dict[str, Any]
) -> None:
    cluster.add_worker()
    project.write_recipe(heavier)
    project.write_profile(engine=cluster.engine)
    killer = amid_fits(project, lambda: os.kill(cluster.processes[0].pid, signal.SIGKILL))
    outcome = project.run("main")
    killer.join()
    assert outcome.exit_code == 6, outcome
    assert "The Dask scheduler is gone." in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert project.runs("train")[0].info.status == "FAILED"
    assert project.runs("split")[0].info.status == "FINISHED"
    project.write_profile()
    again = project.ok("main")
    assert "Reused: ingest, split." in again.stdout
    assert results(project) == expected


def test_a_cluster_whose_last_worker_is_lost_is_waited_for_and_then_ends_with_6(cluster: Cluster, project: Project) -> None:
    only = cluster.add_worker()
    project.write_recipe(heavier)
    project.write_profile(engine=cluster.engine | {"timeout": 20})
    killer = amid_fits(project, lambda: os.kill(only.pid, signal.SIGKILL))
    outcome = project.run("main")
    killer.join()
    assert outcome.exit_code == 6, outcome
    assert "worker" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_workers_of_another_state_of_the_code_are_refused_before_a_fit(
    cluster: Cluster, project: Project, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(ROOT / "recipeline", other / "recipeline", ignore=shutil.ignore_patterns("__pycache__"))
    with (other / "recipeline/errors.py").open("a", encoding="utf-8") as file:
        file.write("\n# another state\n")
    words = [Path(sys.executable).parent / "dask", "worker", cluster.address, "--no-nanny", "--nthreads", "1", "--no-dashboard"]
    worker = subprocess.Popen(
        words, cwd=other, env=os.environ | {"PYTHONPATH": str(other)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    cluster.processes.append(worker)
    project.write_profile(engine=cluster.engine)
    outcome = project.run("main")
    assert outcome.exit_code == 2, outcome
    assert "must have the code and the libraries of this process" in outcome.stderr
    assert "code of recipeline" in outcome.stderr
    assert "Traceback" not in outcome.stderr
