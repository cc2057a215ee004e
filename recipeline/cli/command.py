"""Decorators that turn functions into commands with options and exit codes.

Results go to stdout, progress to stderr. Only click is imported with this module, so that `--help` answers at once.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from recipeline.artifacts import CHANGE, ORDER
from recipeline.cli.options import session_options
from recipeline.cli.output.progress import heartbeat
from recipeline.cli.output.results import CommandResult, StepValues
from recipeline.cli.output.stdout import kept_stdout, print_json
from recipeline.cli.output.terminal import echo
from recipeline.cli.process import ProcessCommand, import_libraries
from recipeline.errors import EXIT_BROKEN, UsageError

if TYPE_CHECKING:
    from recipeline.orchestration.session import Session
    from recipeline.orchestration.step import Step
    from recipeline.registry.results import Entry
    from recipeline.tracking.runs import StepRun


#: Where a context notes that the result is wanted as JSON, and the stream to stdout.
_JSON, _STDOUT = "recipeline.json", "recipeline.stdout"

#: How long after a change of Production its command may be typed again, where it was killed before it said that it is done.
_TYPED_AGAIN = timedelta(hours=1)

#: The states of runs whose change was reported: by themselves, or by the command that was typed again.
_FINISHED, _REPORTED = "FINISHED", "KILLED"


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
            return Result(words, closed.exit_code, closed.id, closed.outcome, closed.values or describe_step(closed))

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

    The function takes the session, the run and its own options, and returns text for people; for ``--json`` it sets the
    values of the run. The run records the change and its user.
    """

    def decorate(function: Callable[..., str]) -> EntryPoint:
        @functools.wraps(function)
        def run(recipe: str, profile: str, **options: str) -> Result:
            from recipeline.cli.environment import open_session

            session = open_session(recipe, profile, makes=False)
            with session.open_run(name) as opened:
                words = function(session, opened, **options)
            return Result(words, opened.exit_code, opened.id, opened.outcome, opened.values)

        return entry_point(name)(session_options(run))

    return decorate


def describe_step(run: StepRun) -> StepValues:
    """Return the run of a step for ``--json``."""
    return StepValues(dict(run.lineage), run.own_tags, run.params, run.metrics, run.artifacts)


def reconcile(session: Session, run: StepRun) -> Entry | None:
    """Reconcile the registry and say what was found; return an interrupted change.

    A command that was killed left it open, and it is completed now; or it was killed after its change, before it could say so.
    None: there is none. A user who types that command again wants the same change, not another one.
    """
    registry = session.registry
    for note in registry.reconcile(session.changed_by(run)):
        session.reporter.say(f"warning: {note}")
    done = registry.completed
    if done is not None:
        change = f"{done.kind}, version {done.before or 'none'} to {done.after}"
        session.reporter.say(f"entry {done.number} of the ledger ({change}) was interrupted; it is completed now")
        return done
    newest = registry.ledger.read().newest_change
    if newest is None or datetime.now(UTC) - newest.when > _TYPED_AGAIN:
        return None
    return newest if _is_unreported(session, newest) else None


def _is_unreported(session: Session, entry: Entry) -> bool:
    """Whether the command that made a change has not come to its end."""
    made_by = session.find_run(entry.run_id)
    return made_by is not None and made_by.info.status not in (_FINISHED, _REPORTED)


def record_change(run: StepRun, entry: Entry) -> None:
    """Save a change of Production in the run that made it."""
    run.save(CHANGE, entry)
    run.outcome, run.values = "promoted", entry
    run.tag(model_version=entry.after)


def record_reported(session: Session, run: StepRun, entry: Entry) -> None:
    """Save a change that an interrupted command made in the run that reports it.

    It is reported once: the same command typed a third time is another change.
    """
    record_change(run, entry)
    if _is_unreported(session, entry):
        session.store.client.update_run(entry.run_id, status=_REPORTED)


def reading_command(name: str) -> Callable[[Callable[..., Any]], EntryPoint]:
    """Make a read-only command from a function of the session and its options.

    The function returns values, which ``--json`` prints, and a text of them.
    """

    def decorate(function: Callable[..., tuple[Any, str]]) -> EntryPoint:
        @functools.wraps(function)
        def run(recipe: str, profile: str, **options: str) -> Result:
            from recipeline.cli.environment import open_session
            from recipeline.tracking.connection.failures import store_errors

            session = open_session(recipe, profile, reads=True)
            with store_errors(session.store.uri):
                values, text = function(session, **options)
            return Result(text, values=values)

        return entry_point(name)(session_options(run))

    return decorate


@dataclass(frozen=True)
class Result:
    """The output of a command, its exit code, its run ID and the run's outcome.

    `values` is what ``--json`` prints beside them: records or plain values, of the type in `cli.values.VALUES`.
    """

    output: str
    exit_code: int = 0
    run_id: str = ""
    outcome: str = ""
    values: object = None


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
        as_json = ctx.meta.get(_JSON)
        # A service ends on a signal, and its workers' own output is left alone.
        with (
            kept_stdout() if self.ends or as_json else contextlib.nullcontext() as stdout,
            heartbeat(str(self.name)) if self.ends else contextlib.nullcontext(),
        ):
            ctx.meta[_STDOUT] = stdout
            if self.opens_store:
                import_libraries()
            result: Result = super().invoke(ctx)
        if not as_json:
            echo("\n".join(part for part in (result.output, result.run_id) if part))
        elif self.ends:
            outcome = "broken" if result.exit_code == EXIT_BROKEN else result.outcome or "ok"
            print_json(
                CommandResult(str(self.name), result.run_id, outcome, result.exit_code, result.output, values=result.values)
            )
        return result.exit_code

    def call(self, **options: str) -> Result:
        """Run the function with the given options and return its result.

        Failures are raised unchanged.

        Raises
        ------
        UsageError : the command has no such option.
        """
        # Flags, which a program has no use for: --help would end it.
        flags = {"help", *(parameter.name for parameter in self.params if not parameter.expose_value)}
        if typed := sorted(flags & {*options}):
            raise UsageError(f"--{typed[0]} is for the command line. Leave it out.")
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
    """A command that works until it is told to end.

    With ``--json`` its object is printed when it is ready, by `announce`, and none at its end.
    """

    ends = False


def announce(text: str, values: object) -> None:
    """Print that a service is ready: a line to stderr, or its object with ``--json``."""
    context = click.get_current_context(silent=True)
    echo(text, err=True)
    if context and context.meta.get(_JSON):
        result = CommandResult(str(context.command.name), "", "listening", None, text, values=values)
        print_json(result, context.meta[_STDOUT])


def entry_point(name: str, cls: type[EntryPoint] = EntryPoint) -> Callable[[Callable[..., Result]], EntryPoint]:
    """Make a command of a function, with the option ``--json``."""

    def decorate(function: Callable[..., Result]) -> EntryPoint:
        made = click.command(name=name.replace("_", "-"), cls=cls, context_settings={"max_content_width": 100})(function)
        made.params.append(
            click.Option(
                ["--json"],
                is_flag=True,
                expose_value=False,
                callback=lambda ctx, _, wanted: ctx.meta.update({_JSON: wanted}),
                help="Print one JSON object: run ID, outcome, exit code, output and values, or the error.",
            )
        )
        return made

    return decorate
