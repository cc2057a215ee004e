"""The environment of a command: project, settings, store, user, adopted run."""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import importlib
import os
import re
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import platformdirs
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from recipeline.artifacts import ORDER
from recipeline.cli.cards import plan_card
from recipeline.cli.engine import open_workers
from recipeline.cli.output.caller import CALLER, reporter
from recipeline.cli.output.terminal import echo
from recipeline.config.profile import Profile, find_profile, load_profile
from recipeline.config.recipe import Recipe, load_recipe
from recipeline.data.origin.sources import check_source
from recipeline.errors import UnavailableError, UsageError
from recipeline.orchestration.session import Session
from recipeline.orchestration.step import Step
from recipeline.registry.ledger import Actor
from recipeline.tracking.connection import patience
from recipeline.tracking.connection.failures import store_errors
from recipeline.tracking.connection.sqlite import absolute, is_new, path_of, why_none
from recipeline.tracking.connection.store import Store, artifact_root, open_store
from recipeline.tracking.tags import RunTags

#: The environment variable that names the project's folder, for commands typed outside of it.
PROJECT = "RECIPELINE_PROJECT"

#: The one that names the folder of downloads, empty schemas and the service's copies.
CACHE = "RECIPELINE_CACHE"


def find_project() -> Path:
    """Return the project's folder.

    In this order: the caller's; the one that `RECIPELINE_PROJECT` names; for a step, the folder of its script; the nearest
    folder with an MLproject, from the working folder upwards.

    Raises
    ------
    UsageError : there is none.
    """
    caller, named = CALLER.get(), os.environ.get(PROJECT)
    if caller:
        return caller.folder
    if named:
        if not Path(named, "MLproject").is_file():
            raise UsageError(
                f"The environment variable {PROJECT} must name a folder with an MLproject.",
                got=f"'{named}'",
                fix="Correct it, or unset it and run the command in the project's folder.",
            )
        return Path(named).resolve()
    steps = getattr(sys.modules.get("steps"), "__file__", None)
    if steps:
        return Path(steps).resolve().parents[1]
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "MLproject").is_file():
            return folder
    raise UsageError(
        f"No project in {here}: neither this folder nor one above it has an MLproject.",
        fix=f"Run the command in the project's folder, or set the environment variable {PROJECT} to that folder.",
    )


def enter_project() -> tuple[Path, Path]:
    """Make the project's modules importable; return its and the working folder.

    Raises
    ------
    UsageError : there is no project, or its path is no text.
    """
    root, cwd = find_project(), _typed_in()
    _require_text(root)
    if str(root) not in sys.path:  # its steps, and what the recipe names by import path
        sys.path.insert(0, str(root))
    return root, cwd


def _require_text(root: Path) -> None:
    """Raise UsageError for a path that has bytes of another encoding.

    No URI of MLflow or of pyarrow can name it: artifacts would be written elsewhere.
    """
    try:
        str(root).encode()
    except UnicodeEncodeError:
        raise UsageError("The path of the project must be UTF-8.", got=f"'{root}'", fix="Rename its folder.") from None


def find_recipe(recipe: str, cwd: Path, root: Path) -> Path:
    """Return the file of a recipe, relative to the working folder or the project."""
    return next((path for path in (cwd / recipe, root / recipe) if path.is_file()), cwd / recipe)


@dataclass(frozen=True)
class CommandSettings:
    """The settings of a command before its store is opened."""

    recipe: Recipe
    profile: Profile
    profile_name: str
    cwd: Path
    tracking_uri: str
    artifact_location: str | None
    #: Where a relative SQLite path lies.
    folder: Path
    cache_folder: Path
    root: Path
    #: Where the user has named the store.
    named_by: str

    def open_store(self, *, reads: bool = False, makes: bool = True) -> Store:
        """Open the store and return it; create the tables of a new one if it `makes` one.

        Raises
        ------
        UnavailableError : as `tracking.store.open_store`.
        """
        return open_store(
            self.tracking_uri,
            root=self.folder,
            artifact_location=self.artifact_location,
            cache=self.cache_folder,
            reads=reads,
            makes=makes,
            named_by=self.named_by,
        )

    @property
    def store_uri(self) -> str:
        """The URI of the store; a SQLite file with its full path."""
        return absolute(self.tracking_uri, self.folder)

    @property
    def has_store(self) -> bool:
        """Whether there is a store, without creating it; True for a server."""
        path = path_of(self.store_uri)
        return path is None or not why_none(path)

    @property
    def artifact_root(self) -> str | None:
        """The URI of the artifact folder; None: MLflow's default."""
        return artifact_root(self.artifact_location, self.folder)

    @property
    def store_key(self) -> str:
        """A name of the store that can be used as a folder name."""
        return hashlib.sha256(f"{self.folder} {self.tracking_uri}".encode()).hexdigest()[:16]


def open_settings(recipe: str, profile: str) -> CommandSettings:
    """Return the settings of a command.

    Precedence: option, then MLFLOW_* environment, then profile, then recipe.
    """
    root, cwd = enter_project()
    profile_path = find_profile(profile, root / "profiles", cwd)
    loaded, where = load_recipe(find_recipe(recipe, cwd, root), os.environ), load_profile(profile_path, os.environ)
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    # Another store than the profile's, named by the environment, has its own place for artifacts.
    location = where.store.artifact_location if uri in (None, where.store.tracking_uri) else None
    return CommandSettings(
        loaded,
        where,
        profile_path.stem,
        cwd,
        uri or where.store.tracking_uri,
        location,
        folder=cwd if uri else root,
        cache_folder=Path(os.environ.get(CACHE) or platformdirs.user_cache_dir("recipeline", appauthor=False)),
        root=root,
        named_by="MLFLOW_TRACKING_URI" if uri else f"store.tracking_uri of the profile '{profile_path.stem}'",
    )


def open_session(
    recipe: str, profile: str, *, reads: bool = False, makes: bool = True, will_fit: bool = False, data: str = ""
) -> Session:
    """Return the session of a command, with checked settings and an open store.

    Parameters
    ----------
    reads : the command only reads: it needs no permission to write to the store, and makes none.
    makes : a SQLite store that does not exist is made; False: the command works on what is in one, and refuses.
    will_fit : start the workers before a new store is created, which takes as long, unless the rows of `data` are cached or
        missing.
    """
    settings = open_settings(recipe, profile)
    if will_fit:
        check_source(data or settings.profile.data, settings.recipe, folder=settings.cwd)
    workers = open_workers(settings.profile.engine, settings.recipe, settings.root, reporter().say)
    if will_fit and makes and is_new(settings.tracking_uri, root=settings.folder):
        workers.start()
    patience.install(reporter().say)
    store, caller = settings.open_store(reads=reads, makes=makes), CALLER.get()
    with store_errors(store.uri):
        adopted = None if caller else _adopted_run(store.client)
    return Session(
        root=settings.root,
        cwd=settings.cwd,
        cache_folder=settings.cache_folder,
        recipe=settings.recipe,
        profile=settings.profile,
        profile_name=settings.profile_name,
        store=store,
        reporter=reporter(),
        workers=workers,
        order=ORDER,
        draw=plan_card,
        step=lambda name: cast(Step, importlib.import_module(f"steps.{name}").STEP),
        experiment_name=os.environ.get("MLFLOW_EXPERIMENT_NAME", ""),
        known_experiment_id=os.environ.get("MLFLOW_EXPERIMENT_ID", ""),
        adopted=adopted,
        actor=find_actor(),
        ledger_key=os.environ.get("RECIPELINE_LEDGER_KEY", ""),
    )


def find_actor() -> Actor:
    """Return the user who gives the command, as MLflow or this machine knows them."""
    name = os.environ.get("MLFLOW_TRACKING_USERNAME") or _user()
    return Actor(name.encode(errors="replace").decode(), socket.gethostname())  # a variable may be any bytes


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user without a name
        return f"user {os.getuid()}"


def _adopted_run(client: MlflowClient) -> Run | None:
    """Return the run that `mlflow run` opened for this command.

    The variable outlives its command: a run that is finished, or that another step has taken over, is left alone
    (mlflow#15713 overwrites it).
    """
    run_id = os.environ.get("MLFLOW_RUN_ID")
    if not run_id:
        return None
    try:
        run = client.get_run(run_id)
    except MlflowException:
        raise UnavailableError(
            "The environment variable MLFLOW_RUN_ID must be the ID of a run in the store.",
            got=f"'{run_id}'",
            fix="Unset it, or set MLFLOW_TRACKING_URI to the store that has the run.",
        ) from None
    if run.info.status != "RUNNING" or RunTags.STEP in run.data.tags:
        echo(f"warning: MLFLOW_RUN_ID={run_id} is a run of another command; this one opens its own.", err=True)
        return None
    return run


def is_fetched_project() -> bool:
    """Whether `mlflow run` fetched the project from a URI into a temporary folder.

    Files written into that folder are lost.
    """
    temporary, root = Path(tempfile.gettempdir()).resolve(), find_project()
    if "MLFLOW_RUN_ID" not in os.environ or temporary not in root.parents:
        return False
    return re.fullmatch("tmp[a-z0-9_]{8}", root.relative_to(temporary).parts[0]) is not None  # as `mkdtemp` names them


def _typed_in() -> Path:
    """Return the folder that the command was typed in.

    Under `mlflow run` that of its process where it can be seen, else the working folder.
    """
    here = Path.cwd()
    if "MLFLOW_RUN_ID" not in os.environ:
        return here
    import psutil

    with contextlib.suppress(psutil.Error, OSError):
        for process in psutil.Process().parents():
            with contextlib.suppress(psutil.AccessDenied):  # of a process of somebody else's, which is none of ours
                words = process.cmdline()
                if "run" in words and any(Path(word).name.startswith("mlflow") for word in words):
                    return Path(process.cwd()).resolve(strict=True)
    return here
