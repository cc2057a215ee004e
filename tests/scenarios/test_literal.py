"""Commands that make environments or fetch the project: `make test-full`."""

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
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
import yaml

from recipeline.artifacts import ORDER
from tests.conftest import move_store, small_recipe
from tests.scenarios.test_readme import all_runs, copy_project, environment, lend_environment, listens, run, stages
from tests.test_mlproject import ENTRY_POINTS

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("readme")]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh git checkout of the project, with the environment of make."""
    folder = copy_project(tmp_path_factory.mktemp("literal"))
    run("git init -q . && git add -A && git -c user.name=t -c user.email=t@t commit -qm all && make setup", folder, timeout=900)
    return folder


def elsewhere(checkout: Path, name: str) -> Path:
    """Return an empty folder to type in, with the checkout's mlflow on PATH."""
    folder = checkout.parent / name
    folder.mkdir()
    (folder / ".venv").symlink_to(checkout / ".venv")
    return folder


def finished(folder: Path) -> set[str]:
    """Return the steps that have a finished run in the folder's store."""
    runs = [run for run in all_runs(folder).values() if run.info.status == "FINISHED"]
    return {run.data.tags["recipeline.step"] for run in runs if "recipeline.step" in run.data.tags}


@pytest.mark.parametrize("manager", ["", "--env-manager local", "--env-manager uv"])
def test_mlflow_run_runs_the_chain_with_each_environment_manager(checkout: Path, manager: str) -> None:
    folder = elsewhere(checkout, f"manager{manager.replace(' ', '')}")
    tools = Path(sys.executable).parent  # uv comes with the development lock
    run(f'PATH="$PATH:{tools}"; . .venv/bin/activate; mlflow run {checkout} {manager} -e main', folder, timeout=1200)
    assert finished(folder) == {"main", *ORDER}


# --- every entry point, in the environment of this suite -----------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with a small recipe, rows, and this environment."""
    folder = copy_project(tmp_path_factory.mktemp("small"))
    lend_environment(folder)
    recipe = small_recipe()
    stump = {"alias": "stump", "estimator": "sklearn.tree.DecisionTreeRegressor", "params": {"max_depth": 1}}
    recipe["candidates"] |= {"Stump": stump}
    profile = folder / "profiles/local.yaml"
    settings = yaml.safe_load(profile.read_text(encoding="utf-8"))
    settings |= {"data": str(folder / "wines.csv"), "engine": {"n_jobs": 1}}
    for path, content in ((folder / "recipe.yaml", recipe), (profile, settings)):
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def chained(small: Path) -> Path:
    """A folder whose store has a whole chain; nobody changes it."""
    folder = small.parent / "chained"
    folder.mkdir()
    assert type_run(small, folder, "main").returncode == 0
    return folder


def type_run(project: Path, folder: Path, entry_point: str, **params: str) -> subprocess.CompletedProcess[str]:
    """Type `mlflow run` in a folder."""
    words = " ".join(f"-P {key}={value}" for key, value in params.items())
    command = f". {project}/.venv/bin/activate; mlflow run {project} --env-manager local -e {entry_point} {words}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@dataclass(frozen=True)
class Does:
    """The effects of an entry point without parameters.

    The steps it runs, how it ends, the stages of versions, what it prints.
    """

    steps: tuple[str, ...]
    outcome: str = "ok"
    stages: dict[str, str] = field(default_factory=dict)
    prints: str = ""


@dataclass(frozen=True)
class Refuses:
    """The end of an entry point that can do nothing: sentence and exit code.

    The code is that before `mlflow run` makes it 1.
    """

    sentence: str
    exit_code: int = 6


IN_PRODUCTION = {"1": "Production"}
NO_CHALLENGER = Refuses("No challenger to approve.")
NO_EARLIER_ONE = Refuses("No earlier version of Production to restore.")
NO_TWO_CHAINS = Refuses("Fewer than two finished chains to compare.")
ON_AN_EMPTY_STORE = {
    "main": Does(("main", *ORDER), "promoted", IN_PRODUCTION, "Reused: none."),
    **{step: Does(ORDER[: ORDER.index(step) + 1]) for step in ("ingest", "split", "train", "evaluate")},
    "register": Does(ORDER[:-1], stages={"1": "Staging"}),
    "promote": Does(ORDER, "promoted", IN_PRODUCTION),
    "report": Refuses("No finished run of main to report on."),
    "compare": NO_TWO_CHAINS,
    "predict": Refuses("No version of SmallModel is in Production."),
    "monitor": Refuses("No version of SmallModel in Production to monitor."),
    "retrain": Does(("retrain", "main", *ORDER), "promoted", IN_PRODUCTION, "Reused: none."),
    "approve": NO_CHALLENGER,
    "rollback": NO_EARLIER_ONE,
    "repair": Does(("repair",), prints="nothing was broken"),
    "prune": Does(("prune",), prints="nothing is older than 90 days and not needed"),
}
ON_A_FULL_STORE = {
    "main": Does(("main", "register", "promote"), "kept", IN_PRODUCTION, "Reused: ingest, split, train, evaluate."),
    **{step: Does((step,), stages=IN_PRODUCTION) for step in ("ingest", "split", "train", "evaluate")},
    "register": Does(("register",), "ok", IN_PRODUCTION, "the same model is registered already, in stage Production"),
    "promote": Does(("promote",), "kept", IN_PRODUCTION, "version 1 kept (now in Production)"),
    "report": Does(("report",), "ok", IN_PRODUCTION, "Inspection:"),
    "compare": NO_TWO_CHAINS,
    "predict": Does(("predict",), "ok", IN_PRODUCTION, "quality: "),
    "monitor": Refuses("No rows to monitor: data is empty, and the profile's service keeps no log.", 2),
    "retrain": Does(("retrain", "main", "register", "promote"), "kept", IN_PRODUCTION, "Retrained on these rows alone."),
    "approve": NO_CHALLENGER,
    "rollback": NO_EARLIER_ONE,
    "repair": Does(("repair",), "ok", IN_PRODUCTION, "nothing was broken"),
    "prune": Does(("prune",), "ok", IN_PRODUCTION, "nothing is older than 90 days and not needed"),
}
#: `serve` does not end; it has a test of its own.
THAT_END = [name for name in ENTRY_POINTS if name != "serve"]


def check_entry_point(project: Path, folder: Path, entry_point: str, expected: Does | Refuses, **params: str) -> None:
    """Type `mlflow run` of an entry point, and check its effects on the store."""
    before = all_runs(folder)
    was = stages(folder) if before else {}
    done = type_run(project, folder, entry_point, **params)
    assert "Traceback" not in done.stderr
    new = [run for run_id, run in all_runs(folder).items() if run_id not in before]
    [own] = [run for run in new if run.data.tags.get("mlflow.project.entryPoint") == entry_point]
    ended = (own.info.status, own.data.tags["recipeline.outcome"], own.data.tags["recipeline.exit_code"])
    if isinstance(expected, Refuses):
        [sentence] = [line for line in done.stderr.splitlines() if line.startswith(f"{entry_point}: ")]
        assert expected.sentence in sentence
        assert own.data.tags["recipeline.error"] == sentence.removeprefix(f"{entry_point}: ")
        assert (done.returncode, done.stdout) == (1, "")
        assert ended == ("FAILED", "error", str(expected.exit_code))
        assert new == [own]
        assert stages(folder) == was
        return
    assert done.returncode == 0, done.stderr
    assert expected.prints in done.stdout
    assert ended == ("FINISHED", expected.outcome, "0")
    assert {run.info.status for run in new} == {"FINISHED"}
    steps = [run.data.tags["recipeline.step"] for run in new if "recipeline.step" in run.data.tags]
    assert sorted(steps) == sorted(expected.steps)
    assert stages(folder) == expected.stages


@pytest.mark.parametrize("entry_point", THAT_END)
def test_every_entry_point_runs_without_parameters_on_an_empty_store(small: Path, entry_point: str) -> None:
    folder = small.parent / f"empty-{entry_point}"
    folder.mkdir()
    check_entry_point(small, folder, entry_point, ON_AN_EMPTY_STORE[entry_point])


@pytest.mark.parametrize("entry_point", THAT_END)
def test_every_entry_point_runs_without_parameters_on_a_full_store(small: Path, chained: Path, entry_point: str) -> None:
    folder = small.parent / f"full-{entry_point}"
    move_store(chained, folder)
    check_entry_point(small, folder, entry_point, ON_A_FULL_STORE[entry_point])
    if entry_point in ORDER[1:]:  # it builds on the chain's own runs
        runs = all_runs(folder).values()
        [own] = [run for run in runs if run.data.tags.get("mlflow.project.entryPoint") == entry_point]
        [main] = [run for run in runs if run.data.tags.get("recipeline.step") == "main"]
        for step in ORDER[: ORDER.index(entry_point)]:
            assert own.data.tags[f"recipeline.{step}_run_id"] == main.data.tags[f"recipeline.{step}_run_id"]


def test_compare_approve_and_rollback_run_without_parameters_where_there_is_something_to_do(small: Path) -> None:
    folder = small.parent / "two-chains"
    folder.mkdir()
    assert type_run(small, folder, "main", model="stump", promote="always").returncode == 0
    assert type_run(small, folder, "main", model="lr", promote="manual").returncode == 0
    waiting = {"1": "Production", "2": "Staging"}
    assert stages(folder) == waiting
    check_entry_point(small, folder, "compare", Does(("compare",), "ok", waiting, "train: candidates.LinearRegression added"))
    approved = {"1": "Archived", "2": "Production"}
    check_entry_point(small, folder, "approve", Does(("approve",), "promoted", approved, "version 2 is approved"))
    back = {"1": "Production", "2": "Archived"}
    check_entry_point(small, folder, "rollback", Does(("rollback",), "promoted", back, "version 2 is withdrawn"))


# --- what does not end, or comes from elsewhere --------------------------------------------------------------------------


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


@cache
def other_pythons() -> list[str]:
    """Return the installed interpreters from 3.11 to 3.13 but this one.

    On PATH or by pyenv.
    """
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    named = [shutil.which(f"python3.{minor}") for minor in (11, 12, 13)]
    named += [str(path / "bin/python") for path in sorted(root.glob("3.1[123].*"))]
    found = {identify(path) for path in named if path}
    return sorted(found - {"", os.path.realpath(sys.executable)})


def identify(python: str) -> str:
    """Return the real path of an interpreter; empty where it makes no venv."""
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
