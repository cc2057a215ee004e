"""Artifacts read and checked against the run's manifest."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from recipeline.artifacts import Artifact, Rows, T
from recipeline.data.stored_rows import StoredRows
from recipeline.errors import UnavailableError
from recipeline.inference.trust import read_model
from recipeline.records import RecordError
from recipeline.tracking._compat import is_local
from recipeline.tracking.artifact_writer import FORMAT, MANIFEST, NO_RESULTS, read_late_views, read_manifest
from recipeline.tracking.artifacts.artifact_cache import ArtifactCache, file_digest
from recipeline.tracking.artifacts.artifact_folders import (
    CHANGED,
    MISSING,
    UNREADABLE,
    ArtifactFolders,
    Kept,
    require_answer,
    state_of,
)
from recipeline.tracking.known_runs import KnownRuns
from recipeline.tracking.tags import RunTags


class Reader:
    """A reader of finished runs' artifacts and models, checked by manifests.

    `trusted` are further types that a model may be made of. With a `cache`, the files of another machine are read from it
    where it has them, and only their names and sizes are compared with those in the store.
    """

    def __init__(
        self,
        client: MlflowClient,
        trusted: Collection[str] = (),
        *,
        cache: ArtifactCache | None = None,
        runs: KnownRuns | None = None,
    ) -> None:
        self._client, self.trusted = client, trusted
        self.folders, self.runs = ArtifactFolders(client.tracking_uri, cache), runs or KnownRuns(client)
        self._manifests: dict[str, dict[str, Any]] = {}
        self._model_uris: dict[str, str] = {}
        self._whole_models: set[str] = set()

    def fresh(self) -> Reader:
        """Return a reader of the files in the store, for a change of Production.

        It uses only those cached files that this process has uploaded itself.
        """
        cache = self.folders.cache
        fresh = Reader(self._client, self.trusted, cache=cache.of_this_process() if cache else None, runs=self.runs)
        fresh._model_uris |= self._model_uris
        return fresh

    def load(self, artifact: Artifact[T], run_id: str, digest: str = "") -> T:
        """Return the artifact of the run.

        `digest` is its sha256 in a run that has no manifest yet.

        Raises
        ------
        UnavailableError : it is missing, cut off or changed, or no record as this version reads it.
        """
        with self._whole(artifact.name, run_id, digest) as path:
            try:
                return artifact.read(path)
            except RecordError as error:
                raise UnavailableError(
                    f"The artifact {artifact.name} of run {run_id} cannot be read. {error}",
                    fix="Run the step that writes it again.",
                ) from None

    def open(self, artifact: Rows, run_id: str, digest: str = "") -> StoredRows:
        """Return the rows of the run's artifact without reading them.

        The file is used where it is; one of another machine is copied to this one, for as long as the rows are used.

        Raises
        ------
        UnavailableError : as `load`.
        """
        with ExitStack() as stack:
            path = stack.enter_context(self._whole(artifact.name, run_id, digest))
            return artifact.open(path, Kept(stack.pop_all()))

    def copy(self, name: str, run_id: str, folder: Path) -> None:
        """Copy the file of the artifact `name` into `folder` without reading it.

        Raises
        ------
        UnavailableError : as `load`.
        """
        with self._whole(name, run_id) as path:
            shutil.copyfile(path, folder / path.name)

    def names(self, run_id: str) -> tuple[list[str], list[str]]:
        """Return the names of the run's results, and of its cards and plots."""
        return [*self._manifest(run_id)["files"]], [*self._views(run_id)]

    def view(self, name: str, run_id: str) -> AbstractContextManager[Path]:
        """Yield the path of a card or a plot, which are no results and may be missing.

        Raises
        ------
        UnavailableError : it is missing, or not whole by the digest that the run noted, if it noted one.
        """
        digest = self._views(run_id).get(name, "")
        return self._whole(name, run_id, digest) if digest else self._file(name, run_id, "")

    def root(self, run_id: str) -> str:
        """Return the URI below which the run's artifacts are."""
        return str(self.runs.get(run_id).info.artifact_uri)

    def model_root(self, model_id: str) -> str:
        """Return the URI below which a logged model's files are."""
        if model_id not in self._model_uris:
            self._model_uris[model_id] = self._client.get_logged_model(model_id).artifact_location
        return self._model_uris[model_id]

    def know_model(self, model_id: str, root: str) -> None:
        """Take a model for whole whose files this command has just uploaded to `root`."""
        self._model_uris[model_id] = root
        if not is_local(root):
            self._whole_models.add(model_id)

    def digest(self, artifact: Artifact[Any], run_id: str) -> str:
        """Return the recorded sha256 of the run's artifact; empty if not written."""
        return str(self._manifest(run_id)["files"].get(artifact.name, ""))

    def has(self, artifact: Artifact[Any], run_id: str) -> bool:
        """Whether the run wrote the artifact.

        Raises
        ------
        UnavailableError : its manifest cannot be read.
        """
        return artifact.name in self._manifest(run_id)["files"]

    def faults(self, run_id: str) -> list[str]:
        """Return the faults of the run's artifacts and logged models."""
        try:
            manifest = self._manifest(run_id)
            for name, state in self.folders.states(self.root(run_id), manifest["files"]).items():
                if state:
                    raise _broken(name, run_id, state)
        except UnavailableError as error:
            return [error.sentence]
        return [fault for model_id, digests in manifest["models"].items() for fault in self._model_faults(model_id, digests)]

    def model_digests(self, model_id: str, run_id: str) -> dict[str, str]:
        """Return the recorded sha256 of each file of the run's logged model.

        Keys are relative paths; empty for another model.
        """
        return dict(self._manifest(run_id)["models"].get(model_id, {}))

    def require_model(self, model_id: str, run_id: str) -> None:
        """Raise UnavailableError if a logged model is missing, truncated or changed."""
        digests = self._manifest(run_id)["models"].get(model_id)
        faults = self._model_faults(model_id, digests) if digests else []
        if faults or not digests:
            raise _not_whole(run_id, model_id, faults)

    def describe_model(self, model_id: str, run_id: str) -> Model:
        """Return the description (MLmodel) of a logged model of the run.

        Raises
        ------
        UnavailableError : it is missing, truncated or changed.
        """
        with self._whole_model(model_id, run_id, names=("MLmodel",)) as folder:
            return Model.load(str(folder))

    def load_model(self, model_id: str, run_id: str) -> Any:
        """Return a logged model of the run after a check of all its files.

        Raises
        ------
        UnavailableError : a file is missing, truncated or changed, or the model must not be read.
        """
        with self._whole_model(model_id, run_id) as folder:
            return read_model(folder, self.trusted, name=f"The model {model_id}")

    def copy_model(self, model_id: str, run_id: str, folder: Path) -> None:
        """Copy a logged model of the run to `folder` without reading it.

        Raises
        ------
        UnavailableError : as `require_model`.
        """
        with self._whole_model(model_id, run_id) as whole:
            for name in self.model_digests(model_id, run_id):  # others may have put files beside them
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(whole / name, folder / name)

    @contextmanager
    def _whole_model(self, model_id: str, run_id: str, names: Collection[str] = ()) -> Iterator[Path]:
        """Yield the folder of a logged model whose files are as the run wrote them.

        The files compared are the files yielded: all, or these `names`.
        """
        digests = self._manifest(run_id)["models"].get(model_id, {})
        digests = {name: digest for name, digest in digests.items() if not names or name in names}
        with ExitStack() as stack:
            uri = ""
            try:
                uri = self.model_root(model_id)
                folder = stack.enter_context(self.folders.files(uri, digests))
            except (MlflowException, OSError) as error:
                self._whole_models.discard(model_id)  # it was when it was compared last
                self.require_model(model_id, run_id)  # it says what is missing
                require_answer(error, self._client.tracking_uri, uri)
                raise
            states = {name: state_of(folder / name, digest) for name, digest in digests.items()}
            faults = [_model_fault(model_id, name, state) for name, state in states.items() if state]
            if faults or not digests:
                raise _not_whole(run_id, model_id, faults)
            yield folder

    def _manifest(self, run_id: str) -> dict[str, Any]:
        if run_id not in self._manifests:
            noted = self._noted_digest(run_id)
            if noted == NO_RESULTS:
                return {"files": {}, "models": {}}
            with self._file(MANIFEST, run_id, noted) as path:
                manifest = read_manifest(path)
                if manifest is None:
                    raise _broken(MANIFEST, run_id, UNREADABLE)
                is_changed = bool(noted) and file_digest(path) != noted
            if manifest.get("format", 1) > FORMAT:
                raise UnavailableError(
                    f"Run {run_id} has artifacts of format {manifest['format']}; this recipeline reads up to {FORMAT}.",
                    fix="Upgrade recipeline to the version that wrote them, or a later one.",
                )
            if is_changed:
                raise _broken(MANIFEST, run_id, CHANGED)
            self._manifests[run_id] = manifest
        return self._manifests[run_id]

    def _views(self, run_id: str) -> dict[str, str]:
        """Return the digests of the run's card and plots by name, as far as it noted them."""
        manifest = self._manifest(run_id)
        if not manifest.get("views"):
            manifest["views"] = read_late_views(self.folders, self.root(run_id))
        return dict(manifest["views"])

    def _noted_digest(self, run_id: str) -> str:
        """Return the sha256 of a run's manifest; empty for a run of 0.2.0 or earlier."""
        try:
            return str(self.runs.get(run_id).data.tags.get(RunTags.MANIFEST_DIGEST, ""))
        except MlflowException as error:
            require_answer(error, self._client.tracking_uri)
            raise UnavailableError(f"There is no run '{run_id}' in the store.", fix="See `mlflow ui` for the runs.") from None

    @contextmanager
    def _whole(self, name: str, run_id: str, digest: str = "") -> Iterator[Path]:
        digest = digest or self._manifest(run_id)["files"].get(name, "")
        if not digest:
            raise _broken(name, run_id, MISSING)
        with self._file(name, run_id, digest) as path:
            if file_digest(path) != digest:
                raise _broken(name, run_id, CHANGED)
            yield path

    @contextmanager
    def _file(self, name: str, run_id: str, digest: str) -> Iterator[Path]:
        uri = ""
        with ExitStack() as stack:
            try:
                uri = self.root(run_id)
                path = stack.enter_context(self.folders.file(uri, name, digest))
            except (MlflowException, OSError) as error:
                require_answer(error, self._client.tracking_uri, uri)
                raise _broken(name, run_id, MISSING) from None
            yield path

    def _model_faults(self, model_id: str, digests: dict[str, str]) -> list[str]:
        if model_id in self._whole_models:
            return []
        try:
            uri = self.model_root(model_id)
        except MlflowException as error:
            require_answer(error, self._client.tracking_uri)
            return [f"The logged model {model_id} {MISSING}."]
        states = self.folders.states(uri, digests)
        faults = [_model_fault(model_id, name, state) for name, state in states.items() if state]
        if not faults and not is_local(uri):
            self._whole_models.add(model_id)  # for this command
        return faults


def _model_fault(model_id: str, name: str, state: str) -> str:
    return f"The file {name} of the logged model {model_id} {state}."


def _not_whole(run_id: str, model_id: str, faults: list[str]) -> UnavailableError:
    problem = faults[0] if faults else f"Run {run_id} did not log {model_id}."
    return UnavailableError(problem, fix="Train the candidates again.")


def _broken(name: str, run_id: str, state: str) -> UnavailableError:
    return UnavailableError(
        f"The artifact {name} of run {run_id} {state}.",
        fix="Run the step that writes it again.",
    )
