"""Every command and step prints one object with --json, by its schema.

This holds for every exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pandas as pd
import pytest
from click.testing import CliRunner

from recipeline.artifacts import ORDER
from recipeline.cli.main import COMMANDS
from recipeline.cli.output.values import VALUES, type_of_values
from tests.conftest import ROOT, Project, find_command, forget_mlflow, undrawn
from tests.schemas import RESULT, schema_of_results
from tests.serving.helpers import free_port, wait_for

NAMES = (*ORDER, "main", *COMMANDS)
SCHEMA = jsonschema_rs.validator_for(json.loads(RESULT.read_text(encoding="utf-8")))
#: Those whose command line is not `--recipe R --profile P`.
OF_FILES = ("new", "upgrade", "server-up", "server-down", "server-status")


def object_of(stdout: str, command: str, exit_code: int | None) -> Any:
    """Return the object that is all of stdout, after checks of what holds for each."""
    [line] = stdout.splitlines()
    found = json.loads(line)
    SCHEMA.validate(found)
    assert (found["command"], found["exit_code"]) == (command, exit_code)
    assert (found["outcome"] == "error") == bool(found["error"]) == (found["values"] is None)
    return found


def with_json(project: Project, name: str, *words: str, **params: str) -> Any:
    """Run a command with --json; return its object."""
    options = {} if name in OF_FILES else {"recipe": str(project.recipe_path), "profile": str(project.profile_path)}
    given = [word for key, value in (options | params).items() for word in (f"--{key.replace('_', '-')}", value)]
    with undrawn():
        done = CliRunner().invoke(find_command(name.replace("-", "_")), [*given, *words, "--json"])
    forget_mlflow()
    found = object_of(done.stdout, name, done.exit_code)
    if found["error"]:
        assert found["error"] in done.stderr
        assert all(line in done.stderr for line in found["details"])
        if found["run_id"] and found["exit_code"] != 130:
            assert project.tags(found["run_id"])["recipeline.error"] == found["error"]
    return found


def test_the_documents_have_the_schema() -> None:
    assert json.loads(RESULT.read_text(encoding="utf-8")) == schema_of_results(), "write it anew: python -m tests.schemas"


def test_each_command_and_each_step_has_a_type_and_no_other() -> None:
    assert set(VALUES) == set(NAMES)
    assert all(type_of_values(name) for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_in_a_project_without_rows_and_runs_each_command_prints_one_object(
    project: Project, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.data.unlink()
    if name in OF_FILES:
        monkeypatch.setenv("RECIPELINE_PROJECT", str(project.folder))
    if name in ("server-down", "server-status"):  # the others would build a wheel or start servers, which takes seconds
        (project.folder / "MLproject").touch()
    exit_codes = dict.fromkeys((*ORDER, "main", "retrain"), 3) | dict.fromkeys(
        ("new", "upgrade", "server-up", "restore", "serve", "check"), 2
    )
    exit_codes |= dict.fromkeys(("prune", "repair", "history", "who-served", "doctor", "backup", "server-down"), 0)
    options = {"serve": {"port": "none"}, "backup": {"output": str(project.folder / "all.tar.gz")}}
    found = with_json(project, name, **options.get(name, {}))
    assert found["exit_code"] == exit_codes.get(name, 6), found["error"]
    # An error in a run names it; one before any run is opened has none.
    opened = name in ORDER or name in ("compare", "predict", "monitor", "approve", "rollback", "prune", "repair")
    assert bool(found["run_id"]) == opened


@pytest.mark.parametrize(("words", "code"), [(["nosuch", "--json"], 2), (["--json"], 2), (["train", "--json"], 2)])
def test_a_command_that_does_not_exist_is_an_object_too(words: list[str], code: int) -> None:
    done = subprocess.run([sys.executable, "-m", "recipeline", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert object_of(done.stdout, "recipeline", code)["error"] in done.stderr


def test_an_environment_without_the_libraries_is_an_object_too() -> None:
    code = "import sys; sys.argv = ['x', '--json']; sys.modules['mlflow'] = None; import steps"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert object_of(done.stdout, "", done.returncode)["error"] in done.stderr
    assert done.returncode == 2


def test_the_chain_tells_its_steps_its_best_candidate_its_version_and_its_decision(ran: Project) -> None:
    found = with_json(ran, "main")
    values = found["values"]
    assert [it["step"] for it in values["steps"]] == list(ORDER)
    assert [it["cached"] for it in values["steps"]] == [True] * 4 + [False] * 2
    for it in values["steps"]:
        tags = ran.tags(it["run_id"])
        assert tags["recipeline.step"] == it["step"]
        assert it["outcome"] == ("cached" if it["cached"] else tags["recipeline.outcome"])
    assert found["outcome"] == "kept"
    assert values["version"] == {"name": "SmallModel", "version": "1", "new": False}
    assert values["decision"]["version"] == "1"
    assert values["decision"]["reason"] in found["output"]
    best = ran.client.get_run(values["best"]["run_id"])
    assert best.data.tags["model_type"] == values["best"]["candidate"]
    assert {name: best.data.metrics[name] for name in ("r2", "mae")} == {
        name: values["best"]["metrics"][name] for name in ("r2", "mae")
    }
    assert values["data"]["digest"] == ran.tags(found["run_id"])["recipeline.data_digest"]
    assert values["card"].endswith("card.html")

    ran.write_recipe(lambda recipe: recipe["gates"]["validation_criteria"][0].update(threshold=0.999))
    found = with_json(ran, "main", model="lr")
    values = found["values"]
    assert (found["exit_code"], found["outcome"], values["version"], values["decision"]) == (4, "rejected", None, None)
    assert values["best"]["verdict"] == "REJECTED"
    assert values["best"]["failures"][0] in found["output"]
    why = {it["step"]: it["why"] for it in values["steps"]}
    assert list(why) == [*ORDER[:5]]
    assert (why["ingest"], "lr" in why["train"] or "candidates" in why["train"]) == ("", True)


def test_a_step_tells_what_its_run_is_made_from_and_what_it_wrote(trained: Project) -> None:
    found = with_json(trained, "split")
    values, run = found["values"], trained.client.get_run(found["run_id"])
    assert values["lineage"] == {"ingest": run.data.tags["recipeline.ingest_run_id"]}
    assert values["params"].items() <= run.data.params.items()
    assert values["metrics"].items() <= run.data.metrics.items()
    assert values["artifacts"] == ["fingerprint.json", "train.parquet", "test.parquet", "leak_audit.json"]
    assert {f"recipeline.{key}": value for key, value in values["tags"].items()}.items() <= run.data.tags.items()


def test_commands_about_production_tell_versions_and_entries(ran: Project) -> None:
    [term] = with_json(ran, "history")["values"]
    assert (term["version"], term["kind"], term["until"]) == ("1", "promote", None)
    assert with_json(ran, "who-served")["values"] == [term]
    assert with_json(ran, "why")["values"]["version"] == "1"
    error = with_json(ran, "rollback")
    assert (error["exit_code"], error["details"]) == (6, [])
    ran.ok("main", model="lr", promote="always")
    entry = with_json(ran, "rollback", reason="grades too high")
    assert (entry["outcome"], entry["values"]["before"], entry["values"]["after"]) == ("promoted", "2", "1")
    assert entry["values"]["run_id"] == entry["run_id"]
    sides = with_json(ran, "compare", before="1", after="2")["values"]
    assert (sides["before"]["name"], sides["after"]["candidate"]) == ("version 1", "LinearRegression")
    assert sides["differences"]
    ran.client.set_registered_model_alias("SmallModel", "champion", "2")  # by hand
    assert with_json(ran, "doctor")["outcome"] == "broken"
    assert with_json(ran, "repair")["values"]["left"] == []
    assert {it["state"] for it in with_json(ran, "doctor")["values"]} == {"ok", "note"}


def test_commands_about_rows_and_the_store_tell_counts_and_paths(
    trained: Project, tmp_path: Path, wines: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sample = with_json(trained, "predict")["values"]["sample"]
    assert sample["answer"]["prediction_lower"] <= sample["answer"]["prediction"]
    assert "alcohol" in sample["row"]
    wines.assign(alcohol=lambda rows: rows["alcohol"].where(rows.index > 0, -1)).to_csv("live.csv", index=False)
    found = with_json(trained, "predict", input="live.csv")
    assert (found["exit_code"], len(found["details"]) > 0, "alcohol" in "".join(found["details"])) == (3, True, True)
    file = with_json(trained, "predict", input="live.csv", on_bad_rows="reject")["values"]["file"]
    assert (file["rows"], file["predicted"], file["rejected"]) == (400, 399, 1)
    assert all((tmp_path / name).is_file() for name in (file["output"], file["rejects"]))
    wines.assign(alcohol=wines["alcohol"] + 3).drop(columns="quality").to_csv("drifted.csv", index=False)
    found = with_json(trained, "monitor", data="drifted.csv")
    assert (found["exit_code"], found["outcome"], found["values"]["verdict"]) == (5, "drift", "drift")
    assert "alcohol" in {it["subject"] for it in found["values"]["findings"]}
    archive = with_json(trained, "backup", output=str(tmp_path / "all.tar.gz"))["values"]
    assert archive["bytes"] == (tmp_path / "all.tar.gz").stat().st_size
    assert with_json(trained, "check")["values"]["target"] == "quality"
    assert with_json(trained, "prune")["values"] == {"deleted": False, "older_than_days": 90, "items": [], "left": ""}


def test_a_service_prints_its_object_when_it_listens_and_nothing_later(trained: Project, tmp_path: Path) -> None:
    """In a process of its own from its start on."""
    port = free_port()
    words = ["--recipe", str(trained.recipe_path), "--profile", str(trained.profile_path), "--port", str(port), "--json"]
    command, environment = [sys.executable, "-m", "recipeline", "serve", *words], {**os.environ, "PYTHONUNBUFFERED": ""}
    with (
        (tmp_path / "serve.log").open("wb") as log,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            assert process.stdout
            found = object_of(process.stdout.readline(), "serve", None)
            url = f"http://127.0.0.1:{port}"
            assert (found["outcome"], found["values"]["url"], found["values"]["needs_token"]) == ("listening", url, False)
            wait_for(url)
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == ""
    assert process.returncode == 143


def test_a_chain_that_is_interrupted_names_its_run_not_that_of_the_step(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("steps.ingest.STEP", replace(importlib.import_module("steps.ingest").STEP, work=interrupt))
    found = with_json(project, "main")
    assert (found["exit_code"], project.tags(found["run_id"])["recipeline.step"]) == (130, "main")
    assert [run.data.tags["recipeline.exit_code"] for run in project.runs()] == ["130", "130"]


@pytest.mark.full
def test_a_command_that_is_terminated_names_its_run(trained: Project) -> None:
    words = ["--recipe", str(trained.recipe_path), "--profile", str(trained.profile_path), "--json"]
    before = {run.info.run_id for run in trained.runs("main")}
    command = [sys.executable, "-m", "steps.main", *words, "--cache", "off"]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not (opened := {run.info.run_id for run in trained.runs("main")} - before) and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        stdout, _ = process.communicate(timeout=60)
    found = object_of(stdout.decode(), "main", 143)
    assert ({found["run_id"]}, found["error"]) == (opened, "terminated")


@pytest.mark.full
def test_a_new_project_and_its_differences_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(find_command("new"), ["mine", "--json"])
    values = object_of(found.stdout, "new", 0)["values"]
    assert {"recipe.yaml", "steps/train.py"} <= {*values["files"]}
    assert all((Path(values["folder"]) / name).is_file() for name in values["files"])
    monkeypatch.setenv("RECIPELINE_PROJECT", values["folder"])
    (tmp_path / "mine/recipe.yaml").write_text("changed", encoding="utf-8")
    (tmp_path / "mine/steps/train.py").unlink()
    for words, is_written in (((), False), (("--apply",), True)):
        found = CliRunner().invoke(find_command("upgrade"), [*words, "--json"])
        files = {it["path"]: it for it in object_of(found.stdout, "upgrade", 0)["values"]["files"]}
        assert (files["recipe.yaml"]["state"], files["recipe.yaml"]["written"]) == ("changed here", False)
        assert not any(it["written"] and not is_written for it in files.values())
