"""Parts in worker processes, which load the model by its version themselves."""

from __future__ import annotations

import socket
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from recipeline.batch.manifest import PartDone
from recipeline.batch.scoring import PartTask, predict_part
from recipeline.cli.rows import opened_model
from recipeline.data.origin.uris import redact
from recipeline.errors import DataError, RecipelineError, UnavailableError, UsageError
from recipeline.inference.predictor import Asked


@dataclass(frozen=True)
class WorkerModel:
    """A model as worker processes find it: store, name, URI and ID."""

    store_uri: str = field(repr=False)  # a worker's log has the arguments of what fails, and it may have a password
    name: str
    uri: str
    model_id: str
    trusted: tuple[str, ...]
    cache: Path


@dataclass(frozen=True)
class Failed:
    """An expected failure in a worker process, as plain values."""

    kind: type[RecipelineError]
    sentence: str
    details: tuple[str, ...]


#: The models of a worker process: it goes on with them for the next part.
_ASKED: dict[WorkerModel, tuple[Asked, AbstractContextManager[Asked]]] = {}


def predict_in_worker(model: WorkerModel, task: PartTask) -> PartDone | Failed:
    """Predict a part in a worker process, with a model that it loads itself."""
    try:
        return predict_part(task, _ask_in_worker(model))
    except RecipelineError as error:
        kind = next(it for it in (UsageError, DataError, UnavailableError, RecipelineError) if isinstance(error, it))
        return Failed(kind, error.sentence, error.details)


def _ask_in_worker(model: WorkerModel) -> Asked:
    """Return a model by version, read and checked as every command does.

    Raises
    ------
    UnavailableError : the worker cannot reach the store, or the model is another one.
    """
    if model in _ASKED:
        return _ASKED[model][0]
    from recipeline.registry.loading import load_named
    from recipeline.tracking.artifacts.artifact_cache import ArtifactCache
    from recipeline.tracking.artifacts.manifest import Reader
    from recipeline.tracking.connection.sqlite import is_new
    from recipeline.tracking.connection.store import open_store

    where = f"A worker on {socket.gethostname()} cannot load {model.uri} from the store {redact(model.store_uri)}"
    fix = "Workers of other machines need a store that they can reach: an MLflow server, or a database."
    if is_new(model.store_uri, root=Path.cwd()):
        raise UnavailableError(f"{where}: the file does not exist there.", fix=fix)
    try:
        store = open_store(model.store_uri, root=Path.cwd(), cache=model.cache, reads=True)
        reader = Reader(store.client, model.trusted, cache=ArtifactCache(model.cache / "artifacts"))
        found = load_named(store, reader, model.name, model.uri)
    except UnavailableError as error:
        raise UnavailableError(f"{where}: {error.sentence}", fix=fix) from None
    if found.model_id != model.model_id:
        raise UnavailableError(f"{where}: there it is another model.", fix=fix)
    opened = opened_model(found, 1)
    _ASKED[model] = opened.__enter__(), opened  # as long as the process lives
    return _ASKED[model][0]
