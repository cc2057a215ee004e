"""Decorators that turn functions into commands with options and exit codes.

Results go to stdout, progress to stderr. Only click is imported with this module, so that `--help` answers at once.
"""

from __future__ import annotations

import contextlib
import functools
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from recipeline.artifacts import CHANGE, ORDER
from recipeline.cli.options import session_options
from recipeline.cli.process import ProcessCommand, import_libraries
from recipeline.cli.progress import heartbeat
from recipeline.cli.terminal import echo
from recipeline.errors import UsageError

if TYPE_CHECKING:
    from recipeline.orchestration.step import Step
    from recipeline.registry.results import Entry
    from recipeline.tracking.runs import StepRun


#: Where a context notes that the result is wanted as JSON.
_JSON = "recipeline.json"


def step_command(step: Step) -> Callable[[Callable[..., None]], EntryPoint]:
    """Make the command of a step; the function has its help text and own options."""

    def decorate(function: Callable[..., None]) -> EntryPoint:
        before = ORDER[: ORDER.index(step.name)]

        @functools.wraps(function)
        def run(recipe: str, profile: str, **options: str) -> Result:
            from recipeline.cli.environment import open_session
            from recipeline.orchestration.chain import run_step

            upstream_run_id = options.pop(f"{before[-1]}_run_id") if before else ""
            closed, words = run_step(open_session(recipe, profile), step.name, options, upstream_run_id)
            return Result(words, closed.exit_code, closed.id, closed.outcome)

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


def registry_command(name: str) -> Callable[[Callable[..., str]], EntryPoint]:
    """Make a command that changes the registry, in an MLflow run of its own.

    The function takes the session, the run and its own options, and returns text for people. The run records the change and
    its user.
    """

    def decorate(function: Callable[..., str]) -> EntryPoint:
        @functools.wraps(function)
        def run(recipe: str, profile: str, **options: str) -> Result:
            from recipeline.cli.environment import open_session

            session = open_session(recipe, profile)
            with session.open_run(name) as opened:
                words = function(session, opened, **options)
            return Result(words, opened.exit_code, opened.id, opened.outcome)

        return entry_point(name)(session_options(run))

    return decorate


def record_change(run: StepRun, entry: Entry) -> None:
    """Save a change of Production in the run that made it."""
    run.save(CHANGE, entry)
    run.outcome = "promoted"
    run.tag(model_version=entry.after)


def reading_command(name: str) -> Callable[[Callable[..., Any]], EntryPoint]:
    """Make a read-only command from a function of the session and its options.

    The function returns plain values and a text of them; with ``--json`` only the values are printed.
    """

    def decorate(function: Callable[..., tuple[Any, str]]) -> EntryPoint:
        @functools.wraps(function)
        def run(recipe: str, profile: str, as_json: bool, **options: str) -> Result:
            from recipeline.cli.environment import open_session
            from recipeline.tracking.failures import store_errors

            session = open_session(recipe, profile, reads=True)
            with store_errors(session.store.uri):
                values, text = function(session, **options)
            return Result(json.dumps(values, indent=2, ensure_ascii=False) if as_json else text, is_data=as_json)

        flag = click.option("--json", "as_json", is_flag=True, help="Print the values as JSON.")
        return entry_point(name)(session_options(flag(run)))

    return decorate


@dataclass(frozen=True)
class Result:
    """The output of a command, its exit code, its run ID and the run's outcome.

    `is_data`: the output is for programs and printed unchanged.
    """

    output: str
    exit_code: int = 0
    run_id: str = ""
    outcome: str = ""
    is_data: bool = False


class EntryPoint(ProcessCommand):
    """A command whose function returns a `Result`, which is printed to stdout.

    All output of libraries goes to stderr.
    """

    #: Whether it opens a store, and needs MLflow.
    opens_store = True
    #: Whether it ends by itself.
    ends = True

    def invoke(self, ctx: click.Context) -> int:
        """Run the function, print its result and run ID, and return the exit code."""
        with contextlib.redirect_stdout(sys.stderr), heartbeat(str(self.name)) if self.ends else contextlib.nullcontext():
            if self.opens_store:
                import_libraries()
            result: Result = super().invoke(ctx)
        if ctx.meta.get(_JSON):
            values: dict[str, object] = {"command": self.name, "run_id": result.run_id, "outcome": result.outcome or "ok"}
            values |= {"exit_code": result.exit_code, "output": result.output}
            echo(json.dumps(values, indent=2, ensure_ascii=False), as_is=True)
        else:
            echo("\n".join(part for part in (result.output, result.run_id) if part), as_is=result.is_data)
        return result.exit_code

    def call(self, **options: str) -> Result:
        """Run the function with the given options and return its result.

        Failures are raised unchanged.

        Raises
        ------
        UsageError : the command has no such option.
        """
        words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)]
        try:
            context = self.make_context(self.name, words)
        except click.UsageError as error:
            raise UsageError(error.format_message()) from None
        assert self.callback
        result: Result = self.callback(**context.params)
        return result


class FilesEntryPoint(EntryPoint):
    """A command on files only: it opens no store and does not import MLflow."""

    opens_store = False


class ServiceEntryPoint(EntryPoint):
    """A command that works until it is told to end."""

    ends = False


def entry_point(name: str, cls: type[EntryPoint] = EntryPoint) -> Callable[[Callable[..., Result]], EntryPoint]:
    """Make a command of a function; add ``--json`` unless the function has it.

    ``--json`` prints the result as one object.
    """

    def decorate(function: Callable[..., Result]) -> EntryPoint:
        made = click.command(name=name.replace("_", "-"), cls=cls, context_settings={"max_content_width": 100})(function)
        if not any("--json" in option.opts for option in made.params):
            made.params.append(
                click.Option(
                    ["--json"],
                    is_flag=True,
                    expose_value=False,
                    callback=lambda ctx, _, wanted: ctx.meta.update({_JSON: wanted}),
                    help="Print one result as JSON: run ID, outcome, exit code and output, or the error.",
                )
            )
        return made

    return decorate
