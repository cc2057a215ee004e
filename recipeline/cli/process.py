"""The process of a command: imports, signals, and the exit code that a failure ends with."""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import io
import json
import logging
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from typing import Any, NoReturn

import click

from recipeline.cli.terminal import echo, fit
from recipeline.errors import RecipelineError, UsageError

_AGAIN_SECONDS = 0.05


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Import in the block without looking for garbage: modules live as long as the process.

    To import MLflow and scikit-learn makes objects by the hundred thousand; looking through them again and again while they are
    made, and once more at the end, costs a second in all. Collected is rarely from here on, and never those.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(100_000, 20, 20)
        if was_enabled:
            gc.enable()


@functools.cache
def import_libraries() -> None:
    """Import what every command that opens a store needs, and keep MLflow's own progress out of the command's."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    with importing():
        # skops looks for each of scipy's functions in all modules, in the order of their import: first is quickest.
        for name in ("scipy.special", "mlflow", "recipeline.cli.environment"):
            importlib.import_module(name)


def require_posix() -> None:
    """End the process with one sentence on Windows, before it imports or calls what there is none of there."""
    if sys.platform == "win32":
        echo("recipeline: Windows is not supported. Install WSL (wsl --install), and work in it.", err=True)
        sys.exit(2)


class Edge(click.Command):
    """A command that ends with one sentence where the failure is expected, and with the traceback where it is a bug."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse what was typed; two quote characters are empty: so `mlflow run` passes that where there is no shell."""
        return super().parse_args(ctx, [re.sub("(^|=)''$", r"\1", word) for word in args])

    def get_help(self, ctx: click.Context) -> str:
        """Return the help page, the lines that click leaves alone within the terminal's width, too."""
        return fit(super().get_help(ctx), ctx.make_formatter().width)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        require_posix()
        words = [*(args[0] if args and args[0] is not None else kwargs.get("args") or sys.argv[1:])]

        def end(code: int, error: BaseException, sentence: str) -> NoReturn:
            if "--json" in words:
                failed = {"command": self.name, "run_id": "", "outcome": "error", "exit_code": code, "error": sentence}
                echo(json.dumps(failed, indent=2, ensure_ascii=False), as_is=True)
            _fail_adopted_run(error)
            sys.exit(code)

        with _signals():
            try:
                # --help ends here too, with the exit code 0.
                code = super().main(*args, **kwargs)
            except click.UsageError as error:
                said = io.StringIO()
                error.show(said)
                echo(said.getvalue(), err=True, nl=False)
                end(2, UsageError(error.format_message()), error.format_message())
            except (click.Abort, KeyboardInterrupt):  # click makes the one of the other
                echo(f"{self.name}: interrupted", err=True)
                end(130, KeyboardInterrupt(), "interrupted")
            except RecipelineError as error:
                echo(f"{self.name}: {error}", err=True)
                end(error.exit_code, error, str(error))
            except _Terminated as error:
                echo(f"{self.name}: terminated", err=True)
                end(143, error, "terminated")
            except Exception as error:
                traceback.print_exc()
                end(1, error, f"{type(error).__name__}: {error}")
        gc.freeze()  # nothing is worth collecting at the end of the process
        sys.exit(code or 0)


class _Terminated(SystemExit):
    """SIGTERM arrived; raised so that the open run is closed on the way out."""


def _fail_adopted_run(error: BaseException) -> None:
    """Mark the run that `mlflow run` opened as FAILED, where the command ended before it took it over."""
    with contextlib.suppress(Exception):
        run_id, uri = os.environ["MLFLOW_RUN_ID"], os.environ["MLFLOW_TRACKING_URI"]
        from mlflow import MlflowClient

        from recipeline.tracking.runs import fail_run

        client = MlflowClient(tracking_uri=uri)
        run = client.get_run(run_id)
        if run.info.status == "RUNNING" and "recipeline.outcome" not in run.data.tags:
            fail_run(client, run_id, error)


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Let SIGTERM and SIGINT unwind the command for the block; what helper threads say of their own end is no news.

    Python raises wherever it happens to be. Where that is a weak reference's callback or a finaliser it swallows what is
    raised; it is raised again a moment later then.
    """
    last = signal.SIGINT

    def end(number: int, _: object) -> NoReturn:
        nonlocal last
        last = last if number == signal.SIGALRM else signal.Signals(number)
        threading.excepthook = lambda _: None
        raise _Terminated(143) if last == signal.SIGTERM else KeyboardInterrupt

    def notice(swallowed: Any) -> None:
        if isinstance(swallowed.exc_value, KeyboardInterrupt | _Terminated):
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)
        else:
            hook(swallowed)

    caught = [signal.SIGTERM, signal.SIGALRM]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where whoever started us ignores it
        caught.append(signal.SIGINT)
    try:
        before = {number: signal.signal(number, end) for number in caught}
    except ValueError:  # not the main thread: whoever runs us there handles signals
        yield
        return
    hook, sys.unraisablehook = sys.unraisablehook, notice
    try:
        yield
    finally:
        sys.unraisablehook = hook
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
