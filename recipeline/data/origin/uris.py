"""Paths and URIs of any kind, fetched."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

import requests

from recipeline.data.origin.paths import split_uri
from recipeline.errors import UnavailableError, causes

#: And a file at a URI of the user's this many.
URI_SECONDS = 60.0

ATTEMPTS = 3

#: The schemes of artifacts that MLflow's documentation lists; plugins add to them.
MLFLOW_SCHEMES = frozenset(
    {"file", "s3", "r2", "b2", "gs", "wasbs", "abfss", "ftp", "sftp", "dbfs", "hdfs", "viewfs"}
    | {"runs", "models", "http", "https", "mlflow-artifacts"}
)

#: The scheme of a URI, its slashes, and the rest. Where they were forgotten, an @ tells that what is before may be a password.
_PARTS = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+:)(/+|(?=.*@))(.*)", re.DOTALL)

#: Beginnings of what may follow the path of a URI: parameters, query, fragment.
_MARKS = re.compile("[;?#]")

#: The schemes of places without a login: an @ or a ; in one is part of its name.
_OPEN_SCHEMES = frozenset({"file:", "models:", "runs:", "sqlite:"})


class NoConnectionError(UnavailableError):
    """The server could not be reached, or not in time; `reason` is short."""

    def __init__(self, reason: str, url: str = "", parameter: str = "data") -> None:
        self.reason = reason
        super().__init__(
            f"No connection to {redact(url) or 'the download'}: {reason}.",
            fix=f"Check the network, or name a file with {parameter}=PATH.",
        )


def copy_uri(uri: str, folder: Path, *, parameter: str = "data", seconds: float = 0.0) -> Path:
    """Download a URI of requests, MLflow or pandas into `folder`; return its path.

    Raises
    ------
    UnavailableError : it cannot be reached, or not within `seconds` (0: a minute). The message names the `parameter`.
    """
    path = folder / "fetched"
    if uri.lower().startswith(("http://", "https://")):
        with path.open("wb") as file:
            within(seconds or URI_SECONDS, lambda deadline: fetch(uri, deadline, file, parameter), parameter)
        return path
    try:
        import mlflow.artifacts
        from mlflow.exceptions import MlflowException

        try:
            return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder)))
        except MlflowException:
            if _is_known_to_mlflow(uri):
                raise
            from pandas.io.common import get_handle  # type: ignore[import-not-found]

            with get_handle(uri, "rb", is_text=False) as handle, path.open("wb") as file:
                shutil.copyfileobj(handle.handle, file)
            return path
    except Exception as error:  # any of a dozen storage clients'
        raise UnavailableError(
            f"{parameter} must be a URI that MLflow or pandas can read.",
            got=f"'{redact(uri)}' ({' '.join(scrub(str(error), uri).split())[:200]})",
            fix="Check the address, the credentials and the network.",
        ) from None


def _is_known_to_mlflow(uri: str) -> bool:
    """Whether MLflow or a plugin of it reads artifacts of this scheme.

    MLflow's error for another scheme has neither a type nor a code of its own.
    """
    scheme = split_uri(uri).scheme
    plugins = metadata.entry_points(group="mlflow.artifact_repository")
    return scheme in MLFLOW_SCHEMES or any(plugin.name == scheme for plugin in plugins)


def redact(uri: str) -> str:
    """Return `uri` without user, password, parameters, query and fragment.

    They may contain credentials; a path is unchanged. People type passwords unescaped: if it is ambiguous whether a mark
    belongs to the password or ends the path, only the scheme is kept.
    """
    found = _PARTS.fullmatch(uri)
    if not found:
        return uri
    scheme, slashes, rest = found.groups()
    if scheme.lower() in _OPEN_SCHEMES:
        return uri.partition("?")[0]
    before, at, after = rest.rpartition("@")
    authority = re.split("[/;?#]", rest, maxsplit=1)[0]
    if at and ({":", "@"} & {*authority} or scheme.lower() in ("http:", "https:")):
        rest = "***" if _MARKS.search(before) else f"***@{after}"
    return f"{scheme}{slashes}{_MARKS.split(rest, maxsplit=1)[0]}"


def scrub(text: str, uri: str) -> str:
    """Return a library's message on `uri` without the parts that `redact` removes.

    They are removed escaped or not.
    """
    found = _PARTS.fullmatch(uri)
    if not found or redact(uri) == uri:
        return text
    before, _, after = found[3].rpartition("@")
    marked = "".join(_MARKS.split(after, maxsplit=1)[1:])
    words = {uri, before, *re.findall(r"\w{3,}", f"{before} {marked} {unquote(before)} {unquote(marked)}")} - {""}
    return re.sub("|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)), "***", text)


def within(seconds: float, work: Callable[[float], None], parameter: str = "data") -> None:
    """Do `work` in a thread, abandoned after `seconds`.

    A name look-up has no time limit of its own.
    """
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


def fetch(url: str, deadline: float, body: BinaryIO, parameter: str = "data") -> None:
    """Write the body at `url` into `body`, in a few attempts until `deadline`.

    The deadline is of the monotonic clock.
    """
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


#: Why there is no connection, by the types of error that say so, the most telling first.
_REASONS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (socket.gaierror, "the name cannot be resolved"),
    (ConnectionRefusedError, "the connection was refused"),
    (requests.exceptions.ProxyError, "the proxy does not let it through"),
    (ssl.SSLCertVerificationError, "its certificate is not trusted"),
    ((requests.Timeout, TimeoutError), "it timed out"),
)


def _reason(error: BaseException) -> str:
    found = list(causes(error))
    for kinds, reason in _REASONS:
        if any(isinstance(cause, kinds) for cause in found):
            return reason
    return "the connection broke off"
