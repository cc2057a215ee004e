"""Runs of the steps: opened, tagged, closed."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from mlflow import MlflowClient
from mlflow.entities import DatasetInput, Metric, Param, Run, RunTag

from recipeline.artifacts import Artifact, Rows
from recipeline.data.stored_rows import StoredRows
from recipeline.errors import RecipelineError, exit_code_of
from recipeline.escape import for_markdown
from recipeline.tracking._compat import NOTE, PARENT_RUN_ID, RUN_NAME, context_tags, end_run
from recipeline.tracking.artifact_writer import Writer
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.connection.failures import retry_conflict
from recipeline.tracking.connection.patience import parting
from recipeline.tracking.connection.store import now_ms
from recipeline.tracking.known_runs import as_deleted, closed_run
from recipeline.tracking.lineage import lineage_tags, newest_tag
from recipeline.tracking.new_run import create_run
from recipeline.tracking.tags import PREFIX, RunTags, bare

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

#: The longest values that every store accepts.
TAG_LENGTH, PARAM_LENGTH = 5000, 6000


@dataclass
class StepRun:
    """A step's open run, with its artifacts by name.

    `lineage` maps each upstream step to its run ID; `reader` reads other runs' artifacts. `outcome` and `exit_code` become tags
    when the run is closed. `values` is what ``--json`` prints of it; None: what every step's run has.
    """

    id: str
    step: str
    client: MlflowClient
    experiment_id: str
    lineage: dict[str, str] = field(default_factory=dict)
    outcome: str = "ok"
    exit_code: int = 0
    values: object = None
    reader: Reader = field(kw_only=True)
    #: The run as the store opened it; None: it is asked.
    opened: Run | None = field(default=None, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        self._opened = self.opened or self.client.get_run(self.id)
        self.reader.runs.keep(self._opened)
        self._writer = Writer(self.client, self.id, self.reader.folders, str(self._opened.info.artifact_uri))
        self._own: dict[str, Any] = {}
        self._own_tags: dict[str, str] = {}
        self._unsaved_tags: dict[str, str] = {}
        self._inputs: list[DatasetInput] = []
        self._may_read: set[str] | None = None
        self._may_write: set[str] | None = None
        self._params: dict[str, str] = {}
        self._metrics: dict[str, float] = {}
        self._mlflow_tags: dict[str, str] = {}
        self._is_closed = False

    def save(self, artifact: Artifact[T], value: T) -> str:
        """Write `value` as this run's artifact; return the sha256 of the file."""
        self._require_own(artifact)
        if not self._is_closed:
            self._own[artifact.name] = value
        return self._writer.save(artifact, value)

    def save_batches(self, artifact: Rows, frames: Iterable[pd.DataFrame]) -> str:
        """Write frames, one below the other, as `save` does a single one."""
        self._require_own(artifact)
        return self._writer.save_batches(artifact, frames)

    def open(self, artifact: Rows) -> StoredRows:
        """Return the rows of an artifact as `load` does, without reading them."""
        if digest := self._writer.digest(artifact):
            return self.reader.open(artifact, self.id, digest)
        self._require_declared(artifact, self._may_read, "reads")
        return self.reader.open(artifact, self.lineage[artifact.step])

    def load(self, artifact: Artifact[T]) -> T:
        """Return the artifact that this run saved, or the upstream run that wrote it.

        Raises
        ------
        UnavailableError : the upstream run's is not whole.
        """
        if artifact.name in self._own:
            return self._own[artifact.name]  # type: ignore[no-any-return]
        if digest := self._writer.digest(artifact):
            return self.reader.load(artifact, self.id, digest)
        self._require_declared(artifact, self._may_read, "reads")
        return self.reader.load(artifact, self.lineage[artifact.step])

    def has(self, artifact: Artifact[Any]) -> bool:
        """Whether this run has saved the artifact, or the upstream run of its step has."""
        return artifact.name in (*self._own, *self.artifacts) or (
            artifact.step in self.lineage and self.reader.has(artifact, self.lineage[artifact.step])
        )

    @contextmanager
    def limited_to(self, reads: Iterable[Artifact[Any]] | None, writes: Iterable[Artifact[Any]] | None) -> Iterator[None]:
        """Allow only the declared artifacts to be read and written in the block.

        None: any.
        """
        self._may_read, self._may_write = (None if it is None else {one.name for one in it} for it in (reads, writes))
        try:
            yield
        finally:
            self._may_read = self._may_write = None

    def _require_own(self, artifact: Artifact[Any]) -> None:
        assert artifact.step in (self.step, "*"), f"{artifact.name} is written by {artifact.step}"
        self._require_declared(artifact, self._may_write, "writes")

    def _require_declared(self, artifact: Artifact[Any], declared: set[str] | None, verb: str) -> None:
        if declared is not None and artifact.name not in declared:
            raise AssertionError(f"{self.step} {verb} {artifact.name}, which its STEP does not declare: add it to `{verb}`")

    def require_model(self, step: str, model_id: str) -> None:
        """Raise UnavailableError if an upstream step's model is missing or changed."""
        self.reader.require_model(model_id, self.lineage[step])

    def load_model(self, step: str, model_id: str) -> Any:
        """Return a model that the upstream `step` logged.

        Raises
        ------
        UnavailableError : it is incomplete, or must not be read.
        """
        return self.reader.load_model(model_id, self.lineage[step])

    def add_model(self, model_id: str, digests: dict[str, str]) -> None:
        """Count a logged model among what this run hands on."""
        self._writer.add_model(model_id, digests)

    def tag(self, **tags: object) -> None:
        """Set ``recipeline.<name>`` tags, written at the close; later ones at once."""
        self._own_tags |= {name: str(value) for name, value in tags.items()}
        self._unsaved_tags |= {f"{PREFIX}{name}": str(value)[:TAG_LENGTH] for name, value in tags.items()}
        if self._is_closed:
            self.save_tags()

    def save_tags(self) -> None:
        """Write the tags that the store does not have yet."""
        tags, self._unsaved_tags = self._unsaved_tags, {}
        if tags:
            self.client.log_batch(self.id, tags=[RunTag(*tag) for tag in tags.items()])

    def log_inputs(self, inputs: Sequence[DatasetInput]) -> None:
        """Log dataset inputs of the run."""
        retry_conflict(lambda: self.client.log_inputs(self.id, [*inputs]))
        self._inputs += inputs

    def show(
        self,
        *,
        params: Mapping[str, str | float] | None = None,
        metrics: Mapping[str, float] | None = None,
        title: str = "",
        note: str = "",
    ) -> None:
        """Set the run's columns, name and description in MLflow.

        They are logged when the run is closed. Values that the step decided have the prefix ``best.``; unprefixed scores
        are on the runs of candidates only. NaN and infinity are left out: no store sorts by them. A note is shown as
        Markdown.
        """
        note = "\n".join(map(for_markdown, note.splitlines()))
        self._params |= {name: str(value)[:PARAM_LENGTH] for name, value in (params or {}).items()}
        self._metrics |= {name: float(value) for name, value in (metrics or {}).items() if math.isfinite(value)}
        self._mlflow_tags |= {name: text[:TAG_LENGTH] for name, text in ((RUN_NAME, title), (NOTE, note)) if text}

    def describe(self, line: str) -> None:
        """Add a line of Markdown to the description in MLflow, written at the close."""
        note = self._mlflow_tags.get(NOTE, "")
        self._mlflow_tags[NOTE] = f"{note}\n\n{line}".strip() if len(note) + len(line) + 2 <= TAG_LENGTH else note

    def log_scores(self, run_id: str, model_id: str, scores: Mapping[str, float]) -> None:
        """Add the test metrics of a candidate to its run and to its logged model."""
        now = now_ms()
        metrics = [Metric(name, value, now, 0, model_id=model_id, run_id=run_id) for name, value in scores.items()]
        self.client.log_batch(run_id, metrics=metrics)

    def set_lineage(self, lineage: dict[str, str]) -> None:
        """Record the upstream runs and copy their data tags."""
        self.lineage = lineage
        known = {bare(name): value for name, value in self._opened.data.tags.items()}
        tags = lineage_tags(lineage, self.reader)
        self.tag(**{name: value for name, value in tags.items() if known.get(name) != value})
        self._own_tags |= tags
        self.save_tags()  # `prune` keeps the upstream runs of an open run, and knows them by its tags

    def own_tag(self, name: str) -> str:
        """Return this run's tag ``recipeline.<name>``; empty where it has none."""
        return self._own_tags.get(name, "")

    @property
    def own_tags(self) -> dict[str, str]:
        """The tags ``recipeline.*`` that the run was given, without prefix."""
        return dict(self._own_tags)

    @property
    def params(self) -> dict[str, str]:
        """The run's parameters in MLflow."""
        return dict(self._params)

    @property
    def metrics(self) -> dict[str, float]:
        """The run's metrics in MLflow, besides those of candidates."""
        return dict(self._metrics)

    @property
    def artifacts(self) -> tuple[str, ...]:
        """The names of the files that the run hands on, in the order of writing."""
        return self._writer.names

    def parent_tag(self, name: str) -> str:
        """Return the upstream run's tag ``recipeline.<name>``; empty without one."""
        return newest_tag(self.lineage, name, self.reader)

    def close(self, status: str = "FINISHED") -> None:
        """Write the manifest (of a finished run), the outcome and the status."""
        if status == "FINISHED":
            self.tag(manifest_digest=self._writer.close())
        self._own.clear()  # a chain knows its runs until it ends
        self.tag(outcome=self.outcome, exit_code=self.exit_code)
        now, tags = now_ms(), {**self._unsaved_tags, **self._mlflow_tags}
        metrics = [Metric(name, value, now, 0) for name, value in self._metrics.items()]
        params = [Param(name, value) for name, value in self._params.items()]
        self._unsaved_tags, self._is_closed = {}, True
        self.client.log_batch(self.id, metrics=metrics, params=params, tags=[RunTag(*tag) for tag in tags.items()])
        end_run(self.client, self.id, status)
        own = {f"{PREFIX}{name}": value[:TAG_LENGTH] for name, value in self._own_tags.items()} | self._mlflow_tags
        self.reader.runs.keep(closed_run(self._opened, status, metrics, params, own, self._inputs))

    def note_view(self, artifact: Artifact[T], value: T) -> None:
        """Note the digest of a card or a plot that is saved next, for `close_card`."""
        if self._is_closed:  # of an open run, the manifest has it
            self._writer.note(artifact, value)

    def close_card(self) -> None:
        """Write the digests noted of a card that is saved after the close, if it is."""
        if self._is_closed:
            self._writer.close_views()


@contextmanager
def open_run(
    client: MlflowClient,
    step: str,
    experiment_id: str,
    tags: Mapping[str, str],
    *,
    adopt: str | None = None,
    nested_in: str | None = None,
    reader: Reader | None = None,
) -> Iterator[StepRun]:
    """Open a step's run, or adopt the one of `mlflow run`, for the block.

    It ends FINISHED; FAILED, with the message in ``recipeline.error``, if the block raises. Runs that share a `reader`
    query the store once for what they read of another run.
    """
    all_tags = {f"{PREFIX}{name}": value for name, value in tags.items()}
    all_tags |= {RunTags.STEP: step, RUN_NAME: step}
    if nested_in:
        all_tags[PARENT_RUN_ID] = nested_in
    if adopt:
        client.log_batch(adopt, tags=[RunTag(*tag) for tag in all_tags.items()])
        opened = client.get_run(adopt)
    else:
        opened = create_run(client, experiment_id, context_tags(all_tags), partial(fail_run, client))
    run_id, run = str(opened.info.run_id), None
    try:
        run = StepRun(run_id, step, client, experiment_id, reader=reader or Reader(client), opened=opened)
        yield run
        run.close()
    except BaseException as error:
        if run is not None:
            with suppress(Exception), parting(error, client.tracking_uri):
                run.save_tags()
        if deleted := as_deleted(client, run_id, error):
            raise deleted from None
        fail_run(client, run_id, error)
        raise


def fail_run(client: MlflowClient, run_id: str, error: BaseException) -> None:
    """Mark a run as FAILED with the error; only log it if the store fails."""
    sentence = error.sentence if isinstance(error, RecipelineError) else f"{type(error).__name__}: {error}"
    tags = {RunTags.ERROR: sentence[:TAG_LENGTH], RunTags.OUTCOME: "error", RunTags.EXIT_CODE: str(exit_code_of(error))}
    try:
        with parting(error, client.tracking_uri):
            client.log_batch(run_id, tags=[RunTag(*tag) for tag in tags.items()])
            end_run(client, run_id, "FAILED")
    except Exception:
        logging.getLogger(__name__).warning("Run %s could not be marked as FAILED.", run_id)


def create_child(run: StepRun, name: str, tags: Mapping[str, str]) -> str:
    """Return the ID of a new run nested in `run`."""
    own = {**tags, RUN_NAME: name, PARENT_RUN_ID: run.id}
    made = create_run(run.client, run.experiment_id, context_tags(own), partial(fail_run, run.client))
    return str(made.info.run_id)
