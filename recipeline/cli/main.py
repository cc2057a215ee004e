"""The console script: finds a command by name and imports no other."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

import click

from recipeline.artifacts import ORDER
from recipeline.cli.output.progress import heartbeat
from recipeline.cli.output.terminal import echo
from recipeline.cli.process import BEFORE_SKOPS, ProcessCommand, importing, require_posix, run_process
from recipeline.errors import guess

#: Each command with the first line of its help, for a list without imports; a module of `recipeline.commands` has the command.
COMMANDS = {
    "new": "Write a project into FOLDER, with a lock that includes the library.",
    "check": "Check recipe, profile and candidates; list all faults at once.",
    "upgrade": "Compare the project in this folder with the installed library's template.",
    "predict": "Predict a file of rows of any size; without input, the model's sample row.",
    "serve": "Serve the model in Production over HTTP.",
    "monitor": "Compare live rows with the training rows of the model in Production.",
    "retrain": "Run the chain on new rows, with the same gates as main.",
    "report": "Print the location of the newest cards and draw the inspection card.",
    "compare": "Compare two versions or two runs; the card shows the differences.",
    "approve": "Promote a challenger that passed the gate and awaits approval.",
    "rollback": "Restore the previous version in Production, or the one named.",
    "history": "List the versions that were in Production: when, changed by whom, and why.",
    "who-served": "Show the version that was in Production at a time or on a day.",
    "why": "Show a version's lineage and its differences from the version before it.",
    "doctor": "Check the store, the registry and this machine; name the repair commands.",
    "repair": "Repair the problems that doctor finds where that is safe; list the others.",
    "prune": "Delete old, unneeded runs, versions and their files; by default, list them.",
    "backup": "Save the local store, database and artifacts, in one archive.",
    "restore": "Replace the local store by the store of an archive.",
    "server-up": "Start a team's server on this machine: MLflow on PostgreSQL and an S3 endpoint.",
    "server-down": "Stop the server that `server-up` started; its data stays.",
    "server-status": "Show what runs of the server that `server-up` started, and how to use it.",
}

#: Those that read models.
WITH_MODELS = ("predict", "serve", "monitor", "retrain", "report", "approve", "rollback")


class Commands(ProcessCommand, click.Group):
    """The commands of the library; the module of a command is imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return the command of a name; None where there is none."""
        return load_command(cmd_name) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that `args` begin with.

        Raises
        ------
        click.UsageError : there is none; with the nearest known name.
        """
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            if args[0] in (*ORDER, "main"):
                ctx.fail(f"'{args[0]}' is a step of the project, not a command of the library: python -m steps.{args[0]}")
            ctx.fail(f"No such command '{args[0]}'. {guess(args[0], COMMANDS)}See `recipeline --help` for all of them.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def load_command(name: str) -> ProcessCommand:
    """Return the command `name` of `COMMANDS`."""
    word = name.replace("-", "_")
    with importing():
        if name in WITH_MODELS:
            importlib.import_module(BEFORE_SKOPS)
        command: ProcessCommand = getattr(importlib.import_module(f"recipeline.commands.{word}"), word)
    return command


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from recipeline._version import __version__

        echo(f"recipeline {__version__}")
        ctx.exit()


_version: Callable[..., Any] = click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version and exit."
)


@click.group(name="recipeline", cls=Commands, context_settings={"max_content_width": 100})
@_version
def recipeline() -> None:
    """Run a command of the project in this folder or the nearest one above it.

    A project is a folder with an MLproject. Its steps are scripts of its own: python -m steps.train, or
    python -m steps.main for the whole chain.
    """


def _load_and_run(name: str, *words: str) -> int | None:
    with heartbeat(name, goes_on=True):
        command = load_command(name)
    return command.run([*words], prog_name=f"recipeline {name}")


def main() -> None:
    """Run the command that was typed.

    Its errors, signals and exit code are handled from its import on.
    """
    require_posix()
    words = sys.argv[1:]
    if words and words[0] in COMMANDS:
        run_process(words[0], words[1:], lambda: _load_and_run(*words))
    recipeline.main(words, prog_name="recipeline")
