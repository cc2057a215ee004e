"""Facts that are written in more than one file agree."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from recipeline import artifacts
from recipeline.artifacts import ORDER
from recipeline.orchestration.step import Step
from recipeline.tracking.artifact_writer import MANIFEST
from recipeline.tracking.runs import StepRun
from tests.conftest import ROOT, Project, words_of
from tests.conftest import find_command as command

PROJECT: dict[str, Any] = yaml.safe_load((ROOT / "MLproject").read_text(encoding="utf-8"))
README = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/reference.md"))
MAKEFILE = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", "development.mk"))
#: What changes something, and is an entry point.
LOOP = ("predict", "serve", "monitor", "retrain")
#: What is about Production, and is an entry point too.
CHANGES = ("approve", "rollback", "repair", "prune")
ENTRY_POINTS = ("main", *ORDER, "report", "compare", *LOOP, *CHANGES)
#: What only reads, or is about the store that a run would be in.
COMMANDS = ("check", "history", "who_served", "why", "doctor", "backup", "restore", "server_up", "server_down", "server_status")
#: What writes a project, and is no target of one.
OF_PROJECTS = ("new", "upgrade")


def tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


@pytest.mark.xdist_group("one worker")
def test_tests_of_one_group_go_to_one_worker(request: pytest.FixtureRequest) -> None:
    """Else each worker makes fixtures that take minutes, and ports meet.

    The test's name tells.
    """
    assert "PYTEST_XDIST_WORKER" not in os.environ or request.node.nodeid.endswith("@one worker")


def test_the_project_declares_exactly_the_entry_points() -> None:
    assert set(PROJECT["entry_points"]) == set(ENTRY_POINTS)


def test_continuous_integration_runs_with_each_python_that_the_lock_is_for() -> None:
    job = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]["test"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert job["env"]["PYTHON"] == "python${{ matrix.python }}"  # else make takes the newest of the machine
    assert re.search(r"^PYTHON \?=", MAKEFILE, re.MULTILINE)
    assert job["steps"][-1]["run"] == "bash .ci/run"


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_an_entry_points_parameters_are_its_commands_options_with_their_defaults(name: str) -> None:
    parameters = PROJECT["entry_points"][name]["parameters"]
    options = {option.name: option.default for option in command(name).params if option.name != "json"}
    assert {key: value["default"] for key, value in parameters.items()} == options
    assert {value["type"] for value in parameters.values()} == {"string"}


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_an_entry_points_command_passes_every_parameter_on(name: str) -> None:
    entry = PROJECT["entry_points"][name]
    words = [f"--{key.replace('_', '-')} {{{key}}}" for key in entry["parameters"]]
    assert entry["command"].split(" --")[0] == f"python {words_of(name)}"
    assert sorted(re.findall(r"--[\w-]+ \{\w+\}", entry["command"])) == sorted(words)


@pytest.mark.parametrize("name", ENTRY_POINTS + COMMANDS)
def test_a_command_has_a_make_target_and_a_row_in_the_readme_with_its_parameters(name: str) -> None:
    target = re.search(rf"^{name.replace('_', '-')}: setup ## (.*)$", MAKEFILE, re.MULTILINE)
    row = re.search(rf"^\| `{name.replace('_', '-')}` \|(.*)$", README, re.MULTILINE)
    assert target
    assert row
    for option in command(name).params:
        word = option.opts[0].removeprefix("--").replace("-", "_")
        if word not in ("recipe", "profile", "json"):
            assert f"{word}=" in target[1]
            assert f"`{word}`" in row[1]


#: Only where engine.max_train_rows leaves rows out.
ONLY_SOME = {artifacts.FITTED.name}


def artifacts_in_the_readme(name: str) -> tuple[set[str], set[str]]:
    """Return the artifacts of a step in the README's table: read, written."""
    row = re.search(rf"^\| `{name}` \|.*\|(.*)\|(.*)\|$", README, re.MULTILINE)
    assert row
    reads, writes = (set(re.findall(r"`(\w+\.(?:parquet|json|csv|skops|md))`", cell)) for cell in row.groups())
    return reads, writes


@pytest.mark.parametrize("step", ORDER)
def test_the_readme_names_the_artifacts_that_a_steps_run_has_and_no_others(trained: Project, step: str) -> None:
    folder = Path(trained.first(step).info.artifact_uri.removeprefix("file://"))
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    _, writes = artifacts_in_the_readme(step)
    only_some = ONLY_SOME | {artifacts.INTERVAL.name}  # only an interval that depends on the features has models
    assert writes - only_some == set(manifest["files"]) - {artifacts.FINGERPRINT.name} - only_some
    assert all((folder / name).is_file() for name in writes - only_some)


def test_the_readme_names_every_artifact_of_the_contract_in_the_row_of_the_step_that_writes_it() -> None:
    contract = {value for value in vars(artifacts).values() if isinstance(value, artifacts.Artifact)}
    of_steps = {(it.step, it.name) for it in contract if it.step != "*"}
    assert len(of_steps) > 20
    of_steps.remove(("ingest", artifacts.VIOLATIONS.name))  # of a run that failed only
    steps = [name for name in ENTRY_POINTS if name not in CHANGES]
    assert of_steps == {(name, it) for name in steps for it in artifacts_in_the_readme(name)[1]}


def test_the_readme_names_the_artifacts_that_a_step_reads(ran: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    read: dict[str, set[str]] = {}

    def note(way: str) -> None:
        get = getattr(StepRun, way)

        def noted(run: StepRun, artifact: artifacts.Artifact[Any]) -> Any:
            read.setdefault(run.step, set()).add(artifact.name)
            return get(run, artifact)

        monkeypatch.setattr(StepRun, way, noted)

    note("load")
    note("open")
    monkeypatch.setattr(
        "recipeline.orchestration.chain.begin_card", lambda *_, **__: lambda: None
    )  # a card reads what it shows
    ran.ok("main", cache="off")
    for step in ("split", "train", "evaluate", "register"):  # of promote it names no files
        assert read[step] == artifacts_in_the_readme(step)[0] - ONLY_SOME
    assert read["ingest"] == {artifacts.DATASET.name}  # its own, which it describes batch by batch


@pytest.mark.parametrize("step", ORDER)
def test_the_readme_and_the_help_name_what_a_step_declares(step: str) -> None:
    declared: Step = importlib.import_module(f"steps.{step}").STEP
    reads, writes = ({it.name for it in those or ()} for those in (declared.reads, declared.writes))
    in_readme = artifacts_in_the_readme(step)
    assert writes - {artifacts.VIOLATIONS.name} == in_readme[1]
    if step != "promote":  # the versions and the rows behind them are told in words
        assert reads == in_readme[0]
    named = set(re.findall(r"\w+\.(?:parquet|json|csv|skops|md)", command(step).help or "")) - {"wines.csv"}  # of the example
    assert named <= reads | writes
    assert writes - {artifacts.VIOLATIONS.name} <= named


@pytest.mark.parametrize("name", ENTRY_POINTS + COMMANDS + OF_PROJECTS)
def test_help_tells_what_a_command_reads_or_writes_and_an_example(name: str) -> None:
    text = command(name).help or ""
    assert "Writes:" in text or "Reads:" in text
    assert words_of(name).removeprefix("-m ") in text
    for option in command(name).params:
        if isinstance(option, click.Argument):
            assert option.make_metavar(click.Context(command(name))) in text
            continue
        assert isinstance(option, click.Option)
        assert option.help
        assert option.show_default or option.is_flag or option.required


def test_each_step_and_each_command_of_the_library_is_an_entry_point_or_reads_only() -> None:
    modules = {name: {path.stem for path in (ROOT / name).glob("[a-z]*.py")} for name in ("steps", "recipeline/commands")}
    assert modules["steps"] == {"main", *ORDER}
    assert modules["recipeline/commands"] == {*ENTRY_POINTS, *COMMANDS, *OF_PROJECTS} - modules["steps"]


def test_mlflow_conda_and_pip_install_the_same_locked_list() -> None:
    python_env = yaml.safe_load((ROOT / "python_env.yaml").read_text(encoding="utf-8"))
    conda = yaml.safe_load((ROOT / "conda.yaml").read_text(encoding="utf-8"))
    assert PROJECT["python_env"] == "python_env.yaml"
    assert python_env["dependencies"] == ["-r requirements.txt"]
    assert "python" not in python_env
    assert conda["dependencies"][-1] == {"pip": ["-r requirements.txt"]}


def locked(name: str) -> dict[str, set[str]]:
    """Return the versions of each package in a lock."""
    found: dict[str, set[str]] = {}
    for package, version in re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE):
        found.setdefault(package, set()).add(version)
    return found


def test_the_lock_has_every_dependency_with_hashes_and_the_development_lock_contains_it() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    runtime, development = locked("requirements.txt"), locked("requirements-dev.txt")
    for requirement in declared["project"]["dependencies"]:
        assert re.split(r"[<>=\[ ]", requirement)[0] in runtime
    for requirement in declared["dependency-groups"]["dev"]:
        assert re.split(r"[<>=\[ ]", requirement)[0].lower() in development
    assert runtime.items() <= development.items()
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert len(re.findall(r"^[\w.-]+==", text, re.MULTILINE)) == len(
            re.findall(r"^[\w.-]+==.*\\\n +--hash", text, re.MULTILINE)
        )


def test_no_package_index_is_named() -> None:
    for name in tracked():
        path = ROOT / name
        if path.suffix in {".txt", ".toml", ".yaml", ".yml", ".cfg", ".ini", ".sh", ""} and path.is_file():
            text = path.read_text(encoding="utf-8", errors="ignore")
            assert not re.search(r"^\s*--?(extra-)?index-url|https?://\S+/simple\b", text, re.MULTILINE), name


def test_the_real_data_and_the_store_are_not_committed() -> None:
    assert not [name for name in tracked() if re.search(r"winequality|mlflow\.db|^mlruns", name)]


def test_help_lists_each_target_once_in_its_group_within_80_columns() -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # of the make that runs this
    shown = subprocess.run(["make"], cwd=ROOT, env=plain, capture_output=True, text=True, check=True).stdout
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 80
    listed = [line.split()[0] for line in lines if re.match(r"  [a-z]", line)]
    assert sorted(listed) == sorted(set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE)))
    assert {"start", "pipeline", "Production", "project", "development"} <= set(lines)


def test_every_target_that_help_lists_is_declared_phony() -> None:
    phony = {name for line in re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE) for name in line.split()}
    for name in ("STEPS", "REGISTRY"):
        phony |= set(re.findall(rf"^{name} := (.*)$", MAKEFILE, re.MULTILINE)[0].split())
    assert set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE)) <= phony


def test_the_environment_is_left_alone_when_nothing_changed() -> None:
    """`make setup` twice: the second time is over at once, and installs nothing."""
    if not (ROOT / ".venv/.python").exists():
        pytest.skip("this suite runs outside of the .venv that make makes")
    done = subprocess.run(["make", "setup"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_parameters_reach_a_step_through_make_with_their_quotes(tmp_path: Path) -> None:
    script = tmp_path / "scripts/step"
    script.parent.mkdir()
    script.write_bytes((ROOT / "scripts/step").read_bytes())
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    environment = {"PATH": "/usr/bin:/bin", "ARGS": "data='my wines.csv' split_run_id=abc model=rf,lr"}
    done = subprocess.run(["bash", str(script), "train"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "-m",
        "steps.train",
        "--data",
        "my wines.csv",
        "--split-run-id",
        "abc",
        "--model",
        "rf,lr",
    ]
