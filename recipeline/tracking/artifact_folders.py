"""Artifact folders, on this machine or elsewhere: paths, digests, local copies."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import mlflow.artifacts
import requests
from mlflow.exceptions import MlflowException

from recipeline.data.uris import scrub
from recipeline.errors import causes
from recipeline.tracking._compat import NOTHING_THERE, as_path, is_local
from recipeline.tracking.failures import is_missing, unwritable


def file_digest(path: Path) -> str:
    """Return the sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digests(uri: str, tracking_uri: str) -> dict[str, str]:
    """Return the sha256 of each file below the artifact URI, by relative path, sorted."""
    with local_copy(uri, "", tracking_uri) as folder:
        return {str(path.relative_to(folder)): file_digest(path) for path in sorted(folder.rglob("*")) if path.is_file()}


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


@contextmanager
def local_copy(uri: str, name: str, tracking_uri: str) -> Iterator[Path]:
    """Yield the local path of the file `name` at an artifact URI.

    It is copied for the block if it is elsewhere.

    Raises
    ------
    FileNotFoundError, MlflowException : there is none, or it cannot be downloaded.
    """
    if is_local(uri):
        path = as_path(uri) / name
        path.stat()
        yield path
    else:
        address = f"{uri.rstrip('/')}/{name}"
        with tempfile.TemporaryDirectory() as folder:
            try:
                copy = mlflow.artifacts.download_artifacts(artifact_uri=address, dst_path=folder, tracking_uri=tracking_uri)
            except (MlflowException, OSError):
                raise
            except Exception as error:  # of as many clients as there are kinds of storage
                raise MlflowException(f"{type(error).__name__}: {error}") from error
            yield Path(copy)


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
