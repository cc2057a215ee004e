"""Artifacts written, read and checked against the run's manifest."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from recipeline.artifacts import Artifact, T, read_json, write_json
from recipeline.errors import UnavailableError
from recipeline.inference.trust import read_model
from recipeline.records import RecordError
from recipeline.tracking.artifact_folders import file_digest, local_copy, require_answer

MANIFEST = "manifest.json"

#: The format of a run's artifacts, one number for all of them. It grows where a reader of the one before would misread a file;
#: a key that is added needs none. Every released format is read: `tests/stores/`.
FORMAT = 1

#: States of a file that is not intact, as predicates of a sentence.
MISSING, CHANGED, UNREADABLE = "is missing", "has changed or is truncated", "cannot be read"


class Writer:
    """A writer of one run's artifacts; `close` writes their manifest."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client, self._run_id = client, run_id
        self._files: dict[str, str] = {}
        self._models: dict[str, dict[str, str]] = {}

    def save(self, artifact: Artifact[T], value: T) -> str:
        """Write `value` as `artifact` of the run; return the sha256 of the file."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / Path(artifact.name).name
            artifact.write(value, path)
            digest = file_digest(path)
            if artifact.is_result:
                self._files[artifact.name] = digest
            self._client.log_artifact(self._run_id, str(path), str(Path(artifact.name).parent).strip("."))
            return digest

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the artifacts so far, cards and plots left out."""
        return tuple(self._files)

    def add_model(self, model_id: str, digests: dict[str, str]) -> None:
        """Record the digests of a logged model's files, for readers of the run."""
        self._models[model_id] = digests

    def close(self) -> None:
        """Write the manifest: from now on the run's artifacts count."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / MANIFEST
            write_json({"format": FORMAT, "files": self._files, "models": self._models}, path)
            self._client.log_artifact(self._run_id, str(path))


class Reader:
    """A reader of finished runs' artifacts and models, checked by manifests.

    `trusted` are further types that a model may be made of.
    """

    def __init__(self, client: MlflowClient, trusted: Collection[str] = ()) -> None:
        self._client, self.trusted = client, trusted
        self._manifests: dict[str, dict[str, Any]] = {}
        self._uris: dict[str, str] = {}

    def load(self, artifact: Artifact[T], run_id: str) -> T:
        """Return the artifact of the run.

        Raises
        ------
        UnavailableError : it is missing, cut off or changed, or no record as this version reads it.
        """
        with self._whole(artifact.name, run_id) as path:
            try:
                return artifact.read(path)
            except RecordError as error:
                raise UnavailableError(
                    f"The artifact {artifact.name} of run {run_id} cannot be read. {error}",
                    fix="Run the step that writes it again.",
                ) from None

    def copy(self, artifact: Artifact[Any], run_id: str, folder: Path) -> None:
        """Copy the artifact's file into `folder` without reading it.

        Raises
        ------
        UnavailableError : as `load`.
        """
        with self._whole(artifact.name, run_id) as path:
            shutil.copyfile(path, folder / path.name)

    def root(self, run_id: str) -> str:
        """Return the URI below which the run's artifacts are."""
        if run_id not in self._uris:
            self._uris[run_id] = self._client.get_run(run_id).info.artifact_uri
        return self._uris[run_id]

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
        faults = []
        try:
            manifest = self._manifest(run_id)
            for name in manifest["files"]:
                with self._whole(name, run_id):
                    pass
        except UnavailableError as error:
            return [error.sentence]
        for model_id, digests in manifest["models"].items():
            faults += self._model_faults(model_id, digests)
        return faults

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
            shutil.copytree(whole, folder)

    @contextmanager
    def _whole_model(self, model_id: str, run_id: str) -> Iterator[Path]:
        """Yield the folder of a logged model whose files are as the run wrote them.

        The files compared are the files yielded.
        """
        digests = self._manifest(run_id)["models"].get(model_id, {})
        with ExitStack() as stack:
            uri = ""
            try:
                uri = self._client.get_logged_model(model_id).artifact_location
                folder = stack.enter_context(local_copy(uri, "", self._client.tracking_uri))
            except (MlflowException, OSError) as error:
                self.require_model(model_id, run_id)  # it says what is missing
                require_answer(error, self._client.tracking_uri, uri)
                raise
            faults = [
                _model_fault(model_id, name, state) for name in digests if (state := _state(folder / name, digests[name]))
            ]
            if faults or not digests:
                raise _not_whole(run_id, model_id, faults)
            yield folder

    def _manifest(self, run_id: str) -> dict[str, Any]:
        if run_id not in self._manifests:
            with self._file(MANIFEST, run_id) as path:
                try:
                    manifest = read_json(path)
                    is_newer = manifest.get("format", 1) > FORMAT
                except (ValueError, AttributeError, TypeError):
                    raise _broken(MANIFEST, run_id, UNREADABLE) from None
            if is_newer:
                raise UnavailableError(
                    f"Run {run_id} has artifacts of format {manifest['format']}; this recipeline reads up to {FORMAT}.",
                    fix="Upgrade recipeline to the version that wrote them, or a later one.",
                )
            self._manifests[run_id] = manifest
        return self._manifests[run_id]

    @contextmanager
    def _whole(self, name: str, run_id: str) -> Iterator[Path]:
        digests = self._manifest(run_id)["files"]
        if name not in digests:
            raise _broken(name, run_id, MISSING)
        with self._file(name, run_id) as path:
            if file_digest(path) != digests[name]:
                raise _broken(name, run_id, CHANGED)
            yield path

    @contextmanager
    def _file(self, name: str, run_id: str) -> Iterator[Path]:
        with ExitStack() as stack:
            try:
                path = stack.enter_context(local_copy(self.root(run_id), name, self._client.tracking_uri))
            except (MlflowException, OSError) as error:
                require_answer(error, self._client.tracking_uri, self._uris.get(run_id, ""))
                raise _broken(name, run_id, MISSING) from None
            yield path

    def _model_faults(self, model_id: str, digests: dict[str, str]) -> list[str]:
        try:
            uri = self._client.get_logged_model(model_id).artifact_location
        except MlflowException as error:
            require_answer(error, self._client.tracking_uri)
            return [f"The logged model {model_id} {MISSING}."]
        states = {name: self._fetched_state(uri, name, digest) for name, digest in digests.items()}
        return [_model_fault(model_id, name, state) for name, state in states.items() if state]

    def _fetched_state(self, uri: str, name: str, digest: str) -> str:
        try:
            with local_copy(uri, name, self._client.tracking_uri) as path:
                return _state(path, digest)
        except (MlflowException, OSError) as error:
            require_answer(error, self._client.tracking_uri, uri)
            return MISSING


class KeptReader:
    """A `Reader` with a cache: each artifact is read once and must not be changed."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._kept: dict[tuple[str, str], Any] = {}

    def load(self, artifact: Artifact[T], run_id: str) -> T:
        """Return the artifact of the run. Raises UnavailableError as `Reader.load` does."""
        key = artifact.name, run_id
        if key not in self._kept:
            self._kept[key] = self._reader.load(artifact, run_id)
        found: T = self._kept[key]
        return found


def _state(path: Path, digest: str) -> str:
    """Return the state of a file against its digest; empty if it is intact."""
    if not path.is_file():
        return MISSING
    return "" if file_digest(path) == digest else CHANGED


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
