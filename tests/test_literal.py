"""What makes environments, fetches the project from elsewhere or needs another Python takes minutes: `make test-full`."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from mlflow import MlflowClient

from steps import ORDER
from tests.test_readme import copy_project, environment, listens, run

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("readme")]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh git checkout of the project as it stands, with its environment made by make."""
    folder = copy_project(tmp_path_factory.mktemp("literal"))
    run("git init -q . && git add -A && git -c user.name=t -c user.email=t@t commit -qm all && make setup", folder, timeout=900)
    return folder


def elsewhere(checkout: Path, name: str) -> Path:
    """Return another, empty folder to type commands in, with the checkout's mlflow on PATH."""
    folder = checkout.parent / name
    folder.mkdir()
    (folder / ".venv").symlink_to(checkout / ".venv")
    return folder


def finished(folder: Path) -> set[str]:
    """Return the steps that have a finished run in the folder's store."""
    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments, "attributes.status = 'FINISHED'")
    return {run.data.tags["pipeline.step"] for run in runs if "pipeline.step" in run.data.tags}


@pytest.mark.parametrize("manager", ["", "--env-manager local", "--env-manager uv"])
def test_mlflow_run_runs_the_chain_with_each_environment_manager(checkout: Path, manager: str) -> None:
    folder = elsewhere(checkout, f"manager{manager.replace(' ', '')}")
    tools = Path(sys.executable).parent  # uv comes with the development lock
    run(f'PATH="$PATH:{tools}"; . .venv/bin/activate; mlflow run {checkout} {manager} -e main', folder, timeout=1200)
    assert finished(folder) == {"main", *ORDER}


@pytest.mark.parametrize("step", ORDER)
def test_every_entry_point_runs_without_parameters_on_an_empty_and_on_a_full_store(checkout: Path, step: str) -> None:
    folder = elsewhere(checkout, f"entry-{step}")
    command = f". .venv/bin/activate; mlflow run {checkout} --env-manager local -e {step}"
    run(command, folder, timeout=300)
    assert finished(folder) == set(ORDER[: ORDER.index(step) + 1])
    run(command, folder, timeout=300)


def test_predict_and_serve_run_by_mlflow_on_an_empty_and_on_a_full_store(checkout: Path) -> None:
    folder = elsewhere(checkout, "entry-predict")
    mlflow = f". .venv/bin/activate; exec mlflow run {checkout} --env-manager local"
    empty = subprocess.run(
        ["bash", "-c", f"{mlflow} -e predict"], cwd=folder, env=environment(folder), capture_output=True, text=True, check=False
    )
    assert empty.returncode == 1
    assert "make pipeline" in empty.stderr
    run(f"{mlflow} -e main", folder)
    assert "quality: " in run(f"{mlflow} -e predict", folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        ["bash", "-c", f"{mlflow} -e serve -P port={port}"], cwd=folder, env=environment(folder), start_new_session=True
    )
    try:
        answers(f"http://127.0.0.1:{port}/readyz")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
    deadline = time.monotonic() + 20
    while listens(port):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def answers(url: str, seconds: float = 60) -> None:
    """Wait until an address answers with 200."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(urllib.error.URLError), urllib.request.urlopen(url, timeout=5):
            return
        assert time.monotonic() < deadline, url
        time.sleep(0.3)


def test_the_project_runs_by_file_uri_with_rows_of_the_folder_it_is_typed_in(checkout: Path) -> None:
    folder = elsewhere(checkout, "file-uri")
    shutil.copy(checkout / "wines.csv", folder / "here.csv")
    run(f". .venv/bin/activate; mlflow run file://{checkout} -e main -P data=here.csv", folder, timeout=1200)
    assert finished(folder) == {"main", *ORDER}


def test_the_project_runs_by_git_uri(checkout: Path) -> None:
    folder = elsewhere(checkout, "git-uri")
    daemon = subprocess.Popen(
        [
            "git",
            "daemon",
            f"--base-path={checkout.parent}",
            "--export-all",
            "--listen=127.0.0.1",
            "--port=9419",
            "--reuseaddr",
            str(checkout.parent),
        ],
        env=environment(checkout),
    )
    try:
        time.sleep(1)
        run(". .venv/bin/activate; mlflow run git://127.0.0.1:9419/wine -e main", folder, timeout=1200)
    finally:
        daemon.terminate()
        daemon.wait()
    assert finished(folder) == {"main", *ORDER}


def other_pythons() -> list[str]:
    """Return the installed interpreters from 3.11 to 3.13, on PATH or by pyenv, but for the one that runs this suite."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    named = [shutil.which(f"python3.{minor}") for minor in (11, 12, 13)]
    named += [str(path / "bin/python") for path in sorted(root.glob("3.1[123].*"))]
    found = {identify(path) for path in named if path}
    return sorted(found - {"", os.path.realpath(sys.executable)})


def identify(python: str) -> str:
    """Return the real path of an interpreter that can make environments; empty where it cannot, or is no interpreter."""
    code = "import ensurepip, os, ssl, sys, venv; print(os.path.realpath(sys.executable))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip()


@pytest.mark.parametrize("python", other_pythons())
def test_the_pipeline_and_the_suite_pass_with_each_installed_python(tmp_path: Path, python: str) -> None:
    folder = copy_project(tmp_path)
    run(f"make pipeline PYTHON={python}", folder, timeout=900)
    run("git init -q . && git add -A", folder)
    output = run("make test", folder, timeout=1800)
    assert "failed" not in output
    assert str((folder / ".venv/.python").read_text()).startswith(os.path.realpath(python))
