"""Every command of README and guide runs as typed, with an empty home.

In a copy of the project.

Tests that build an environment of their own are marked `full`; here those commands run in the environment of this suite.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion

from custom.red_wine import draw
from tests.conftest import NAME, ROOT
from tests.warm import UNDRAWN

#: The README, and the guide that goes on where it ends.
README = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/guide.md"))
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
SERVERS = {"mlflow ui": 5000, "mlflow models serve": 5001, "make serve": 8000}
#: Run by whoever runs this suite, or by `make test-full`, in a copy or with fewer rounds.
ELSEWHERE = {"make test", "make lint", "make bench", "make clean"}

#: What a reader's wines.csv may hold: not the rows of the synthetic sample, whose models it would be the same as.
WINES = draw(7)
#: No telemetry, one process for `mlflow ui` instead of four, and none of the eight that it keeps for jobs.
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_WORKERS": "1"}

pytestmark = pytest.mark.xdist_group("readme")


def copy_project(folder: Path) -> Path:
    """Copy what git tracks to `folder`, with the rows as wines.csv.

    Use the environment of this suite.
    """
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    copy = folder / "wine"
    for name in names:
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    WINES.to_csv(copy / "wines.csv", index=False)
    return copy


#: What the commands of the copy need not do as often as the recipe says, and how often is enough to see that they work.
LESS = {
    "recipe.yaml": {
        "n_estimators: 200": "n_estimators: 10",
        "max_iter: 150": "max_iter: 10",
        "folds: 5": "folds: 2",
        "repeats: 3": "repeats: 1",
        "bootstrap_draws: 2000": "bootstrap_draws: 200",
        "bootstrap_draws: 4000": "bootstrap_draws: 400",
    },
    "examples/diabetes/recipe.yaml": {
        "n_estimators: 100": "n_estimators: 10",
        "iterations: 10": "iterations: 2",
        "\nmetrics:": "\ncv: {folds: 2}\n\nmetrics:",
    },
}


def ask_less(folder: Path, recipe: str) -> None:
    """Let a recipe of a copy of the project ask for less."""
    content = (folder / recipe).read_text(encoding="utf-8")
    for often, less in LESS[recipe].items():
        assert often in content
        content = content.replace(often, less)
    (folder / recipe).write_text(content, encoding="utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the project with a smaller recipe and a warm python.

    It has the environment of this suite.
    """
    folder = copy_project(tmp_path_factory.mktemp("readme"))
    for recipe in LESS:
        ask_less(folder, recipe)
    with (folder / "profiles/local.yaml").open("a", encoding="utf-8") as profile:
        profile.write("engine: {n_jobs: 1}\n")
    lend_environment(folder)
    with warm_python(folder):
        yield folder


def lend_environment(folder: Path) -> None:
    """Make what `make setup` leaves behind, with this suite's packages."""
    lent = folder / ".venv"
    (lent / "bin").mkdir(parents=True)
    packages = Path(sys.executable).parent
    for name in ("python", "mlflow"):
        write_script(lent / "bin" / name, f'exec {shlex.quote(str(packages / name))} "$@"')
    (lent / "bin/activate").write_text(f'PATH="{lent / "bin"}:{packages}:$PATH"\n')
    identity = f"{os.path.realpath(sys.executable)} {sys.version.split()[0]}\n"
    (lent / ".python").write_text(identity)
    shutil.copy(folder / "requirements.txt", lent / ".installed-requirements.txt")


def write_script(path: Path, *lines: str) -> None:
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]), encoding="utf-8")
    path.chmod(0o755)


@contextlib.contextmanager
def warm_python(folder: Path) -> Iterator[None]:
    """Let the commands in the folder be forked from one process for the block.

    Not `serve`, which is to be ended alone, and not what `mlflow run` starts, which is to find who has started it.
    """
    place = folder.parent / "warm"
    warm = shlex.join([sys.executable, "-S", "-I", str(ROOT / "tests/warm.py"), "run", str(place)])
    write_script(
        folder / ".venv/bin/python",
        'case "$MLFLOW_RUN_ID $1 $2 $3" in " -m recipeline serve") ;; " -m steps."* | " -m recipeline "*)',
        f'    module=$2 && shift 2 && exec {warm} "$module" "$@" ;;',
        f'esac && exec {shlex.quote(sys.executable)} "$@"',
    )
    command = [sys.executable, str(ROOT / "tests/warm.py"), "serve", str(place)]
    with (folder.parent / "warm.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment(folder), stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not place.exists():
            assert process.poll() is None, (folder.parent / "warm.log").read_text(encoding="utf-8")
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def environment(folder: Path) -> dict[str, str]:
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    others = ("MLFLOW_", "XDG_", "MAKE", "PYTEST_")
    # PYTHON: of the make that runs this suite; it would be the interpreter of the makes in it.
    kept = {key: value for key, value in os.environ.items() if not key.startswith(others) and key != "PYTHON"}
    return {**kept, "HOME": str(home), **QUIET}


def run(block: str, folder: Path, *, timeout: float = 300) -> str:
    """Run a block as one script that ends at the first failure; return its stdout."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=folder,
        env=environment(folder),
        text=True,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def all_runs(folder: Path) -> dict[str, Run]:
    """Return the runs of a folder's store by ID; none where there is no store."""
    if not (folder / "mlflow.db").exists():
        return {}
    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return {run.info.run_id: run for run in client.search_runs(experiments)}


def stages(folder: Path) -> dict[str, str]:
    """Return the stage of each version; check that the champion's is Production."""
    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    found = {str(it.version): it.current_stage for it in client.search_model_versions(f"name = '{NAME}'")}
    in_production = [version for version, stage in found.items() if stage == "Production"]
    assert len(in_production) <= 1
    if in_production:
        assert [str(client.get_model_version_by_alias(NAME, "champion").version)] == in_production
    return found


def is_server(line: str) -> bool:
    return line.startswith(tuple(SERVERS))


def commands(block: str) -> list[str]:
    return [line for line in block.strip().splitlines() if not line.startswith(". ")]


def test_every_block_of_the_readme_is_one_that_is_run_here() -> None:
    kinds = ("make ", "mlflow ", "ingest=", "split=", "train=", "python -m steps.", "curl ", "  ")
    for block in BLOCKS:
        for line in commands(block):
            assert line.startswith(kinds), line


ORDINARY = [
    block
    for block in BLOCKS
    if not any(line.startswith(("mlflow ", "curl ", "make serve")) for line in commands(block))
    and not set(commands(block)) <= ELSEWHERE
]


@dataclass(frozen=True)
class Tour:
    """The blocks' output, and the version in Production between the pages."""

    outputs: list[str]
    champion: ModelVersion


@pytest.fixture(scope="module")
def tour(copy: Path) -> Tour:
    """Run the blocks one after the other as a reader does, whichever test comes first.

    The first, `make pipeline`, draws the plots of the cards.
    """
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    in_readme = sum(f"```sh\n{block}```" in readme for block in ORDINARY)
    first, *others = ORDINARY
    printed = [run(first, copy), *(run(f"export {UNDRAWN}=1\n{block}", copy) for block in others[: in_readme - 1])]
    name = yaml.safe_load((copy / "recipe.yaml").read_text(encoding="utf-8"))["model_name"]
    champion = MlflowClient(tracking_uri=f"sqlite:///{copy}/mlflow.db").get_model_version_by_alias(name, "champion")
    return Tour(printed + [run(f"export {UNDRAWN}=1\n{block}", copy) for block in others[in_readme - 1 :]], champion)


@pytest.fixture(scope="module")
def outputs(tour: Tour) -> list[str]:
    """The output of the blocks."""
    return tour.outputs


def test_the_tour_of_the_readme_leaves_the_best_of_all_candidates_in_production(copy: Path, tour: Tour) -> None:
    """Not the best of a `model=` left over, nor one of `promote=always`."""
    train = all_runs(copy)[tour.champion.tags["recipeline.train_run_id"]]
    candidates = yaml.safe_load((copy / "recipe.yaml").read_text(encoding="utf-8"))["candidates"]
    compared = {
        run.data.tags["model_type"]
        for run in all_runs(copy).values()
        if run.data.tags.get("mlflow.parentRunId") == train.info.run_id and "model_type" in run.data.tags
    }
    assert compared == set(candidates)
    assert tour.champion.tags["recipeline.candidate"] == train.data.tags["recipeline.best_model"]
    assert tour.champion.tags["recipeline.gate_passed"] == "true"


def test_the_commands_of_make_and_python_run_as_typed(copy: Path, outputs: list[str]) -> None:
    assert "Promotion: promoted (first)" in outputs[0]
    assert (copy / "mlflow.db").exists()
    assert any("DiabetesBestModel version 1" in output for output in outputs)


@pytest.mark.usefixtures("outputs")
@pytest.mark.parametrize("entry", ["train", pytest.param("main", marks=pytest.mark.full)])
def test_the_commands_of_mlflow_run_in_this_environment(copy: Path, entry: str) -> None:
    [block] = [block for block in BLOCKS if "mlflow run" in block]
    activate, *lines = block.strip().splitlines()
    [line] = [line for line in lines if f"-e {entry}" in line]
    run(f"{activate}\n{line.replace('mlflow run .', 'mlflow run . --env-manager local')}", copy)


def test_every_command_of_mlflow_in_the_readme_is_run_by_a_test() -> None:
    [block] = [block for block in BLOCKS if "mlflow run" in block]
    _, *lines = block.strip().splitlines()
    assert [line.split()[4] for line in lines] == ["main", "train"]


@pytest.fixture
def serving(copy: Path, outputs: list[str]) -> Iterator[Path]:
    """The README's servers, running on what its commands left behind."""
    assert outputs
    lines = [line + (" --env-manager local" if "mlflow models serve" in line else "") for line in server_lines()]
    yield from serve(lines, copy)


def server_lines() -> list[str]:
    return [line for block in BLOCKS for line in commands(block) if is_server(line)]


def serve(lines: list[str], folder: Path, *, timeout: float = 120) -> Iterator[Path]:
    """Serve `lines` in the background, wait until they listen, end them."""
    log = folder / "servers.log"
    started = [
        subprocess.Popen(
            ["bash", "-c", f". .venv/bin/activate && {line}"],
            cwd=folder,
            env=environment(folder),
            start_new_session=True,
            stdout=log.open("ab"),
            stderr=subprocess.STDOUT,
        )
        for line in lines
    ]
    try:
        deadline = time.monotonic() + timeout
        for line, process in zip(lines, started, strict=True):
            port = next(port for name, port in SERVERS.items() if line.startswith(name))
            while not listens(port):
                assert process.poll() is None, f"{line} ended:\n{log.read_text(encoding='utf-8')}"
                assert time.monotonic() < deadline, f"{line} does not listen on {port}"
                time.sleep(0.3)
        yield folder
    finally:
        for process in started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def curl_answers(folder: Path) -> None:
    """Check the answers to the README's curl lines, and the UI's runs."""
    [mlflows, ours] = [block for block in BLOCKS if block.startswith("curl")]
    [prediction] = json.loads(run(mlflows, folder))["predictions"]
    assert 3 <= prediction <= 8
    answer, table, ready = values(run(ours, folder))
    assert answer["predictions"] == [pytest.approx(prediction, rel=1e-6)]
    assert answer["grade"] == [round(prediction)]
    assert answer["interval"]["lower"][0] < prediction < answer["interval"]["upper"][0]
    assert len(table["predictions"]) == len(WINES)
    assert (ready["status"], ready["served"]) == ("ready", answer["model"])
    shown = json.loads(re.findall(r"```json\n(.*?)```", README, re.DOTALL)[0])
    assert [*shown] == [*answer]
    assert [*shown["model"]] == [*answer["model"]]
    request = urllib.request.Request(
        "http://127.0.0.1:5000/ajax-api/2.0/mlflow/experiments/search",
        data=b'{"max_results": 100}',
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert "Wine_Quality_MLOps" in answer.read().decode()


def values(text: str) -> list[Any]:
    """Return the JSON values that stand in a text one after the other."""
    found, decoder = [], json.JSONDecoder()
    while text := text.strip():
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:]
    return found


def test_the_model_is_served_and_the_runs_are_shown(serving: Path) -> None:
    curl_answers(serving)


@pytest.mark.full
def test_the_readme_runs_word_for_word_from_a_fresh_copy_with_environments_of_its_own(tmp_path: Path) -> None:
    """`make pipeline` in a bare copy, then every other block, as typed."""
    folder = copy_project(tmp_path)
    for block in ORDINARY:
        run(block, folder, timeout=900)
    [block] = [block for block in BLOCKS if "mlflow run" in block]
    run(block, folder, timeout=1200)
    for _ in serve(server_lines(), folder, timeout=900):
        curl_answers(folder)
    run("make clean", folder)
    assert (folder / "mlflow.db").exists()
    assert (folder / "mlruns").exists()
