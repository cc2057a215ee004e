"""Runs and logged models copied from one store to another, by way of a folder.

A copy has new IDs, which its own store gives. They replace the old ones in its tags and in the texts among its results;
everything else, the files of the model included, is copied byte for byte. Until a copy is whole it is a RUNNING run, as one
that was killed: nothing is built on it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelStatus, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from recipeline.artifacts import Artifact, T
from recipeline.errors import UnavailableError
from recipeline.tracking._compat import NOTE, PARENT_RUN_ID, RUN_NAME, end_run
from recipeline.tracking.artifact_writer import Writer
from recipeline.tracking.artifacts.artifact_cache import file_digest
from recipeline.tracking.artifacts.artifact_folders import ArtifactFolders
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.connection.failures import retry_conflict
from recipeline.tracking.models import log_output
from recipeline.tracking.new_run import create_model, create_run
from recipeline.tracking.tags import PREFIX, RunTags

V = TypeVar("V")

#: Results in which IDs are replaced; cards keep theirs, and so lead to the pages of the store that they were drawn for.
TEXTS = (".json", ".csv", ".md")

#: MLflow's tags that a copy keeps, besides those of this library.
_KEPT = (RUN_NAME, NOTE, "mlflow.user", "mlflow.source.name", "mlflow.source.type", "mlflow.source.git.commit")

#: Tags that are not true of a copy.
_DROPPED = (RunTags.OPENING, RunTags.MANIFEST_DIGEST)

#: The most metrics, and the most parameters, that every store takes at once.
_METRICS, _PARAMS = 1000, 100

#: The file of a logged model that has IDs and the address of its folder.
DESCRIPTION = "MLmodel"


@dataclass(frozen=True)
class ModelCopy:
    """A logged model: its files in a folder, and the entity of its store."""

    folder: Path
    entity: LoggedModel


@dataclass(frozen=True)
class RunCopy:
    """A run: results and views as files by name, and the entity of its store.

    `metrics` are all values of all steps.
    """

    entity: Run
    metrics: Sequence[Metric] = ()
    results: Mapping[str, Path] = field(default_factory=dict)
    views: Mapping[str, Path] = field(default_factory=dict)
    #: Further tags of its copy, by full name.
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The ID in the store that it was read from."""
        return str(self.entity.info.run_id)


def read_run(reader: Reader, client: MlflowClient, run_id: str, folder: Path) -> RunCopy:
    """Return a finished run of a step, with its files in `folder`.

    Raises
    ------
    UnavailableError : a result is missing, cut off or changed.
    """
    results, views = reader.names(run_id)
    for name in results:
        reader.copy(name, run_id, _place(folder, name).parent)
    for name in views:
        with suppress(UnavailableError, MlflowException, OSError), reader.view(name, run_id) as path:
            shutil.copyfile(path, _place(folder, name))
    files = {name: folder / name for name in (*results, *views)}
    return RunCopy(
        reader.runs.get(run_id),
        _metrics_of(client, run_id),
        {name: files[name] for name in results},
        {name: files[name] for name in views if files[name].is_file()},
    )


def _place(folder: Path, name: str) -> Path:
    """Return the place of a file in a folder that exists."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def read_candidate(client: MlflowClient, run_id: str) -> RunCopy:
    """Return the run of a candidate, which has no files of its own."""
    return RunCopy(client.get_run(run_id), _metrics_of(client, run_id))


def read_model(reader: Reader, client: MlflowClient, model_id: str, run_id: str, folder: Path) -> ModelCopy:
    """Return a logged model that the step's run `run_id` hands on, in `folder`.

    Raises
    ------
    UnavailableError : a file is missing, cut off or changed.
    """
    reader.copy_model(model_id, run_id, folder)
    return ModelCopy(folder, client.get_logged_model(model_id))


def _metrics_of(client: MlflowClient, run_id: str) -> list[Metric]:
    names = client.get_run(run_id).data.metrics
    return [metric for name in names for metric in client.get_metric_history(run_id, name)]


@dataclass
class OpenCopy:
    """A copy that is being written: a RUNNING run of the store."""

    id: str
    source: RunCopy
    writer: Writer


class CopyWriter:
    """Writes copies into a store; `ids` has the new ID of each old one.

    Further tags of all copies are `tags`, by full name; `profile` replaces the profile's name, so that no step builds on a copy
    by itself.
    """

    def __init__(
        self, client: MlflowClient, experiment_id: str, *, ids: Mapping[str, str], profile: str, tags: Mapping[str, str]
    ) -> None:
        self._client, self._experiment_id, self._profile, self._tags = client, experiment_id, profile, dict(tags)
        self.ids = dict(ids)
        # Without a cache: its readers get each file from the store.
        self._folders = ArtifactFolders(client.tracking_uri)

    def open_run(self, copy: RunCopy) -> OpenCopy:
        """Create the run of a copy; runs that its tags name must have been opened before."""
        kept = {
            name: self.replace(value)
            for name, value in copy.entity.data.tags.items()
            if (name.startswith(PREFIX) and name not in _DROPPED) or name in _KEPT or self._is_nested(name, value)
        }
        tags = {**kept, **copy.tags, **self._tags, RunTags.PROFILE: self._profile, RunTags.SOURCE_RUN_ID: copy.id}
        tags |= {name: value for name, value in copy.entity.data.tags.items() if "." not in name}  # model_type, best_model
        made = create_run(self._client, self._experiment_id, tags, lambda run_id, _: self._client.delete_run(run_id))
        self.ids[copy.id] = run_id = str(made.info.run_id)
        return OpenCopy(run_id, copy, Writer(self._client, run_id, self._folders, str(made.info.artifact_uri)))

    def _is_nested(self, name: str, value: str) -> bool:
        """Whether a tag nests a run in one that is copied too."""
        return name == PARENT_RUN_ID and value in self.ids

    def write_model(self, copy: ModelCopy, run: OpenCopy) -> tuple[str, dict[str, str]]:
        """Write a candidate's logged model; return its ID and its files by sha256."""
        entity = copy.entity
        tags = {name: value for name, value in entity.tags.items() if name in _KEPT}
        made = create_model(self._client, self._experiment_id, run.id, name=entity.name, tags=tags, params=entity.params)
        self.ids[entity.model_id] = made.model_id
        described = Model.load(str(copy.folder))
        described.model_id = described.model_uuid = made.model_id
        described.run_id, described.artifact_path = run.id, made.artifact_location
        described.save(copy.folder / DESCRIPTION)
        files = {str(path.relative_to(copy.folder)): path for path in sorted(copy.folder.rglob("*")) if path.is_file()}
        for name, path in files.items():
            self._folders.upload(made.artifact_location, path, name.rpartition("/")[0])
        log_output(self._client, run.id, made.model_id)
        self._client.finalize_logged_model(made.model_id, LoggedModelStatus.READY)
        return str(made.model_id), {name: file_digest(path) for name, path in files.items()}

    def write_files(self, run: OpenCopy, *, without: Sequence[Artifact[Any]] = ()) -> None:
        """Write results and views of a run, with new IDs in its texts."""
        left_out = {artifact.name for artifact in without}
        for name, path in run.source.results.items():
            if name not in left_out:
                if name.endswith(TEXTS):
                    path.write_bytes(self.replace(path.read_bytes().decode()).encode())
                run.writer.put(name, path)
        for name, path in run.source.views.items():
            run.writer.put(name, path, is_result=False)

    def close(self, run: OpenCopy) -> None:
        """Write parameters, metrics, inputs and the manifest: from now on the run counts."""
        entity, client, now = run.source.entity, self._client, partial(self.ids.get)
        metrics = [
            Metric(it.key, it.value, it.timestamp, it.step, model_id=now(it.model_id), run_id=run.id)
            for it in run.source.metrics
        ]
        for some in _in_parts(metrics, _METRICS):
            client.log_batch(run.id, metrics=some)
        for params in _in_parts([Param(*it) for it in entity.data.params.items()], _PARAMS):
            client.log_batch(run.id, params=params)
        if entity.inputs and entity.inputs.dataset_inputs:
            retry_conflict(lambda: client.log_inputs(run.id, entity.inputs.dataset_inputs))
        if RunTags.STEP in entity.data.tags:
            client.log_batch(run.id, tags=[RunTag(RunTags.MANIFEST_DIGEST, run.writer.close())])
        end_run(client, run.id, "FINISHED")

    def replace(self, text: str) -> str:
        """Return a text with the new IDs in place of the old ones."""
        if not self.ids:
            return text
        return re.sub("|".join(map(re.escape, self.ids)), lambda found: self.ids[found[0]], text)

    def save(self, run: OpenCopy, artifact: Artifact[T], value: T) -> None:
        """Write an artifact of a run anew."""
        run.writer.save(artifact, value)


def _in_parts(values: Iterable[V], size: int) -> Iterator[list[V]]:
    every = [*values]
    for start in range(0, len(every), size):
        yield every[start : start + size]
