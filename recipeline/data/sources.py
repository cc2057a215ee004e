"""Where the rows come from: the recipe's download or loader, its synthetic sample, a path, or a URI.

Every source ends as bytes with a digest, read once: what was hashed is what is parsed.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from recipeline.config.import_path import import_object
from recipeline.config.recipe import Recipe
from recipeline.config.table import SYNTHETIC, Download
from recipeline.data.uris import NoConnectionError, copy_uri, fetch, local_path, redact, within
from recipeline.errors import DataError, UsageError, missing_file, require_there

#: A download gets this many seconds in all, attempts, redirects and name look-up included.
DOWNLOAD_SECONDS = 10.0


@dataclass(frozen=True)
class Source:
    """The table's bytes and where they are from, without credentials.

    `kind` is the `data_source` tag: the name of the recipe's download, `file` or `synthetic`. `notice` says in plain words
    what a user must know about the choice; empty where there is nothing to say.
    """

    kind: str
    origin: str
    content: bytes
    notice: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "origin", redact(self.origin))

    @property
    def sha256(self) -> str:
        """The digest of the bytes, in hex."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def is_synthetic(self) -> bool:
        """Whether the rows were made up."""
        return self.kind == SYNTHETIC


def read_source(data: str, recipe: Recipe, *, folder: Path, cache: Path) -> Source:
    """Return the bytes that `data` names.

    Parameters
    ----------
    data : auto, synthetic, the name of the recipe's download, a path relative to `folder`, or a URI.
    cache : the folder of finished downloads, shared by all checkouts.

    Raises
    ------
    DataError : no such file, a directory, or a download with the wrong digest.
    UnavailableError : the server cannot be reached or says no.
    UsageError : the recipe has no such source.
    """
    download = recipe.data.download
    if data == "auto":
        return _automatic(recipe, cache)
    if data == SYNTHETIC:
        return _synthetic(recipe)
    if download and data == download.name:
        return Source(download.name, download.url, fetch_download(download, cache))
    path = local_path(data, folder)
    if path is None:
        return Source("file", data, _fetch_uri(data))
    return Source("file", str(path), _read_file(path))


def is_named(data: str, recipe: Recipe) -> bool:
    """Whether `data` is the name of one of the recipe's sources; else it is a path or a URI."""
    download = recipe.data.download
    return data in ("auto", SYNTHETIC, download.name if download else "")


def check_source(data: str, recipe: Recipe, *, folder: Path) -> None:
    """Raise DataError where `data` is a path that does not exist; nothing is read."""
    if not is_named(data, recipe):
        path = local_path(data, folder)
        if path is not None:
            require_there(path)


def _automatic(recipe: Recipe, cache: Path) -> Source:
    """Return the recipe's own rows; the synthetic sample only where there is a download and no connection."""
    data = recipe.data
    if data.loader:
        return Source("file", data.loader.path, _call(data.loader.path, data.loader.params, recipe.at("data.loader.path")))
    if data.download:
        try:
            return Source(data.download.name, data.download.url, fetch_download(data.download, cache))
        except NoConnectionError as error:
            if data.synthetic is None:
                raise
            source = _synthetic(recipe)
            host = urlsplit(redact(data.download.url)).netloc.rpartition("@")[2]
            notice = (
                f"No connection to {host} ({error.reason}): these are SYNTHETIC rows, made up to look like the real "
                "ones. No score on them says anything about real ones. Name a file with data=PATH to use real rows."
            )
            return Source(source.kind, source.origin, source.content, notice)
    if data.synthetic:
        return _synthetic(recipe)
    raise UsageError(
        "data=auto needs a data.download, data.loader or data.synthetic in the recipe.",
        got="none of them",
        fix="Add one, or name a file with data=PATH.",
    )


def _synthetic(recipe: Recipe) -> Source:
    if recipe.data.synthetic is None:
        raise UsageError(
            "data=synthetic needs data.synthetic in the recipe.",
            got="none",
            fix="Name the function that draws the rows, or a file with data=PATH.",
        )
    content = _call(recipe.data.synthetic, {"random_state": recipe.random_state}, recipe.at("data.synthetic"))
    return Source(SYNTHETIC, recipe.data.synthetic, content, "These are SYNTHETIC rows, as asked for: made up, not measured.")


def _call(path: str, params: dict[str, Any], where: str) -> bytes:
    """Return the table that the function at `path` makes, as CSV bytes; `where` is how a sentence about it begins."""
    try:
        table = import_object(path, where=where)(**params)
    except TypeError as error:
        raise UsageError(
            f"{where} must take the parameters that the recipe gives.",
            got=f"'{error}'",
            fix=f"See the parameters of {path}.",
        ) from None
    table = getattr(table, "frame", table)  # scikit-learn's loaders return a Bunch
    content: bytes = table.to_csv(index=False).encode()
    return content


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise missing_file(path) from None
    except IsADirectoryError:
        raise DataError("data must be a file.", got=f"the directory '{path}'", fix="Name the file in it.") from None
    except OSError as error:
        raise DataError(
            "data must be a readable file.",
            got=f"'{path}' ({error.strerror})",
            fix="Check the file and its permissions.",
        ) from None


def _fetch_uri(uri: str) -> bytes:
    """Return the bytes at a URI that requests, MLflow or pandas can read."""
    with tempfile.TemporaryDirectory() as folder:
        path = copy_uri(uri, Path(folder))
        if path.is_dir():
            raise DataError("data must be a file.", got=f"the folder '{redact(uri)}'", fix="Name the file in it.")
        return path.read_bytes()


def fetch_download(download: Download, cache: Path, *, seconds: float = DOWNLOAD_SECONDS) -> bytes:
    """Return the bytes of the download, from `cache` where they are there and whole, else from the network.

    A cached file that does not match the digest is never used: it is fetched again. What arrives is checked, then moved into
    the cache in one step; a cache that cannot be written is no failure.

    Raises
    ------
    DataError : the server's file does not match the pinned digest.
    NoConnectionError : no answer within `seconds` in all.
    UnavailableError : the server says no.
    """
    path = cache / f"{download.sha256}{Path(urlsplit(redact(download.url)).path).suffix}"
    try:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() == download.sha256:
            return content
    except OSError:
        pass
    body = io.BytesIO()
    within(seconds, lambda deadline: fetch(download.url, deadline, body))
    content = body.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    if digest != download.sha256:
        raise DataError(
            f"{redact(download.url)} must have the sha256 {download.sha256} that the recipe pins.",
            got=digest,
            fix="Something on the way changed the file, or it was published anew: "
            "get it another way and name it with data=PATH.",
        )
    _write_whole(path, content)
    return content


def _write_whole(path: Path, content: bytes) -> None:
    """Write `path` so that it is there whole or not at all; without a word where the cache is not writable."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
