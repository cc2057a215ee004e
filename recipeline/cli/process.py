"""The process of a command: imports, signals and exit codes."""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import inspect
import io
import logging
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import click

from recipeline.cli.output.results import CommandResult
from recipeline.cli.output.stdout import PRINTED, print_json
from recipeline.cli.output.terminal import echo, fit
from recipeline.errors import EndedError, RecipelineError, UnavailableError, UsageError, run_of
from recipeline.tracking.tags import RunTags

_AGAIN_SECONDS = 0.05

#: The exit code of a command that SIGTERM ended.
_TERMINATED = 128 + signal.SIGTERM

#: The first import of a command that reads or writes models. skops looks for each of scipy's functions in all modules, in the
#: order of their import: where they come late, all imports together take a fifth longer.
BEFORE_SKOPS = "scipy.special"


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Import in the block with the garbage collector off.

    Modules live as long as the process. MLflow and scikit-learn create objects by the hundred thousand; collecting during
    their import, and once more at the end, costs a second in all. Afterwards the collector runs rarely and skips them.
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
    """Import the libraries of commands with a store; silence MLflow's progress."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # MLflow's server offers signed addresses of the object store, which its clients need not reach. It passes the files on.
    os.environ.setdefault("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "false")
    # An object store that is started again is back in seconds; boto3 gives up after five attempts in a few of them.
    os.environ.setdefault("AWS_RETRY_MODE", "standard")
    os.environ.setdefault("AWS_MAX_ATTEMPTS", "10")
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    with importing():
        for name in (BEFORE_SKOPS, "mlflow", "recipeline.cli.environment"):
            importlib.import_module(name)


def require_posix() -> None:
    """End the process with one sentence on Windows."""
    if sys.platform == "win32":
        echo("recipeline: Windows is not supported. Install WSL (wsl --install), and work in it.", err=True)
        sys.exit(2)


def _join_lines(text: str) -> str:
    """Return a help text whose lines are joined where one continues another.

    A continued line is indented or begins in lower case. Click wraps paragraphs, but no line of a block (``\\b``).
    """
    return re.sub(r"(?<=[^\s\b])\n(?: +(?=\S)|(?=[a-z]))", " ", text)


def _show_help(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        echo(ctx.get_help(), as_is=True)
        ctx.exit()


class ProcessCommand(click.Command):
    """A click command that ends its process with the exit code of its failure.

    An expected failure prints one sentence, a bug its traceback; with ``--json`` also one object.
    """

    def __init__(self, name: str | None, *, help: str | None = None, **kwargs: Any) -> None:
        super().__init__(name, help=help and _join_lines(inspect.cleandoc(help)), **kwargs)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line; two quote characters are an empty value.

        `mlflow run` passes an empty value that way where there is no shell.
        """
        return super().parse_args(ctx, [re.sub("(^|=)''$", r"\1", word) for word in args])

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return click's option, which prints the help page as any other result."""
        option = super().get_help_option(ctx)
        if option:
            option.callback = _show_help
        return option

    def get_help(self, ctx: click.Context) -> str:
        """Return the help page, with preformatted lines fitted to the terminal's width."""
        return fit(super().get_help(ctx), ctx.make_formatter().width)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        require_posix()
        words = [*(args[0] if args and args[0] is not None else kwargs.get("args") or sys.argv[1:])]
        run_process(str(self.name), words, lambda: self.run(*args, **kwargs))

    def run(self, *args: Any, **kwargs: Any) -> int | None:
        """Run the command as `main` does; failures are raised."""
        code: int | None = super().main(*args, **kwargs | {"standalone_mode": False})
        return code


def run_process(name: str, words: list[str], work: Callable[[], int | None]) -> NoReturn:
    """Run the command `name` with `words`; end the process with its exit code."""
    PRINTED.clear()
    _open_closed_streams()

    def end(code: int, error: BaseException, sentence: str, caught: BaseException | None = None) -> NoReturn:
        try:
            if "--json" in words and not PRINTED.is_set():
                details = error.details if isinstance(error, RecipelineError) else ()
                with contextlib.suppress(UnavailableError):  # stdout takes nothing; stderr has the sentence
                    print_json(CommandResult(name, run_of(caught or error), "error", code, error=sentence, details=details))
        finally:
            _fail_adopted_run(error)
        sys.exit(code)

    with _signals():
        try:
            # --help ends here too, with the exit code 0.
            code = work()
        except click.UsageError as error:
            said = io.StringIO()
            error.show(said)
            echo(said.getvalue(), err=True, nl=False)
            end(2, UsageError(error.format_message()), error.format_message())
        except (click.Abort, KeyboardInterrupt) as error:  # click makes the one of the other
            echo(f"{name}: interrupted", err=True)
            end(130, KeyboardInterrupt(), "interrupted", error)
        except RecipelineError as error:
            echo(f"{name}: {error}", err=True)
            end(error.exit_code, error, error.sentence)
        except EndedError as error:
            if error.code != _TERMINATED:
                raise  # nobody reads any more
            echo(f"{name}: terminated", err=True)
            end(_TERMINATED, error, "terminated")
        except (Exception, SystemExit) as error:
            # Code of the project's own that calls sys.exit() would end the command as if it were done, or with another's code.
            echo(traceback.format_exc(), err=True, nl=False, as_is=True)
            end(1, error, f"{type(error).__name__}: {error}")
    if "joblib" in sys.modules:
        from recipeline.engine.local import kill_workers

        kill_workers()
    gc.freeze()  # nothing is worth collecting at the end of the process
    sys.exit(code or 0)


def _open_closed_streams() -> None:
    """Open /dev/null in place of closed standard streams (``2>&-``).

    Otherwise the next file that is opened, as a database, would get the number of one of them, and what libraries print.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
            os.set_inheritable(number, True)  # child processes open files too
            if number:
                stream = open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process lives
                setattr(sys, "stdout" if number == 1 else "stderr", stream)


def _fail_adopted_run(error: BaseException) -> None:
    """Mark the run that `mlflow run` opened as FAILED if no step took it over."""
    with contextlib.suppress(Exception):
        run_id, uri = os.environ["MLFLOW_RUN_ID"], os.environ["MLFLOW_TRACKING_URI"]
        from mlflow import MlflowClient

        from recipeline.tracking.connection.patience import parting
        from recipeline.tracking.runs import fail_run

        client = MlflowClient(tracking_uri=uri)
        with parting(error, uri):
            run = client.get_run(run_id)
        if run.info.status == "RUNNING" and RunTags.OUTCOME not in run.data.tags:
            fail_run(client, run_id, error)


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Let SIGTERM and SIGINT unwind the command; silence threads that end then.

    Python raises in whatever code is running. A weak reference's callback or a finaliser swallows the exception; it is raised
    again a moment later then.
    """
    last = signal.SIGINT

    def end(number: int, _: object) -> NoReturn:
        nonlocal last
        last = last if number == signal.SIGALRM else signal.Signals(number)
        threading.excepthook = lambda _: None
        raise EndedError(_TERMINATED) if last == signal.SIGTERM else KeyboardInterrupt

    def notice(swallowed: Any) -> None:
        if isinstance(swallowed.exc_value, KeyboardInterrupt | EndedError):
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
