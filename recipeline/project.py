"""The API of notebooks and programs: a project's steps and commands."""

from __future__ import annotations

import html
import importlib
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from recipeline import artifacts
from recipeline.artifacts import CARD, ORDER, Artifact
from recipeline.cli.command import EntryPoint
from recipeline.cli.environment import open_session
from recipeline.cli.isolation import ProjectModules
from recipeline.cli.main import COMMANDS, load_command
from recipeline.cli.output.caller import CALLER, Caller
from recipeline.cli.output.progress import Progress
from recipeline.cli.rows import open_model
from recipeline.data.reading.frames import as_batch, as_table
from recipeline.errors import DataError, RecipelineError, UnavailableError, UsageError, nearest, renamed
from recipeline.inference.row_checks import check_rows
from recipeline.records import to_plain
from recipeline.registry.history import terms
from recipeline.registry.loading import NamedModel, load_named
from recipeline.tracking.connection.failures import store_errors
from recipeline.tracking.tags import RunTags

if TYPE_CHECKING:
    from mlflow.entities import Run

    from recipeline.orchestration.session import Session

#: Artifacts by the name of their file, without its ending: what `load` takes.
ARTIFACTS = {
    Path(artifact.name).stem: artifact
    for artifact in vars(artifacts).values()
    if isinstance(artifact, Artifact) and artifact.is_result
}
_SHOWN_FAULTS = 20


class Project:
    """A project in a folder, with the settings of one profile.

    Each method does what the command of its name does. Expected failures are exceptions of `recipeline.errors`, with the
    message that the command would print. Two projects in one process keep their `steps` and `custom` apart; calls of several
    threads at once are not supported.

    Parameters
    ----------
    folder : the folder of the project's MLproject.
    profile : a file of `profiles/`, by name, or the path of a .yaml file.
    recipe : the path of a recipe, from the project's folder or from the working folder.

    Raises
    ------
    UsageError : there is no project in the folder.

    Examples
    --------
    >>> project = Project(".")                            # doctest: +SKIP
    >>> project.run("train", model="rf,lr")               # doctest: +SKIP
    >>> project.load("leaderboard")                       # doctest: +SKIP
    >>> project.production.predict(frame)                 # doctest: +SKIP
    """

    def __init__(self, folder: str | Path = ".", *, profile: str = "local", recipe: str = "recipe.yaml") -> None:
        self.folder = Path(folder).resolve()
        own = self.folder / recipe
        # By its whole path: the working folder may be another project's, with a recipe of the same name.
        self.profile, self.recipe = profile, str(own if own.is_file() else recipe)
        self._modules = ProjectModules(self.folder)
        if not (self.folder / "MLproject").is_file():
            raise UsageError(
                f"No project in {self.folder}: it has no MLproject.",
                fix="Name the folder of a project, for example Project('..').",
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Project, profile=self.profile, recipe=self.recipe), (self.folder,)

    def __repr__(self) -> str:
        return f"Project({str(self.folder)!r}, profile={self.profile!r}, recipe={self.recipe!r})"

    def run(self, name: str = "main", **options: object) -> RunResult:
        """Run a step, the whole chain (`main`) or a command, with its options.

        Parameters
        ----------
        name : a step, `main`, or a command such as `report`; not `serve`, which does not end.
        options : as on the command line, with underscores: ``model="rf,lr"``, ``cache=False``, ``split_run_id="..."``.

        Raises
        ------
        UsageError, DataError, UnavailableError : where the command would end with exit code 2, 3 or 6.
        """
        return self._run(name, options, {})

    def _run(self, name: str, options: Mapping[str, object], frames: Mapping[str, str]) -> RunResult:
        if own := [key for key in ("recipe", "profile") if key in options]:
            raise UsageError(
                f"{own[0]} is the same for all calls of a project.", fix=f"Make another one: Project(..., {own[0]}=...)."
            )
        words = {key: _as_word(value) for key, value in options.items()}
        with self._called(frames):
            result = self._command(name).call(recipe=self.recipe, profile=self.profile, **words)
        return RunResult(self, name, result.run_id, result.outcome, result.exit_code, result.output)

    def inspect(self, name: str = "main") -> RunResult:
        """Return the newest finished run of a step or of the chain.

        Raises
        ------
        UsageError : there is no such step or command.
        UnavailableError : there is none.
        """
        name = _known_name(name)
        with self._opened() as session:
            run = _newest(session, name)
        tags = run.data.tags
        return RunResult(self, name, run.info.run_id, tags.get(RunTags.OUTCOME, ""), int(tags.get(RunTags.EXIT_CODE, "0")))

    def load(self, name: str, run_id: str = "") -> Any:
        """Return an artifact: a table as a DataFrame, JSON as plain values, or str.

        Parameters
        ----------
        name : the artifact's file name, without its ending: ``leaderboard``, ``metrics``, ``test_predictions``.
        run_id : the run that wrote it; empty: the newest finished run of its step.

        Raises
        ------
        UsageError : there is no such artifact.
        UnavailableError : no run has it, or it is incomplete.
        """
        if name not in ARTIFACTS:
            raise UsageError("name must be that of an artifact.", got=f"'{name}'", fix=nearest(str(name), ARTIFACTS))
        artifact = ARTIFACTS[name]
        if not run_id and artifact.step == "*":
            raise UsageError(f"Every step may write {artifact.name}: the run is ambiguous.", fix="Give a run ID as run_id.")
        with self._opened() as session:
            return to_plain(session.reader.load(artifact, run_id or _newest(session, artifact.step).info.run_id))

    @property
    def production(self) -> Production:
        """The model in Production, loaded.

        Raises
        ------
        UnavailableError : there is none, or its files are incomplete.
        """
        with self._opened() as session:
            return Production(self, load_named(session.store, session.reader, session.recipe.model_name, ""))

    def promote(self, promote: str = "", **options: object) -> RunResult:
        """Run the step `promote`: promote the challenger if the gate passes."""
        return self.run("promote", promote=promote, **options)

    def approve(self, version: object = "", *, reason: str = "") -> RunResult:
        """Promote a challenger that passed the gate and awaits approval."""
        return self.run("approve", version=version, reason=reason)

    def rollback(self, version: object = "", *, reason: str = "") -> RunResult:
        """Restore the previous version in Production, or the version named."""
        return self.run("rollback", version=version, reason=reason)

    def monitor(self, rows: pd.DataFrame | str | Path = "", **options: object) -> RunResult:
        """Compare live rows with the training rows of the model in Production.

        `rows` is a frame, or the value of the command's option `data`. The result's exit code is 5 for drift;
        ``result.load("drift")`` has the report.
        """
        return self._run_on(rows, "monitor", options)

    def retrain(self, rows: pd.DataFrame | str | Path = "", **options: object) -> RunResult:
        """Run the chain on new rows, added to those of the model in Production.

        `rows` is a frame with the target, or the value of the command's option `data`. With ``labels``, a frame or a path, the
        rows are those of the service's log.
        """
        return self._run_on(rows, "retrain", options)

    def _run_on(self, rows: object, name: str, options: dict[str, object]) -> RunResult:
        """Run a command on frames.

        They are files for the time of it, which nothing that is said or kept names.
        """
        with tempfile.TemporaryDirectory() as folder:
            paths = {}
            named = _with_rows(rows, options)
            for key, value in named.items():
                if isinstance(value, pd.DataFrame):
                    paths[key] = Path(folder) / f"{key}.parquet"
                    pq.write_table(as_table(value), paths[key])
            words = {str(path): f"DataFrame '{key}'" for key, path in paths.items()}
            try:
                result = self._run(name, named | paths, words)
            except RecipelineError as error:
                error.rename(words)
                raise
        return replace(result, output=renamed(result.output, words))

    def history(self) -> pd.DataFrame:
        """Return the versions in Production with their times and reasons, oldest first.

        Times are UTC; NaT: still in Production.
        """
        with self._opened() as session:
            served = to_plain(terms(session.registry.ledger.read().changes))
        columns = ["version", "since", "until", "kind", "actor", "host", "reason", "run_id", "entry"]
        frame = pd.DataFrame(served, columns=columns)
        times = {name: pd.to_datetime(frame[name], utc=True, format="ISO8601") for name in ("since", "until")}
        return frame.assign(**times)

    def _command(self, name: str) -> EntryPoint:
        word = _known_name(name)
        if word in (*ORDER, "main"):
            return cast(EntryPoint, getattr(importlib.import_module(f"steps.{word}"), word))
        return cast(EntryPoint, load_command(word))

    def _session(self) -> Session:
        return open_session(self.recipe, self.profile, reads=True)

    @contextmanager
    def _opened(self) -> Iterator[Session]:
        """Yield a session for the block; raise UnavailableError if the store fails."""
        with self._called():
            session = self._session()
            with store_errors(session.store.uri):
                yield session

    @contextmanager
    def _called(self, frames: Mapping[str, str] = MappingProxyType({})) -> Iterator[None]:
        """Run commands in the block for this project; restore the process afterwards.

        Modules, `sys.path` and MLflow's settings are restored. `frames` names the frames that are files, by path.
        """
        before = {name: os.environ.get(name) for name in _EXPORTED}
        logger = logging.getLogger("mlflow")
        level = logger.level
        progress = Progress(sys.stdout, overwrites=True) if "ipykernel" in sys.modules else Progress()
        token = CALLER.set(Caller(self.folder, progress, frames))
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        os.environ.setdefault("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "false")
        logger.setLevel(logging.WARNING)
        try:
            with self._modules.importable():
                yield
        finally:
            CALLER.reset(token)
            logger.setLevel(level)
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value


#: Commands that do not end, or are about no project or its files alone.
_NOT_HERE = ("serve", "new", "upgrade")


def _known_name(name: str) -> str:
    """Return the name of a step or command as it is typed.

    Raises
    ------
    UsageError : there is none that can be called.
    """
    word = str(name).replace("_", "-")
    known = [*ORDER, "main", *(command for command in COMMANDS if command not in _NOT_HERE)]
    if word not in known:
        raise UsageError(
            "name must be that of a step or command that a program can call "
            "(serve does not end, new and upgrade are about files alone).",
            got=f"'{name}'",
            fix=nearest(word, known),
        )
    return word


#: Variables that MLflow exports when a store is set, or that are set for it.
_EXPORTED = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_REGISTRY_URI",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR",
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD",
)


@dataclass(frozen=True)
class RunResult:
    """The result of a call: its run ID, outcome and output.

    In a notebook it shows the run's card.
    """

    project: Project = field(repr=False)
    name: str
    run_id: str
    #: `ok`, `promoted`, `kept`, `rejected` or `drift`.
    outcome: str
    exit_code: int
    output: str = field(default="", repr=False)

    def load(self, name: str) -> Any:
        """Return an artifact that the run wrote, as `Project.load` does."""
        return self.project.load(name, self.run_id)

    @cached_property
    def card(self) -> str:
        """The run's card as an HTML page; empty where it has none."""
        if not self.run_id:
            return ""
        from mlflow.exceptions import MlflowException

        with self.project._opened() as session, tempfile.TemporaryDirectory() as folder:
            try:
                return CARD.read(Path(session.store.client.download_artifacts(self.run_id, CARD.name, folder)))
            except (MlflowException, OSError):
                return ""

    def _repr_html_(self) -> str:
        if not self.card:
            return f"<pre>{html.escape(self.output or repr(self))}</pre>"
        page = html.escape(self.card, quote=True)
        frame = f'<iframe sandbox="allow-scripts" srcdoc="{page}" title="{self.name}"'
        return f'{frame} style="width:100%;height:640px;border:0"></iframe>'


@dataclass(frozen=True)
class Production:
    """The version in Production at the time of the call, loaded."""

    _project: Project = field(repr=False)
    _model: NamedModel = field(repr=False)

    def __repr__(self) -> str:
        return f"<{self._model}>"

    @property
    def version(self) -> str:
        """The version's number in the registry."""
        return self._model.version

    @property
    def candidate(self) -> str:
        """The name of the version's candidate in the recipe."""
        return self._model.candidate

    @property
    def features(self) -> tuple[str, ...]:
        """The feature columns of the model."""
        return self._model.features

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return prediction, interval limits and model version for each of `rows`.

        The columns are `prediction`, `prediction_lower`, `prediction_upper` and `model_version`. The limits are those of the
        model's interval, NaN without one. The index is that of `rows`; other columns are ignored; NaN is refused unless the
        recipe says `nullable`. Columns have the recipe's names, or those that its `data.rename` knows.

        Raises
        ------
        UsageError : `rows` is no frame.
        DataError : a feature is missing, or a value breaks the recipe's rules; then no row is predicted.
        """
        if not isinstance(rows, pd.DataFrame):
            raise UsageError("rows must be a DataFrame.", got=f"a {type(rows).__name__}", fix="Make one: pd.DataFrame(rows).")
        rename = self._model.info.csv.rename if self._model.info else {}
        rows = rows.rename(columns=dict(rename))
        missing = [name for name in self.features if name not in rows.columns]
        if missing:
            raise DataError(
                f"Missing features: {', '.join(missing)}.",
                fix=f"Add them: the model has {len(self.features)} features.",
            )
        with self._project._opened() as session, open_model(session, self._model) as asked:
            checked = check_rows(as_batch(rows[asked.names]), asked.features)
            if checked.count:
                faults = [
                    f"row {fault.row}: {fault.text}" for fault in islice(checked.faults(np.arange(len(rows))), _SHOWN_FAULTS)
                ]
                raise DataError(
                    "Values must follow the recipe's rules.", got=f"{checked.count} values that do not", details=faults
                )
            names, values = [name for name, _ in asked.columns], asked.answer(checked.codes)
        return pd.DataFrame(dict(zip(names, map(pa.Array.to_pandas, values), strict=True))).set_axis(rows.index)


def _with_rows(rows: object, options: dict[str, object]) -> dict[str, object]:
    """Return options with `rows` as the option data, which may be named itself.

    Raises
    ------
    UsageError : both are given.
    """
    if "data" not in options:
        return {"data": rows, **options}
    if isinstance(rows, pd.DataFrame) or rows:
        raise UsageError("Rows are given twice, first and as data=.", fix="Give them once.")
    return options


def _newest(session: Session, name: str) -> Run:
    newest = session.history.newest(name)
    if not newest:
        raise UnavailableError(f"No finished run of {name} yet.", fix=f"Run it: project.run('{name}').")
    return newest[0]


def _as_word(value: object) -> str:
    """Return a value as a command-line argument."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return "" if value is None else str(value)
