"""Object stores and folders behind one interface: pyarrow's own clients.

They need no extra, and know credentials from the environment only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipeline.data.origin.paths import local_path, split_uri
from recipeline.data.origin.uris import redact
from recipeline.errors import UsageError
from recipeline.escape import is_remote

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

#: The schemes of object stores that can be opened.
SCHEMES = ("s3", "gs", "az")

#: A store that does not take a connection in this time, or is silent for so long, is away.
CONNECT_SECONDS, SILENT_SECONDS = 5.0, 20.0

#: Where variables name the endpoint of S3, the first one that is set. MLflow's client reads the first, Amazon's the others.
_ENDPOINTS = ("MLFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")

_AZURE_ACCOUNTS = ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT")
_AZURE_KEYS = ("AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_KEY")


def open_filesystem(place: str, environment: Mapping[str, str] = os.environ, *, attempts: int = 3) -> tuple[FileSystem, str]:
    """Return the file system of a URI or a local path, and the path in it.

    Nothing is asked yet, except for the region of a bucket of Amazon's where no variable names it. A request is tried
    `attempts` times.

    Raises
    ------
    UsageError : the scheme is none of SCHEMES, or the environment does not name what is needed.
    OSError : the region of a bucket cannot be asked for.
    """
    from pyarrow import fs

    if not is_remote(place):
        return fs.LocalFileSystem(), resolve_place(place, Path.cwd())
    scheme, _, path = place.partition("://")
    scheme, path = scheme.lower(), path.rstrip("/")
    if scheme == "s3":
        return fs.S3FileSystem(**_s3_options(path.partition("/")[0], environment, attempts)), path
    if scheme == "gs":
        # Its own limit is a quarter of an hour.
        return fs.GcsFileSystem(retry_time_limit=timedelta(seconds=attempts * SILENT_SECONDS)), path
    if scheme == "az":
        account = _first(environment, _AZURE_ACCOUNTS)
        if not account:
            raise UsageError(
                "The Azure storage account is not known.",
                fix=f"Set {_AZURE_ACCOUNTS[0]} in the environment, and its key or login.",
            )
        return fs.AzureFileSystem(account, account_key=_first(environment, _AZURE_KEYS) or None), path
    raise UsageError(
        f"The URI must begin with {', '.join(f'{it}://' for it in SCHEMES)} or be a folder.",
        got=f"'{scheme}:'",
        fix="Correct it.",
    )


def resolve_place(place: str, folder: Path) -> str:
    """Return a URI as it is, and the path of a folder, a relative one in `folder`."""
    found = local_path(place, folder)
    return place if found is None else str(found)


def _s3_options(bucket: str, environment: Mapping[str, str], attempts: int) -> dict[str, Any]:
    from pyarrow import fs

    named = _first(environment, _ENDPOINTS)
    endpoint = split_uri(named)
    if named and not (endpoint.scheme in ("http", "https") and endpoint.netloc):  # keys and rows would go to Amazon
        raise UsageError(
            f"{' or '.join(_ENDPOINTS)} must be http://host:port or https://host:port.",
            got=f"'{redact(named)}'",
            fix="Correct it in the environment.",
        )
    region = _first(environment, ("AWS_REGION", "AWS_DEFAULT_REGION"))
    options: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "request_timeout": SILENT_SECONDS,
        "allow_delayed_open": True,  # a small object is one request
        "retry_strategy": fs.AwsStandardS3RetryStrategy(max_attempts=attempts),
    }
    if endpoint.netloc:
        # An endpoint of one's own has any region, and no bucket in its name.
        options |= {"endpoint_override": endpoint.netloc, "scheme": endpoint.scheme, "region": region or "us-east-1"}
    else:
        options["region"] = region or fs.resolve_s3_region(bucket)
    return options


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> str:
    """Return the value of the first variable that is set, "" if none is."""
    return next((found for name in names if (found := environment.get(name, ""))), "")
