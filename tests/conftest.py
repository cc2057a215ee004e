"""Small frames, a small recipe, a real SQLite store, and typed commands."""

from __future__ import annotations

import gc
import importlib
import os
import re
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import click
import filelock
import hypothesis
import mlflow
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from joblib import cpu_count
from mlflow import MlflowClient
from mlflow.store.db import utils as mlflow_db
from skops.io import _utils as skops_utils
from sqlalchemy import Engine, create_engine, event
from threadpoolctl import threadpool_limits

from custom.red_wine import draw
from recipeline.config.recipe import Recipe
from recipeline.tracking.connection import sqlite
from recipeline.tracking.connection.store import Store, open_store
from tests.warm import paint_nothing

# A machine under load is slow; time is measured by `make bench`, not by tests.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parents[1]
NAME = "SmallModel"


#: Some machines keep no compiled modules. Every process of the tests would compile those of the library, and pytest its tests.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


#: A shell has what it starts in the background ignore SIGINT, and with it all that this starts. Tests interrupt servers.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionstart() -> None:
    """Look for no garbage until the tests are collected: imports are none."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Look for garbage among newer objects only, as seldom as commands do."""
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return a worker more than there are cores.

    Often one waits for a browser, a server or a clock.
    """
    return int(os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS") or cpu_count() + 1)


def is_short(config: pytest.Config) -> bool:
    """Whether `make test` runs, which tries less than `make test-full`."""
    return bool(config.option.markexpr == "not full")


#: What part of its examples a property is tried with by `make test`, and how few are never made less.
SHARE, FEW = 0.4, 10


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let groups of tests come first, and properties have fewer examples.

    The last tests to start are short then, in whatever order they are. For the examples see
    docs/decisions/0051-fewer-examples-each-time.md.
    """
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)
    if is_short(config):
        for test in {item.function for item in items if isinstance(item, pytest.Function)}:
            draw_fewer(test)


def draw_fewer(test: Any) -> None:
    """Let a property be tried with a part of its examples.

    Not where these are always the same, unless all tests' are, as Hypothesis has it where CI is set.
    """
    own = getattr(test, "_hypothesis_internal_use_settings", None)
    if own and own.max_examples > FEW and (not own.derandomize or hypothesis.settings.default.derandomize):
        share = max(FEW, round(SHARE * own.max_examples))
        test._hypothesis_internal_use_settings = hypothesis.settings(own, max_examples=share)


def pytest_configure(config: pytest.Config) -> None:
    """Give each of several workers, and its commands, one thread.

    A core has a worker already, and threads that wait for each other on busy cores cost a chain seconds.
    """
    if hasattr(config, "workerinput"):
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        threadpool_limits(1)


@event.listens_for(Engine, "connect")
def _do_not_wait_for_the_disk(connection: Any, _: object) -> None:
    """Let SQLite in this process not wait for the disk: no test pulls the plug."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


#: What MLflow reads all its migrations for, twice for each store that is opened.
mlflow_db._get_latest_schema_revision = cache(mlflow_db._get_latest_schema_revision)

#: What SQLAlchemy has compiled for one store; each would have MLflow's statements compiled anew.
_KNOWN = create_engine("sqlite://", query_cache_size=10_000)
_KNOWN.connect().close()  # it is asked for the version of SQLite


def _with_known_statements(make: Callable[[str], Engine]) -> Callable[[str], Engine]:
    def make_engine(uri: str) -> Engine:
        engine = make(uri)
        if engine.dialect.name == "sqlite":
            engine.dialect, engine._compiled_cache = _KNOWN.dialect, _KNOWN._compiled_cache
        return engine

    return make_engine


mlflow_db.create_sqlalchemy_engine = _with_known_statements(mlflow_db.create_sqlalchemy_engine)

_which = skops_utils.whichmodule
_modules: dict[int, tuple[Any, str]] = {}


def _which_module_once(thing: Any, name: str) -> str:
    """Let skops look once for the module of what names none, such as a ufunc.

    It looks through thousands of modules, for each model that is saved.
    """
    if getattr(thing, "__module__", None) is not None:
        return str(thing.__module__)
    if id(thing) not in _modules:
        _modules[id(thing)] = thing, _which(thing, name)
    return _modules[id(thing)][1]


skops_utils.whichmodule = _which_module_once

#: How commands wait for the disk outside of the tests.
SYNCHRONOUS, sqlite.SYNCHRONOUS = sqlite.SYNCHRONOUS, "OFF"


@cache
def project_recipe() -> dict[str, Any]:
    """Return the content of the project's recipe; to be copied, not changed."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "recipe.yaml").read_text(encoding="utf-8"))
    return content


def small_recipe() -> dict[str, Any]:
    """Return the project's recipe with three quick candidates."""
    content = deepcopy(project_recipe())
    names = ("LinearRegression", "DecisionTree", "ElasticNet")
    return content | {
        "name": "small",
        "experiment": "Small",
        "model_name": NAME,
        "cv": {"folds": 3},
        "candidates": {name: content["candidates"][name] for name in names},
        "metrics": {"bootstrap_draws": 100},
        "gates": {"validation_criteria": [{"metric": "r2", "threshold": 0.05}]},
    }


def as_recipe(content: dict[str, Any]) -> Recipe:
    """Return recipe content, as YAML would give it, as a Recipe."""
    import json

    return Recipe.model_validate_json(json.dumps(content))


@pytest.fixture(scope="session")
def wines() -> pd.DataFrame:
    """400 synthetic wines, some of them twice."""
    return draw().head(400)


@pytest.fixture
def recipe() -> Recipe:
    """The small recipe."""
    return as_recipe(small_recipe())


def forget_mlflow() -> None:
    """Drop MLFLOW_* from the environment for good.

    MLflow exports the store that it is told to use, and it would win in the next test.
    """
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        del os.environ[name]


def close_stores() -> None:
    """Close the connections that MLflow keeps to every SQLite store.

    A thousand projects later no file could be opened.
    """
    for name in ("tracking", "model_registry"):
        module = sys.modules.get(f"mlflow.store.{name}.sqlalchemy_store")
        if module:
            engines = module.SqlAlchemyStore._engine_map
            while engines:
                engines.popitem()[1].dispose()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The path that a command or a function may write to, not there yet."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out/scored.csv"


#: Numbers for the folders of the tests of this process.
_NUMBERS = count()


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the test's own.

    Pytest's looks for its number among those of all tests before, each time.
    """
    name = re.sub(r"\W", "_", request.node.name)[:30]
    folder = tmp_path_factory.getbasetemp() / f"{name}-{next(_NUMBERS)}"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True, scope="session")
def _keep_workers() -> Iterator[None]:
    """Commands end their worker processes; here the next tests take them over."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recipeline.engine.local.kill_workers", lambda: None)
        yield


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No store, run, cache or connection of another test or user is seen."""
    forget_mlflow()
    if patience := sys.modules.get("recipeline.tracking.connection.patience"):
        monkeypatch.setattr(patience, "_silent_until", {})
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / f"cache-{next(_NUMBERS)}"))
    yield
    forget_mlflow()  # fixtures that several tests share are made before the next environment is cleaned
    close_stores()


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[], Path]) -> Path:
    """Return what the first worker that asked has made under a name.

    All workers of this run copy it, and none changes it.
    """
    folder = factory.getbasetemp()
    place = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / f"{name}.made"
    with filelock.FileLock(f"{place}.lock"):
        if not place.exists():
            place.write_text(str(make()), encoding="utf-8")
    return Path(place.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite store with its tables and nothing else, made once (seconds)."""

    def make() -> Path:
        path = tmp_path_factory.mktemp("store") / "mlflow.db"
        MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments(max_results=1)
        close_stores()
        return path

    return made_once(tmp_path_factory, "store", make)


@pytest.fixture
def store(tmp_path: Path, empty_store: Path) -> Iterator[Store]:
    """An empty store, with its artifacts in `mlruns` beside it."""
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    yield open_store("sqlite:///mlflow.db", root=tmp_path, artifact_location="mlruns")
    mlflow.end_run()


@dataclass
class Outcome:
    """Exit code, output and errors of a command."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def run_id(self) -> str:
        """The last line of stdout."""
        return self.stdout.strip().splitlines()[-1]

    @property
    def sentence(self) -> str:
        """The first line of the error, without the command's name."""
        lines = [line for line in self.stderr.splitlines() if ": " in line and "Got" in line]
        return lines[0] if lines else self.stderr


@contextmanager
def undrawn() -> Iterator[None]:
    """Let cards in the block have empty plots, which saves a third of a chain."""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recipeline.reports.page._plot_drawer", paint_nothing)
        yield


@contextmanager
def few_trees() -> Iterator[None]:
    """Let the block have few trees in intervals and in the domain classifier.

    They take a tenth of a small chain's time, and two thirds of monitoring's.
    """
    from recipeline.monitoring import domain
    from recipeline.training import quantiles

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(quantiles.SETTINGS, "max_iter", 5)
        classifier = domain.ExtraTreesClassifier
        patch.setattr(domain, "ExtraTreesClassifier", lambda trees, **settings: classifier(trees // 5, **settings))
        yield


def words_of(name: str) -> str:
    """Return the words after `python` for a step, or a command of the library."""
    is_step = (ROOT / "steps" / f"{name}.py").is_file()
    return f"-m steps.{name}" if is_step else f"-m recipeline {name.replace('_', '-')}"


def find_command(name: str) -> click.Command:
    """Return the command of a step of the project, or one of the library."""
    module = f"steps.{name}" if "steps." in words_of(name) else f"recipeline.commands.{name}"
    command: click.Command = getattr(importlib.import_module(module), name)
    return command


class Project:
    """A recipe, a profile and a store in a folder, and commands on them.

    Plots are drawn only where `draws` is set, by tests that look at them; trees are few unless `is_quick` is unset.
    """

    draws = False
    is_quick = True

    def __init__(self, folder: Path, rows: pd.DataFrame) -> None:
        self.folder = folder
        self.recipe_path, self.profile_path = folder / "recipe.yaml", folder / "test.yaml"
        self.data = folder / "wines.csv"
        self.uri = f"sqlite:///{folder}/mlflow.db"
        rows.to_csv(self.data, index=False, sep=";")
        self.write_recipe()
        self.write_profile()

    def write_recipe(self, change: Callable[[dict[str, Any]], object] = lambda _: None) -> None:
        """Write the small recipe, changed in place by `change`."""
        content = small_recipe()
        change(content)
        self.recipe_path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def write_profile(self, **changes: object) -> None:
        """Write the profile, with other or further keys."""
        content = {
            "store": {"tracking_uri": self.uri, "artifact_location": str(self.folder / "mlruns")},
            "data": str(self.data),
            "engine": {"n_jobs": 1},
        } | changes
        self.profile_path.write_text(yaml.safe_dump(content), encoding="utf-8")

    def run(self, step: str, **params: str) -> Outcome:
        """Run a step or a command of the library as typed, in this process."""
        command = find_command(step)
        options = {"recipe": str(self.recipe_path), "profile": str(self.profile_path)} | params
        words = [word for key, value in options.items() for word in (f"--{key.replace('_', '-')}", value)]
        mlflow_uri = os.environ.get("MLFLOW_TRACKING_URI")
        with nullcontext() if self.draws else undrawn(), few_trees() if self.is_quick else nullcontext():
            result = CliRunner().invoke(command, words)
        # MLflow exports the store it is told to use; the next command starts without.
        if mlflow_uri is None:
            os.environ.pop("MLFLOW_TRACKING_URI", None)
        return Outcome(result.exit_code, result.stdout, result.stderr)

    def ok(self, step: str, **params: str) -> Outcome:
        """Run a step that must succeed."""
        outcome = self.run(step, **params)
        assert outcome.exit_code == 0, outcome.stderr
        return outcome

    @property
    def client(self) -> MlflowClient:
        """A client of the store."""
        mlflow.set_tracking_uri(self.uri)
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        return MlflowClient(tracking_uri=self.uri)

    def tags(self, run_id: str) -> dict[str, str]:
        """Return the tags of a run."""
        return dict(self.client.get_run(run_id).data.tags)

    def runs(self, step: str = "") -> list[Any]:
        """Return the runs (of a step), newest first."""
        condition = f"tags.`recipeline.step` = '{step}'" if step else ""
        experiments = [e.experiment_id for e in self.client.search_experiments()]
        return list(self.client.search_runs(experiments, condition))

    def first(self, step: str) -> Any:
        """Return the oldest finished run of a step."""
        return [run for run in self.runs(step) if run.info.status == "FINISHED"][-1]

    def versions(self) -> dict[str, str]:
        """Return the stage of each version of the model."""
        found = self.client.search_model_versions(f"name = '{NAME}'")
        return {str(version.version): version.current_stage for version in found}

    def production(self) -> Any:
        """Return the one Production version, as its alias and its stage both name it."""
        champion = self.client.get_model_version_by_alias(NAME, "champion")
        in_stage = [version for version, stage in self.versions().items() if stage == "Production"]
        assert in_stage == [str(champion.version)]
        return champion


MakeProject = Callable[[pd.DataFrame], Project]


@pytest.fixture
def project(tmp_path: Path, empty_store: Path, wines: pd.DataFrame) -> Iterator[Project]:
    """A project with an empty store."""
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    yield Project(tmp_path, wines)
    mlflow.end_run()


def move_store(source: Path, folder: Path) -> None:
    """Copy a project's folder, with the artifacts' paths in its database."""
    shutil.copytree(source, folder, dirs_exist_ok=True)
    rename_places(folder / "mlflow.db", str(source), str(folder))


def rename_places(database: Path, before: str, after: str) -> None:
    """Let a database name its artifacts in another place."""
    places = {
        "experiments": ["artifact_location"],
        "runs": ["artifact_uri"],
        "logged_models": ["artifact_location"],
        "model_versions": ["source", "storage_location"],
    }
    with closing(sqlite3.connect(database)) as connection, connection:
        for table, columns in places.items():
            for column in columns:
                connection.execute(f"UPDATE {table} SET {column} = REPLACE({column}, ?, ?)", (before, after))


@pytest.fixture(scope="session")
def make_project(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> MakeProject:
    """Make a project with an empty store, for fixtures that several tests share."""

    def make(rows: pd.DataFrame) -> Project:
        forget_mlflow()  # it is made before the environment of the first test that asks for it is cleaned
        folder = tmp_path_factory.mktemp("shared") / "project"
        folder.mkdir()
        shutil.copy(empty_store, folder / "mlflow.db")
        return Project(folder, rows)

    return make


@pytest.fixture(scope="session")
def _ran(make_project: MakeProject, wines: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project with one chain behind it; nobody changes it."""

    def make() -> Path:
        project = make_project(wines)
        project.ok("main")
        close_stores()
        return project.folder

    return made_once(tmp_path_factory, "ran", make)


@pytest.fixture(scope="session")
def _trained(_ran: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    move_store(_ran, folder)
    return folder


@pytest.fixture
def trained(_trained: Path, wines: pd.DataFrame) -> Iterator[Project]:
    """A project with a chain and a Production; shared: read it, add to it."""
    yield Project(_trained, wines)
    mlflow.end_run()


@pytest.fixture
def ran(_ran: Path, tmp_path: Path, wines: pd.DataFrame) -> Iterator[Project]:
    """The same in a folder of its own: do with it what you like."""
    move_store(_ran, tmp_path)
    yield Project(tmp_path, wines)
    mlflow.end_run()


@pytest.fixture(scope="session")
def _waiting(make_project: MakeProject, wines: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make() -> Path:
        project = make_project(wines)
        project.ok("main", model="en")
        project.ok("main", model="lr", promote="never")
        close_stores()
        return project.folder

    return made_once(tmp_path_factory, "waiting", make)


@pytest.fixture
def waiting(_waiting: Path, tmp_path: Path, wines: pd.DataFrame) -> Iterator[Project]:
    """A project with a version in Production and a challenger that waits."""
    move_store(_waiting, tmp_path)
    yield Project(tmp_path, wines)
    mlflow.end_run()
