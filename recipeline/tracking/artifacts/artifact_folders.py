"""Artifact folders, on this machine or elsewhere: paths, digests, local copies."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

import requests
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from recipeline.data.origin.uris import scrub
from recipeline.errors import causes
from recipeline.tracking._compat import NOTHING_THERE, as_path, download_file, is_local
from recipeline.tracking.artifacts.artifact_cache import ArtifactCache, file_digest
from recipeline.tracking.connection.failures import is_missing, unwritable

#: States of a file that is not intact, as predicates of a sentence.
MISSING, CHANGED, UNREADABLE = "is missing", "has changed or is truncated", "cannot be read"


def state_of(path: Path, digest: str) -> str:
    """Return the state of a file against its sha256; empty if it is intact."""
    if not path.is_file():
        return MISSING
    return "" if file_digest(path) == digest else CHANGED


def way_to(here: str, there: str, name: str) -> str:
    """Return the relative path from an artifact folder to a file in another.

    Both are artifact URIs; "" unless both are on this machine.
    """
    if not (is_local(here) and is_local(there)):
        return ""
    return quote(os.path.relpath(as_path(there) / name, as_path(here)))


def place_of(uri: str, name: str) -> str:
    """Return the path or URI of the file `name` in an artifact folder."""
    return str(as_path(uri) / name) if is_local(uri) else f"{uri}/{name}"


class Kept:
    """A file that is there for as long as this object is."""

    def __init__(self, stack: ExitStack) -> None:
        self._close = weakref.finalize(self, stack.close)


class ArtifactFolders:
    """Artifact folders by URI; files of other machines are downloaded or cached."""

    def __init__(self, tracking_uri: str, cache: ArtifactCache | None = None) -> None:
        self.tracking_uri, self.cache = tracking_uri, cache
        self._repositories: dict[str, ArtifactRepository] = {}

    @contextmanager
    def file(self, uri: str, name: str, digest: str = "") -> Iterator[Path]:
        """Yield the path of the file `name` in a folder, on this machine.

        One of another machine is copied for the block: from the cache, where a file of that sha256 is, or by a download, whose
        digest the caller checks.

        Raises
        ------
        FileNotFoundError, MlflowException : there is none, or it cannot be downloaded.
        """
        if is_local(uri):
            path = as_path(uri) / name
            path.stat()
            yield path
        else:
            with tempfile.TemporaryDirectory() as folder:
                self._fetch(uri, name, Path(folder) / name, digest)
                yield Path(folder) / name

    @contextmanager
    def files(self, uri: str, digests: Mapping[str, str]) -> Iterator[Path]:
        """Yield a folder with files of a folder, by relative path, as `file` does."""
        if is_local(uri):
            as_path(uri).stat()
            yield as_path(uri)
        else:
            with tempfile.TemporaryDirectory() as folder:
                for name, digest in digests.items():
                    self._fetch(uri, name, Path(folder) / name, digest)
                yield Path(folder)

    def _fetch(self, uri: str, name: str, target: Path, digest: str) -> None:
        if self.cache and self.cache.copy_to(target, digest):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with _as_mlflow_errors():
            download_file(self._repository(uri), name, target)
        if self.cache and digest and file_digest(target) == digest:
            self.cache.add(target, digest)

    def states(self, uri: str, digests: Mapping[str, str]) -> dict[str, str]:
        """Return the state of each file of a folder, by its sha256; empty if intact.

        A cached file is not downloaded again: the store must have one of that name and size.

        Raises
        ------
        UnavailableError : the store does not answer.
        """
        cached = {} if is_local(uri) else {name: size for name, it in digests.items() if (size := self._cached_size(it)) >= 0}
        stored = self._list_sizes(uri, cached) if cached else {}
        found = {}
        for name, digest in digests.items():
            if name not in cached:
                found[name] = self._fetched_state(uri, name, digest)
            elif name not in stored:
                found[name] = MISSING
            else:
                found[name] = "" if stored[name] in (None, cached[name]) else CHANGED
        return found

    def _fetched_state(self, uri: str, name: str, digest: str) -> str:
        try:
            with self.file(uri, name, digest) as path:
                return state_of(path, digest)
        except (MlflowException, OSError) as error:
            require_answer(error, self.tracking_uri, uri)
            return MISSING

    def _list_sizes(self, uri: str, names: Iterable[str]) -> dict[str, int | None]:
        """Return the sizes of the files in the folders of `names`, by one request each.

        A size is None where the storage does not tell it.
        """
        found: dict[str, int | None] = {}
        try:
            with _as_mlflow_errors():
                for folder in dict.fromkeys(name.rpartition("/")[0] for name in names):
                    listed = self._repository(uri).list_artifacts(folder or None)
                    found |= {file.path: file.file_size for file in listed if not file.is_dir}
        except (MlflowException, OSError) as error:
            require_answer(error, self.tracking_uri, uri)
        return found

    def _cached_size(self, digest: str) -> int:
        """Return the size of the cached file of that sha256; -1 without one."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "file"
            return copy.stat().st_size if self.cache and self.cache.copy_to(copy, digest) else -1

    def upload(self, uri: str, path: Path, folder: str = "", *, digest: str = "") -> None:
        """Upload a file into a `folder` of an artifact folder.

        It is kept in the cache if its `digest` is given.
        """
        self._repository(uri).log_artifact(str(path), folder or None)
        if self.cache and digest and not is_local(uri):
            self.cache.add(path, digest, own=True)

    def _repository(self, uri: str) -> ArtifactRepository:
        if uri not in self._repositories:
            self._repositories[uri] = get_artifact_repository(uri, tracking_uri=self.tracking_uri)
        return self._repositories[uri]


@contextmanager
def _as_mlflow_errors() -> Iterator[None]:
    try:
        yield
    except (MlflowException, OSError):
        raise
    except Exception as error:  # of as many clients as there are kinds of storage
        raise MlflowException(f"{type(error).__name__}: {error}") from error


def require_answer(error: Exception, tracking_uri: str, place: str = "") -> None:
    """Raise UnavailableError unless `error` says that the object does not exist.

    No answer, or an incomplete one, does not mean that. `place` is the URI of the artifacts, whose secrets are removed.
    """
    is_answer = (
        isinstance(error, FileNotFoundError | NotADirectoryError)
        or (isinstance(error, MlflowException) and is_missing(error))
        or any(_is_not_found(cause) for cause in causes(error))
        or any(word in str(error) for word in NOTHING_THERE)
    )
    if not is_answer:
        # MLflow's message on a download begins with addresses; the reason is at its end.
        raise unwritable(tracking_uri, " ".join(scrub(str(error), place).split())[-300:]) from None


def _is_not_found(error: BaseException) -> bool:
    return isinstance(error, requests.HTTPError) and error.response is not None and error.response.status_code == 404
