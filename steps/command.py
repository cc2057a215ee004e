"""The edge: options, environment, signals, output and exit codes. The library behind it knows none of them."""

from __future__ import annotations

import contextlib
import functools
import gc
import getpass
import hashlib
import importlib
import json
import logging
import os
import re
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

import click
import platformdirs
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from pipeline.artifacts import CARD, CHANGE, place_of
from pipeline.chain import run_step
from pipeline.errors import PipelineError, UnavailableError, UsageError, nearest
from pipeline.ledger import Actor, Entry
from pipeline.profiles import Profile, find_profile, load_profile
from pipeline.recipe import Recipe, load_recipe
from pipeline.runs import StepRun, fail_run
from pipeline.session import Drawn, Session, Step
from pipeline.sources import redact
from pipeline.store import Store, is_new, open_store, store_errors
from pipeline.workers import Workers
from steps import ORDER

ROOT = Path(__file__).resolve().parents[1]
_AGAIN_SECONDS = 0.05


class Progress:
    """Progress on stderr: lines, and on a terminal a counter that overwrites itself."""

    def __init__(self) -> None:
        self._shown = ""
        self._next_tick: float | None = None

    def say(self, text: str) -> None:
        """Show `text`."""
        self._wipe()
        if text:
            click.echo(text, err=True)

    def advance(self, label: str, done: int, total: int) -> None:
        """Show that `done` of `total` are done, the last of them `label`."""
        if not sys.stderr.isatty():
            if done == total or done % 10 == 0:
                click.echo(f"  {done}/{total} fits, last {label}", err=True)
            return
        self._wipe()
        width = 24
        bar = "█" * (width * done // total)
        self._shown = f"  {bar:░<{width}} {done}/{total} fits, last {label}"
        click.echo(self._shown, nl=False, err=True)
        if done == total:
            self._wipe()

    def tick(self, text: str) -> None:
        """Show how far something is whose end is not known: twice a second on a terminal, else every ten."""
        now = time.monotonic()
        self._next_tick = now + 1 if self._next_tick is None else self._next_tick
        if now < self._next_tick:
            return
        self._next_tick = now + (0.5 if sys.stderr.isatty() else 10)
        self._wipe()
        self._shown = f"  {text}" if sys.stderr.isatty() else ""
        click.echo(f"  {text}", nl=not self._shown, err=True)

    def _wipe(self) -> None:
        if self._shown:
            click.echo("\r" + " " * len(self._shown) + "\r", nl=False, err=True)
            self._shown = ""


def session_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every entry point has."""
    command = click.option(
        "--profile",
        default="local",
        show_default=True,
        help="Where to run: a file of profiles/, by name, or the path of a .yaml file.",
    )(command)
    return click.option("--recipe", default="recipe.yaml", show_default=True, help="What to learn: the path of a recipe.")(
        command
    )


def step_command(step: Step) -> Callable[[Callable[..., None]], click.Command]:
    """Make the command of a step out of a function that has its help text and its own options."""

    def decorate(function: Callable[..., None]) -> click.Command:
        before = ORDER[: ORDER.index(step.name)]

        @functools.wraps(function)
        def run(recipe: str, profile: str, **options: str) -> Result:
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

    It works in a run of its own, so that what it did, and by whose hand, is found again; what it returns is for people.
    """

    def decorate(function: Callable[..., str]) -> click.Command:
        @functools.wraps(function)
        def run(recipe: str, profile: str, **options: str) -> Result:
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
                result = function(**options)
            click.echo(result.output)
            return result.exit_code

        return click.command(name=name.replace("_", "-"), cls=_Command, context_settings={"max_content_width": 100})(run)

    return decorate


class _Command(click.Command):
    """A command that ends with one sentence where the failure is expected, and with the traceback where it is a bug."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        with _signals():
            try:
                # --help ends here too, with the exit code 0.
                code = super().main(*args, **kwargs)
            except click.UsageError as error:
                error.show()
                _end(2, UsageError(error.format_message()))
            except (click.Abort, KeyboardInterrupt):  # click makes the one of the other
                click.echo(f"{self.name}: interrupted", err=True)
                _end(130, KeyboardInterrupt())
            except PipelineError as error:
                click.echo(f"{self.name}: {error}", err=True)
                _end(error.exit_code, error)
            except _Terminated as error:
                click.echo(f"{self.name}: terminated", err=True)
                _end(143, error)
            except Exception as error:
                traceback.print_exc()
                _end(1, error)
        gc.freeze()  # nothing is worth collecting at the end of the process
        sys.exit(code or 0)


class _Terminated(SystemExit):
    """SIGTERM arrived; raised so that the open run is closed on the way out."""


def _end(code: int, error: BaseException) -> NoReturn:
    _fail_adopted_run(error)
    sys.exit(code)


def _fail_adopted_run(error: BaseException) -> None:
    """Mark the run that `mlflow run` opened as FAILED, where the command ended before it took it over."""
    with contextlib.suppress(Exception):
        run_id, uri = os.environ["MLFLOW_RUN_ID"], os.environ["MLFLOW_TRACKING_URI"]
        client = MlflowClient(tracking_uri=uri)
        run = client.get_run(run_id)
        if run.info.status == "RUNNING" and "pipeline.outcome" not in run.data.tags:
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


def choose_word(name: str, word: str, known: tuple[str, ...], *, default: str = "") -> str:
    """Return the parameter `name`, or its default (empty: the first that is known) where it is empty.

    Raises
    ------
    UsageError : it is none of the known words.
    """
    if word and word not in known:
        words = " or ".join(known) if len(known) < 3 else f"one of {', '.join(known)}"
        raise UsageError(f"{name} must be {words}.", got=f"'{word}'", fix=nearest(word, known))
    return word or default or known[0]


def parse_switch(name: str, word: str, *, default: bool) -> bool:
    """Return whether the parameter `name` is on; an empty word is the default. Raises UsageError where it is neither word."""
    switch = {"": default, "on": True, "off": False}
    if word not in switch:
        raise UsageError(f"{name} must be on or off.", got=f"'{word}'", fix=nearest(word, ["on", "off"]))
    return switch[word]


def has_store(recipe: str, profile: str) -> bool:
    """Whether the store of the profile is there, or is one that only its server can tell of; nothing is made."""
    settings = open_settings(recipe, profile)
    return not is_new(settings.tracking_uri, root=settings.folder)


def _settings(recipe: str, profile: str, cwd: Path) -> tuple[Recipe, Profile, str]:
    """Return the recipe, the profile and the profile's name."""
    recipe_path = next((path for path in (cwd / recipe, ROOT / recipe) if path.is_file()), cwd / recipe)
    profile_path = find_profile(profile, ROOT / "profiles", cwd)
    return load_recipe(recipe_path, os.environ), load_profile(profile_path, os.environ), profile_path.stem


@dataclass(frozen=True)
class Settled:
    """The settings of a command whose work happens in processes of its own: nothing is opened yet."""

    recipe: Recipe
    profile: Profile
    profile_name: str
    cwd: Path
    tracking_uri: str
    artifact_location: str | None
    #: Where a relative SQLite path lies.
    folder: Path
    cache_folder: Path
    root: Path = ROOT

    def open_store(self) -> Store:
        """Return the store, its tables made where it is new. Raises UnavailableError as `pipeline.store.open_store` does."""
        return open_store(self.tracking_uri, root=self.folder, artifact_location=self.artifact_location)

    @property
    def store_key(self) -> str:
        """A name of the store that is good for a folder."""
        return hashlib.sha256(f"{self.folder} {self.tracking_uri}".encode()).hexdigest()[:16]


def open_settings(recipe: str, profile: str) -> Settled:
    """Return the settings of a command: option, then MLFLOW_* environment, then profile, then recipe."""
    cwd = _typed_in()
    loaded, where, profile_name = _settings(recipe, profile, cwd)
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    # A store that the environment names has its own place for artifacts.
    location = None if uri else where.store.artifact_location
    cache = Path(platformdirs.user_cache_dir("mlflow-pipeline", appauthor=False))
    return Settled(loaded, where, profile_name, cwd, uri or where.store.tracking_uri, location, cwd if uri else ROOT, cache)


def open_session(recipe: str, profile: str, *, will_fit: bool = False) -> Session:
    """Return the session of a command: settings loaded and checked, the store open, the run of `mlflow run` found.

    A command that `will_fit` where nothing is cached has its workers started before a new store is made, which takes as long as
    they do.
    """
    settings = open_settings(recipe, profile)
    workers = Workers(settings.profile.engine.n_jobs, preload="pipeline.comparison")
    if will_fit and is_new(settings.tracking_uri, root=settings.folder):
        workers.start()
    store = settings.open_store()
    with store_errors(store.uri):
        adopted = _adopted_run(store.client)
    return Session(
        root=ROOT,
        cwd=settings.cwd,
        cache_folder=settings.cache_folder,
        recipe=settings.recipe,
        profile=settings.profile,
        profile_name=settings.profile_name,
        store=store,
        reporter=Progress(),
        workers=workers,
        order=ORDER,
        draw=draw_card,
        step=lambda name: cast(Step, importlib.import_module(f"steps.{name}").STEP),
        experiment_name=os.environ.get("MLFLOW_EXPERIMENT_NAME", ""),
        known_experiment_id=os.environ.get("MLFLOW_EXPERIMENT_ID", ""),
        adopted=adopted,
        actor=Actor(os.environ.get("MLFLOW_TRACKING_USERNAME") or _user(), socket.gethostname()),
        ledger_key=os.environ.get("PIPELINE_LEDGER_KEY", ""),
    )


def card_of(session: Session, run_id: str) -> str:
    """Return where the card of a run is, for people: a path, or a URI."""
    return redact(place_of(session.reader.root(run_id), CARD.name))


def draw_card(step: str, results: Callable[[], object], origin: str, error: BaseException | None = None) -> Drawn:
    """Return the card of a step. A card that cannot be made is a page that says so."""
    # By name, so that how a card looks is not among what a step's result depends on.
    page, failure = (importlib.import_module(f"reports.{name}") for name in ("page", "failure"))
    try:
        make_card = importlib.import_module(f"reports.{step}").make_card
        card = make_card(results()) if error is None else failure.describe_failure(step, results(), error)
        return cast(Drawn, page.render(card, origin))
    except Exception as problem:  # a picture is no reason to lose a result
        return cast(Drawn, page.render_failure(step, origin, problem))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user without a name
        return f"user {os.getuid()}"


def _adopted_run(client: MlflowClient) -> Run | None:
    """Return the run that `mlflow run` opened for this command.

    The variable outlives the command that it was set for: a run that is finished, or that another step has taken over, is left
    alone (mlflow#15713 overwrites it).
    """
    run_id = os.environ.get("MLFLOW_RUN_ID")
    if not run_id:
        return None
    try:
        run = client.get_run(run_id)
    except MlflowException:
        raise UnavailableError(
            "The environment variable MLFLOW_RUN_ID must be a run of the store.",
            got=f"'{run_id}'",
            fix="Unset it, or set MLFLOW_TRACKING_URI to the store that has the run.",
        ) from None
    if run.info.status != "RUNNING" or "pipeline.step" in run.data.tags:
        click.echo(f"warning: MLFLOW_RUN_ID={run_id} is a run of another command; this one opens its own.", err=True)
        return None
    return run


def is_fetched_project() -> bool:
    """Whether `mlflow run` fetched the project from a URI for this command: what is written into it, nobody finds again."""
    temporary = Path(tempfile.gettempdir()).resolve()
    if "MLFLOW_RUN_ID" not in os.environ or temporary not in ROOT.parents:
        return False
    return re.fullmatch("tmp[a-z0-9_]{8}", ROOT.relative_to(temporary).parts[0]) is not None  # as `mkdtemp` names them


def _typed_in() -> Path:
    """Return the folder that the command was typed in: of `mlflow run` where its process can be seen, else this one."""
    here = Path.cwd()
    if "MLFLOW_RUN_ID" not in os.environ:
        return here
    with contextlib.suppress(OSError, ValueError, IndexError):
        pid = os.getppid()
        while pid > 1:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"run" in words and any(Path(os.fsdecode(word)).name.startswith("mlflow") for word in words):
                return Path(f"/proc/{pid}/cwd").resolve(strict=True)
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return here
