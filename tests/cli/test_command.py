from __future__ import annotations

import json
import sys
from typing import Any

import click
import pytest
from click.testing import CliRunner
from click.testing import Result as Ended

from recipeline.artifacts import CHANGE, ORDER
from recipeline.cli.command import (
    FilesEntryPoint,
    Result,
    ServiceEntryPoint,
    announce,
    entry_point,
    reading_command,
    record_change,
    registry_command,
    step_command,
)
from recipeline.cli.main import COMMANDS
from recipeline.cli.output import stdout
from recipeline.errors import UnavailableError
from recipeline.orchestration.session import Session
from recipeline.registry.ledger import PROMOTE, Actor
from recipeline.registry.results import Entry
from recipeline.tracking.runs import StepRun
from tests.conftest import Project, find_command, forget_mlflow
from tests.sessions import Toys


def invoke(command: click.Command, project: Project, *words: str) -> Ended:
    """Run a command on a project."""
    options = ["--recipe", str(project.recipe_path), "--profile", str(project.profile_path)]
    return CliRunner().invoke(command, [*options, *words])


def test_stdout_is_the_result_and_what_libraries_print_goes_to_stderr() -> None:
    def work() -> Result:
        print("a library's words")
        sys.stdout.write("and more\n")
        return Result("the result", 4)

    ended = CliRunner().invoke(entry_point("my_toy")(work), [])
    assert (ended.stdout, ended.exit_code) == ("the result\n", 4)
    assert ended.stderr == "a library's words\nand more\n"
    assert entry_point("my_toy")(work).name == "my-toy"


@pytest.mark.parametrize(("step", "options"), [("ingest", []), ("split", ["ingest_run_id"]), ("train", ["split_run_id"])])
def test_a_step_may_be_told_the_run_of_the_step_before_it(step: str, options: list[str]) -> None:
    command = step_command(Toys().step(step))(lambda: None)
    assert [option.name for option in command.params] == ["recipe", "profile", *options, "json"]


@pytest.fixture
def reading() -> click.Command:
    @reading_command("toy")
    @click.option("--word", default="")
    def toy(session: Session, word: str) -> tuple[Any, str]:
        if word:
            raise OSError(28, word)
        return {"recipe": session.recipe.name, "text": "größer"}, "a text for people"

    return toy


def test_what_only_reads_is_a_text_and_with_json_its_values_and_nothing_else(reading: click.Command, project: Project) -> None:
    assert invoke(reading, project).stdout == "a text for people\n"
    found = invoke(reading, project, "--json")
    assert json.loads(found.stdout)["values"] == {"recipe": "small", "text": "größer"}
    assert "größer" in found.stdout
    assert json.loads(found.stdout)["output"] == "a text for people"
    assert project.runs() == []


def test_a_store_that_fails_while_it_is_read_is_unavailable(reading: click.Command, project: Project) -> None:
    ended = invoke(reading, project, "--word", "No space left on device")
    assert ended.exit_code == UnavailableError.exit_code
    assert "must be reachable and writable" in ended.stderr


def test_what_changes_the_registry_has_a_run_of_its_own_whose_id_is_the_last_line(project: Project) -> None:
    entry = Entry("", "2024-05-01T12:00:00+00:00", PROMOTE, "1", "2", "ann", "here", "better", "0123")

    @registry_command("approve")
    def approve(session: Session, run: StepRun) -> str:
        assert isinstance(session.actor, Actor)
        record_change(run, entry)
        return "version 2 was promoted"

    words, run_id = invoke(approve, project).stdout.splitlines()
    assert words == "version 2 was promoted"
    tags = project.tags(run_id)
    assert (tags["recipeline.step"], tags["recipeline.outcome"], tags["recipeline.model_version"]) == (
        "approve",
        "promoted",
        "2",
    )
    assert [file.path for file in project.client.list_artifacts(run_id)] == [CHANGE.name, "manifest.json"]


@pytest.mark.parametrize("name", [*ORDER, "main", *(word.replace("-", "_") for word in COMMANDS)])
def test_with_json_a_failure_is_one_object_with_the_sentence_and_the_exit_code(name: str) -> None:
    done = CliRunner().invoke(find_command(name), ["--bogus", "--json"])
    found = json.loads(done.stdout)
    assert (found["command"], found["run_id"], found["outcome"]) == (name.replace("_", "-"), "", "error")
    assert (done.exit_code, found["exit_code"]) == (2, 2)
    assert found["error"] in done.stderr


def test_with_json_a_result_is_one_object_and_nothing_else(trained: Project) -> None:
    words = ["--recipe", str(trained.recipe_path), "--profile", str(trained.profile_path), "--json"]
    done = CliRunner().invoke(find_command("main"), words)
    found = json.loads(done.stdout)
    assert (found["command"], found["outcome"], found["exit_code"]) == ("main", "kept", 0)
    assert trained.tags(found["run_id"])["recipeline.step"] == "main"
    assert "Best model:" in found["output"]
    forget_mlflow()


def test_with_json_a_bug_keeps_its_traceback_on_stderr() -> None:
    @entry_point("toy", FilesEntryPoint)
    def toy() -> Result:
        raise RuntimeError("a bug")

    done = CliRunner().invoke(toy, ["--json"])
    assert json.loads(done.stdout)["error"] == "RuntimeError: a bug"
    assert (done.exit_code, "Traceback" in done.stderr) == (1, True)


def test_a_service_that_fails_after_it_was_ready_prints_no_second_object() -> None:
    @entry_point("toy", ServiceFilesEntryPoint)
    def toy() -> Result:
        announce("toy is ready", {"url": "http://127.0.0.1:1"})
        raise UnavailableError("The workers ended.")

    done = CliRunner().invoke(toy, ["--json"])
    found = json.loads(done.stdout)
    assert (found["outcome"], found["exit_code"], found["values"]["url"]) == ("listening", None, "http://127.0.0.1:1")
    assert (done.exit_code, "The workers ended." in done.stderr) == (6, True)
    done = CliRunner().invoke(toy, [])
    assert (done.stdout, "toy is ready\n" in done.stderr) == ("", True)


class ServiceFilesEntryPoint(ServiceEntryPoint, FilesEntryPoint):
    """A service that opens no store."""


@pytest.mark.parametrize("moment", ["before", "while", "after"])
def test_with_json_a_signal_at_the_end_leaves_one_object(monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    @entry_point("toy", FilesEntryPoint)
    def toy() -> Result:
        return Result("the result", values=[1])

    def interrupted(text: str, **options: Any) -> None:
        monkeypatch.undo()
        if moment == "after":
            stdout.echo(text, **options)
        raise KeyboardInterrupt

    if moment == "before":
        monkeypatch.setattr(stdout, "to_plain", interrupted)
    else:
        monkeypatch.setattr(stdout, "echo", interrupted)
    done = CliRunner().invoke(toy, ["--json"])
    assert done.exit_code == 130
    outcomes = [json.loads(line)["outcome"] for line in done.stdout.splitlines()]
    assert outcomes == {"before": ["error"], "while": [], "after": ["ok"]}[moment]
    done = CliRunner().invoke(toy, ["--bogus", "--json"])  # another process in the same one
    assert json.loads(done.stdout)["outcome"] == "error"
