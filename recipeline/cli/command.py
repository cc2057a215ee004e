"""Decorators that make commands: options in, results on stdout, progress on stderr, exit codes out.

Only click is imported with this module, so that `--help` answers at once.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from recipeline.artifacts import CHANGE, ORDER
from recipeline.cli.options import session_options
from recipeline.cli.process import Edge, import_libraries

if TYPE_CHECKING:
    from recipeline.orchestration.step import Step
    from recipeline.registry.ledger import Entry
    from recipeline.tracking.runs import StepRun


def step_command(step: Step) -> Callable[[Callable[..., None]], click.Command]:
    """Make the command of a step out of a function that has its help text and its own options."""

    def decorate(function: Callable[..., None]) -> click.Command:
        before = ORDER[: ORDER.index(step.name)]

        @functools.wraps(function)
        def run(recipe: str, profile: str, **options: str) -> Result:
            from recipeline.cli.environment import open_session
            from recipeline.orchestration.chain import run_step

            upstream_run_id = options.pop(f"{before[-1]}_run_id") if before else ""
            closed, words = run_step(open_session(recipe, profile), step.name, options, upstream_run_id)
            return Result(f"{words}\n{closed.id}", closed.exit_code)

        command: Callable[..., Any] = run
        if before:
            command = click.option(
                f"--{before[-1]}-run-id",
                default="",
                show_default=f"the newest run of {before[-1]}",
                help=f"The run of {before[-1]} to build on.",
            )(command)
        return entry_point(step.name)(session_options(command))

    return decorate


def registry_command(name: str) -> Callable[[Callable[..., str]], click.Command]:
    """Make a command that changes the registry out of a function of the session, its run and its own options.

    It works in a run of its own, so that what it did, and who did it, is found again; what it returns is for people.
    """

    def decorate(function: Callable[..., str]) -> click.Command:
        @functools.wraps(function)
        def run(recipe: str, profile: str, **options: str) -> Result:
            from recipeline.cli.environment import open_session

            session = open_session(recipe, profile)
            with session.open_run(name) as opened:
                words = function(session, opened, **options)
            return Result(f"{words}\n{opened.id}", opened.exit_code)

        return entry_point(name)(session_options(run))

    return decorate


def record_change(run: StepRun, entry: Entry) -> None:
    """Keep with the run what it changed in Production."""
    run.save(CHANGE, entry.as_dict())
    run.outcome = "promoted"
    run.tag(model_version=entry.after)


def reading_command(name: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a command that only reads out of a function of the session and its options.

    The function returns plain values and a text of them; with ``--json`` the values are printed, and nothing else.
    """

    def decorate(function: Callable[..., tuple[Any, str]]) -> click.Command:
        @functools.wraps(function)
        def run(recipe: str, profile: str, as_json: bool, **options: str) -> Result:
            from recipeline.cli.environment import open_session
            from recipeline.tracking.failures import store_errors

            session = open_session(recipe, profile)
            with store_errors(session.store.uri):
                values, text = function(session, **options)
            return Result(json.dumps(values, indent=2, ensure_ascii=False) if as_json else text)

        flag = click.option("--json", "as_json", is_flag=True, help="Print the values as JSON.")
        return entry_point(name)(session_options(flag(run)))

    return decorate


@dataclass(frozen=True)
class Result:
    """What a command prints on stdout, and the exit code it ends with."""

    output: str
    exit_code: int = 0


def entry_point(name: str) -> Callable[[Callable[..., Result]], click.Command]:
    """Make a command of a function; stdout is kept for its result, what libraries print goes to stderr."""

    def decorate(function: Callable[..., Result]) -> click.Command:
        @functools.wraps(function)
        def run(**options: str) -> int:
            os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
            logging.getLogger("mlflow").setLevel(logging.WARNING)
            with contextlib.redirect_stdout(sys.stderr):
                import_libraries()
                result = function(**options)
            click.echo(result.output)
            return result.exit_code

        return click.command(name=name.replace("_", "-"), cls=Edge, context_settings={"max_content_width": 100})(run)

    return decorate
