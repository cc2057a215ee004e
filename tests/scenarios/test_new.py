"""A project of one's own, by `recipeline new`, and its upgrade."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from benchmarks.load import free_port
from recipeline import Project
from recipeline.scaffolding import library
from recipeline.scaffolding.template import RECORD, read_template
from tests.conftest import ROOT, find_command
from tests.scenarios.test_literal import other_pythons

WHEEL = library.Requirement("./wheels/r.whl --hash=sha256:00", "git", {"wheels/r.whl": b"wheel"})
PYTHONS = [sys.executable, *other_pythons()]


@pytest.fixture(autouse=True)
def _library(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Let the library need no pip to be locked, but where a test installs it."""
    if "full" not in request.keywords:
        monkeypatch.setattr(library, "require_library", lambda: WHEEL)


@pytest.fixture
def cars(tmp_path: Path) -> Path:
    """A table that nobody has seen before: weight, power with gaps, and consumption."""
    rng = np.random.default_rng(0)
    weight, power = rng.normal(1500, 300, 300), rng.normal(110, 30, 300)
    table = pd.DataFrame({"weight": weight, "horse power": power, "consumption": 40 - weight / 100 - power / 20})
    table["consumption"] += rng.normal(0, 1.5, 300)
    table.loc[::29, "horse power"] = np.nan
    table.round(2).to_csv(tmp_path / "cars.csv", index=False, sep=";")
    return tmp_path / "cars.csv"


def typed(command: str, *words: str) -> Result:
    return CliRunner().invoke(find_command(command), words)


def test_columns_that_are_no_features_are_named(tmp_path: Path, cars: Path) -> None:
    table = pd.read_csv(cars, sep=";").assign(
        tax=lambda it: it["weight"].round(1).astype(str) + "%", plate=lambda it: "k" + it.index.astype(str)
    )
    table.to_csv(cars, index=False)
    done = typed("new", str(tmp_path / "taxed"), "--data", str(cars), "--target", "consumption")
    assert "No feature: tax, plate; recipe.yaml has the reason of each." in done.stdout


def test_a_table_that_nobody_has_seen_before_is_a_project_whose_model_is_in_production(tmp_path: Path, cars: Path) -> None:
    folder = tmp_path / "my cars"
    done = typed("new", str(folder), "--data", str(cars), "--target", "consumption")
    assert done.exit_code == 0, done.stderr
    assert f"cd '{folder}'" in done.stdout
    assert (folder / "wheels/r.whl").read_bytes() == b"wheel"
    assert (folder / "requirements.txt").read_text(encoding="utf-8").endswith("\n./wheels/r.whl --hash=sha256:00\n")
    project = Project(folder)
    assert project.run(model="lr,ridge").outcome == "promoted"
    predicted = project.production.predict(pd.DataFrame({"weight": [1200.0, 1800.0], "horse power": [100.0, np.nan]}))
    assert predicted["prediction"].iloc[0] > predicted["prediction"].iloc[1]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("--data", "cars.csv"), 2, "--data and --target belong together"),
        (("--data", "x" * 300, "--target", "a"), 3, "which does not exist, instead. Correct the path."),
        (("--data", "https://me:sesame@it.example/a", "--target", "a"), 3, "Got 'https://***@it.example/a', which does not"),
        (
            ("--data", "nowhere.csv", "--target", "a"),
            3,
            "--data must be an existing file or folder. Got 'nowhere.csv', which does not exist, instead. Correct the path.",
        ),
        (("--data", "/dev/null", "--target", "a"), 3, ", which is neither, instead. Correct the path."),
        (("--data", "a" * 300, "--target", "a"), 3, "aaa', which does not exist, instead. Correct the path."),
        (("--data", "{cars}", "--target", "wieght"), 2, "Did you mean 'weight'"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_leaves_no_folder(
    tmp_path: Path, cars: Path, words: tuple[str, ...], code: int, sentence: str
) -> None:
    done = typed("new", str(tmp_path / "mine"), *(word.format(cars=cars) for word in words))
    assert (done.exit_code, "Traceback" in done.stderr) == (code, False)
    assert sentence in done.stderr
    assert not (tmp_path / "mine").exists()


def test_upgrade_says_what_differs_and_writes_what_the_owner_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine"
    assert typed("new", str(folder)).exit_code == 0
    monkeypatch.chdir(folder / "profiles")
    monkeypatch.delitem(sys.modules, "steps", raising=False)  # those that other tests have imported are of another project
    assert "No difference from the template" in typed("upgrade").stdout

    (folder / "steps/split.py").write_text("mine = 1\n", encoding="utf-8")
    newer = read_template() | {"steps/split.py": b"theirs = 1\n", "steps/train.py": b"newer = 1\n"}
    monkeypatch.setattr("recipeline.scaffolding.template.read_template", lambda: newer)
    lines = typed("upgrade", "--diff").stdout.splitlines()
    assert lines[:2] == ["changed in both           steps/split.py", "changed in the template   steps/train.py"]
    assert {"-mine = 1", "+theirs = 1", "+newer = 1"} <= set(lines)

    assert "Written: 1 files. Unchanged: 1." in typed("upgrade", "--apply").stdout
    assert (folder / "steps/train.py").read_bytes() == b"newer = 1\n"
    assert (folder / "steps/split.py").read_text(encoding="utf-8") == "mine = 1\n"
    assert typed("upgrade").stdout.splitlines() == ["changed in both           steps/split.py"]
    assert json.loads((folder / RECORD).read_text(encoding="utf-8"))["library"] == "git"


# --- for real: environments, pip, make and mlflow ------------------------------------------------------------------------


def run(command: str, folder: Path, home: Path, *, code: int = 0) -> str:
    """Run a command as after the installation; return what it printed."""
    others = ("MLFLOW_", "PYTHON", "RECIPELINE_", "MAKE", "PYTEST_", "VIRTUAL_ENV", "WINE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    environment = {**kept, "HOME": str(home), "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == code, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.full
@pytest.mark.parametrize("python", PYTHONS)
def test_with_the_wheel_alone_a_new_project_runs_tests_serves_and_is_a_project_of_mlflow(tmp_path: Path, python: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    uv = Path(sys.executable).with_name("uv")
    words = [uv, "build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", tmp_path, ROOT]
    run(shlex.join(map(str, words)), tmp_path, home)
    [wheel] = tmp_path.glob("*.whl")
    run(f"{python} -m venv env && env/bin/pip install --quiet {wheel}", tmp_path, home)
    said = run('env/bin/recipeline new "my table"', tmp_path, home)
    assert f"locked to recipeline from {wheel.name}" in said
    folder = tmp_path / "my table"
    data = "ARGS='data=synthetic model=lr,rf'"
    assert "Promotion: promoted (first)" in run(f"make pipeline PYTHON={python} {data}", folder, home)
    assert "2 passed" in run(f"make test PYTHON={python}", folder, home)
    assert "Nothing is broken" in run("make doctor", folder, home)
    assert "No difference from the template" in run(".venv/bin/recipeline upgrade", folder, home)
    assert "Reused: ingest, split, train, evaluate." in run(
        ". .venv/bin/activate && mlflow run . -e main -P data=synthetic -P model=lr,rf", folder, home
    )
    code = "from recipeline import Project; print(Project('.').production.version)"
    assert run(f'.venv/bin/python -c "{code}"', folder, home) == "1\n"
    assert served(folder, home)["predictions"]


def served(folder: Path, home: Path) -> Any:
    """Return the service's answer to its own example, and end the service."""
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    command = [folder / ".venv/bin/recipeline", "serve", "--port", str(port)]
    with (folder / "serve.log").open("wb") as log:
        service = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/model", timeout=10) as answer:
                    example = json.load(answer)["sample"]
                break
            except (urllib.error.URLError, ConnectionError):
                assert service.poll() is None, (folder / "serve.log").read_text(encoding="utf-8")
                assert time.monotonic() < deadline
                time.sleep(0.2)
        body, headers = json.dumps(example).encode(), {"Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/predict", body, headers)) as answer:
            return json.load(answer)
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(timeout=60)
