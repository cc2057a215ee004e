"""What makes environments, fetches the project from elsewhere or needs another Python takes minutes: `make test-full`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from steps import ORDER
from tests.test_readme import copy_project, environment, run

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
