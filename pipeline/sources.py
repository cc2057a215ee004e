"""Where the rows come from: the recipe's download or loader, its synthetic sample, a path, or a URI.

Every source ends as bytes with a digest, read once: what was hashed is what is parsed.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

import requests

from pipeline.errors import DataError, UnavailableError, UsageError, guess
from pipeline.importing import import_object
from pipeline.recipe import SYNTHETIC, Download, Recipe

#: A download gets this many seconds in all, attempts, redirects and name look-up included.
DOWNLOAD_SECONDS = 10.0
#: And a file at a URI of the user's this many.
URI_SECONDS = 60.0
ATTEMPTS = 3
_REMOTE = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]+:/")
_USER = re.compile(r"^([^/]+://)[^/]*@")


@dataclass(frozen=True)
class Source:
    """The table's bytes and where they are from.

    `kind` is the `data_source` tag: the name of the recipe's download, `file` or `synthetic`. `notice` says in plain words
    what a user must know about the choice; empty where there is nothing to say.
    """

    kind: str
    origin: str
    content: bytes
    notice: str = ""

    @property
    def sha256(self) -> str:
        """The digest of the bytes, in hex."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def is_synthetic(self) -> bool:
        """Whether the rows were made up."""
        return self.kind == SYNTHETIC


class NoConnectionError(UnavailableError):
    """The server could not be reached at all, or not in time; `reason` says why in a few words."""

    def __init__(self, reason: str, url: str = "", parameter: str = "data") -> None:
        self.reason = reason
        super().__init__(
            f"{redact(url) or 'The download'} must be reachable.",
            got=f"no connection ({reason})",
            fix=f"Check the network, or name a file with {parameter}=PATH.",
        )


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
        return Source("file", redact(data), _fetch_uri(data))
    return Source("file", str(path), _read_file(path))


def local_path(data: str, folder: Path) -> Path | None:
    """Return the path that `data` names, a relative one in `folder`; None where it is a URI of another place."""
    if data.startswith("file:"):
        return Path(unquote(urlsplit(data).path))
    return None if _REMOTE.match(data) else folder / _expand_user(Path(data))


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
            host = urlsplit(data.download.url).netloc
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


def _expand_user(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # there is no such user, and so no such file
        return path


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(
            "data must be an existing file, a URI, auto or synthetic.",
            got=f"'{path}', which does not exist,",
            fix=f"{guess(path.name, ('auto', SYNTHETIC))}Correct the path; give an absolute one where in doubt.",
        ) from None
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
        return copy_uri(uri, Path(folder)).read_bytes()


def copy_uri(uri: str, folder: Path, *, parameter: str = "data", seconds: float = 0.0) -> Path:
    """Fetch what is at a URI that requests, MLflow or pandas can read into `folder`; return its path.

    Raises
    ------
    UnavailableError : it cannot be reached, or not within `seconds` (0: a minute). The sentence names the `parameter`.
    """
    path = folder / "fetched"
    if uri.lower().startswith(("http://", "https://")):
        with path.open("wb") as file:
            _within(seconds or URI_SECONDS, lambda deadline: _get(uri, deadline, file, parameter), parameter)
        return path
    try:
        import mlflow.artifacts
        from mlflow.exceptions import MlflowException

        try:
            return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder)))
        except MlflowException as error:
            if "Could not find a registered artifact repository" not in str(error):
                raise
            from pandas.io.common import get_handle  # type: ignore[import-not-found]

            with get_handle(uri, "rb", is_text=False) as handle, path.open("wb") as file:
                shutil.copyfileobj(handle.handle, file)
            return path
    except Exception as error:  # any of a dozen storage clients'
        raise UnavailableError(
            f"{parameter} must be a URI that MLflow or pandas can read.",
            got=f"'{redact(uri)}' ({' '.join(str(error).split())[:200]})",
            fix="Check the address, the credentials and the network.",
        ) from None


def redact(uri: str) -> str:
    """Return `uri` without its user, password, query and fragment, which may hold credentials; a path as it is."""
    if "://" not in uri:
        return uri
    return _USER.sub(r"\1***@", re.split("[?#]", uri, maxsplit=1)[0])


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
    path = cache / f"{download.sha256}{Path(urlsplit(download.url).path).suffix}"
    try:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() == download.sha256:
            return content
    except OSError:
        pass
    body = io.BytesIO()
    _within(seconds, lambda deadline: _get(download.url, deadline, body))
    content = body.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    if digest != download.sha256:
        raise DataError(
            f"{download.url} must have the sha256 {download.sha256} that the recipe pins.",
            got=digest,
            fix="Something on the way changed the file, or it was published anew: "
            "get it another way and name it with data=PATH.",
        )
    _write_whole(path, content)
    return content


def _within(seconds: float, work: Callable[[float], None], parameter: str = "data") -> None:
    """Do `work`, given up on after `seconds`: a name look-up has no time limit of its own."""
    result: list[BaseException | None] = []

    def call() -> None:
        try:
            work(time.monotonic() + seconds)
            result.append(None)
        except BaseException as error:  # raised again in the caller's thread
            result.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    if not result:
        raise NoConnectionError(f"no answer within {seconds:g} s", parameter=parameter)
    if result[0] is not None:
        raise result[0]


def _get(url: str, deadline: float, body: BinaryIO, parameter: str = "data") -> None:
    """Write the body at `url` into `body`, in a few attempts that all end by `deadline` (of the monotonic clock)."""
    reason = ""
    for attempt in range(ATTEMPTS):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        if attempt:
            time.sleep(min(0.2 * 2**attempt, left))
        try:
            return _get_once(url, deadline, body, parameter)
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            reason = _reason(error)
        except requests.RequestException as error:  # an address that is none, redirects without end, a garbled body
            raise UnavailableError(
                f"{redact(url)} must answer with the file.",
                got=f"an address or answer that cannot be read ({type(error).__name__})",
                fix=f"Correct the address, or name a file with {parameter}=PATH.",
            ) from None
    raise NoConnectionError(reason or "no answer in time", url, parameter)


def _get_once(url: str, deadline: float, body: BinaryIO, parameter: str) -> None:
    body.seek(0)
    body.truncate()
    left = max(deadline - time.monotonic(), 0.1)
    with requests.get(url, stream=True, timeout=(min(left, 5), min(left, URI_SECONDS))) as response:
        if response.status_code >= 400:
            raise UnavailableError(
                f"{redact(url)} must answer with the file.",
                got=f"HTTP {response.status_code} ({response.reason})",
                fix=f"Try later, or name a file with {parameter}=PATH.",
            )
        for chunk in response.iter_content(1 << 16):
            if time.monotonic() > deadline:
                raise requests.Timeout("the body did not arrive in time")
            body.write(chunk)
        expected = response.headers.get("Content-Length")
        if expected and "Content-Encoding" not in response.headers and int(expected) != body.tell():
            raise requests.ConnectionError("the connection ended in the middle of the file")


def _reason(error: BaseException) -> str:
    text = str(error)
    for hint, reason in (
        ("resol", "the name cannot be resolved"),
        ("refused", "the connection was refused"),
        ("roxy", "the proxy does not let it through"),
        ("ertificate", "its certificate is not trusted"),
        ("imed out", "it timed out"),
        ("in time", "it timed out"),
    ):
        if hint in text:
            return reason
    return "the connection broke off"


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
