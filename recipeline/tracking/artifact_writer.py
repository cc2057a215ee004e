"""Artifacts of a run written, with the manifest that says what there is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from recipeline.artifacts import Artifact, Rows, T, read_json, write_json
from recipeline.tracking.artifacts.artifact_cache import file_digest
from recipeline.tracking.artifacts.artifact_folders import ArtifactFolders, require_answer

if TYPE_CHECKING:
    import pandas as pd

MANIFEST = "manifest.json"

#: Cards and plots that were saved when the manifest was written already, and their digests.
LATE_VIEWS = "views.json"

#: In the place of a manifest's digest, for a run without results.
NO_RESULTS = "none"

#: The format of a run's artifacts, one number for all of them. It grows where a reader of the one before would misread a file;
#: a key that is added needs none. Every released format is read: `tests/stores/`.
FORMAT = 1


def read_manifest(path: Path) -> Any:
    """Return the manifest in a file; None if it is none.

    Nor is what names a file outside of its folder. One of a later format is returned as it is.
    """
    try:
        read = read_json(path)
    except ValueError:
        return None
    return read if _is_manifest(read) else None


def _is_manifest(read: Any) -> bool:
    if not isinstance(read, dict) or not isinstance(read.get("format", 1), int):
        return False
    if read.get("format", 1) > FORMAT:
        return True
    models = read.get("models", {})
    tables = [read.get("files"), read.get("views", {}), *(models.values() if isinstance(models, dict) else [None])]
    # Names are followed when files are read and copied, and a manifest in another store may be of anybody.
    return all(isinstance(table, dict) and all(map(_is_inside, table)) for table in tables)


def read_late_views(folders: ArtifactFolders, root: str) -> dict[str, str]:
    """Return the digests by name that `Writer.close_views` wrote into a run's folder.

    Where it wrote none, or what is there is no such file: {}.

    Raises
    ------
    UnavailableError : the store does not answer.
    """
    try:
        with folders.file(root, LATE_VIEWS, "") as path:
            read = read_json(path)
    except ValueError:
        return {}
    except (MlflowException, OSError) as error:
        require_answer(error, folders.tracking_uri, root)
        return {}
    return read if isinstance(read, dict) and all(map(_is_inside, read)) else {}


def _is_inside(name: str) -> bool:
    """Whether a name leads to no other folder."""
    return "\\" not in name and not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts


class Writer:
    """A writer of one run's artifacts; `close` writes their manifest."""

    def __init__(self, client: MlflowClient, run_id: str, folders: ArtifactFolders | None = None, root: str = "") -> None:
        """Write into the artifact folder `root` of a run; empty: ask the store for it."""
        self._folders = folders or ArtifactFolders(client.tracking_uri)
        self._root = root or client.get_run(run_id).info.artifact_uri
        self._files: dict[str, str] = {}
        self._models: dict[str, dict[str, str]] = {}
        self._views: dict[str, str] = {}

    def save(self, artifact: Artifact[T], value: T) -> str:
        """Write `value` as `artifact` of the run; return the sha256 of the file."""
        return self._save(artifact, lambda path: artifact.write(value, path))

    def save_batches(self, artifact: Rows, frames: Iterable[pd.DataFrame]) -> str:
        """Write frames, one below the other, as `artifact`; return the sha256 of the file.

        Nothing is stored where making one of them fails.
        """
        return self._save(artifact, lambda path: artifact.write_batches(frames, path))

    def _save(self, artifact: Artifact[Any], write: Callable[[Path], None]) -> str:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / Path(artifact.name).name
            write(path)
            digest = file_digest(path)
            (self._files if artifact.is_result else self._views)[artifact.name] = digest
            within = str(Path(artifact.name).parent).strip(".")
            self._folders.upload(self._root, path, within, digest=digest)
            return digest

    def note(self, artifact: Artifact[T], value: T) -> None:
        """Note the digest of a card or a plot that is saved next."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / Path(artifact.name).name
            artifact.write(value, path)
            self._views[artifact.name] = file_digest(path)

    def put(self, name: str, path: Path, *, is_result: bool = True) -> None:
        """Upload a file as the artifact `name`, byte for byte.

        It is not kept in the cache of this machine, so that its readers get it from the store.
        """
        (self._files if is_result else self._views)[name] = file_digest(path)
        self._folders.upload(self._root, path, str(Path(name).parent).strip("."))

    def digest(self, artifact: Artifact[Any]) -> str:
        """Return the sha256 of an artifact that was written; empty of another one."""
        return self._files.get(artifact.name, "")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the artifacts so far, cards and plots left out."""
        return tuple(self._files)

    def add_model(self, model_id: str, digests: dict[str, str]) -> None:
        """Record the digests of a logged model's files, for readers of the run."""
        self._models[model_id] = digests

    def close(self) -> str:
        """Write the manifest, and return its sha256: from now on the artifacts count.

        A run without results has none: `NO_RESULTS` is returned.
        """
        if not self._files and not self._models:
            return NO_RESULTS
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / MANIFEST
            # Views are not among what makes a run whole; their digests let the next command take them from the cache.
            noted = {"format": FORMAT, "files": self._files, "models": self._models, "views": self._views}
            write_json(noted, path)
            digest = file_digest(path)
            self._folders.upload(self._root, path, digest=digest)
            return digest

    def close_views(self) -> None:
        """Write the names and digests of cards and plots, for a manifest without them."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / LATE_VIEWS
            write_json(self._views, path)
            self._folders.upload(self._root, path)
