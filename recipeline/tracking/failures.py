"""What MLflow and SQLite raise, as one sentence."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import requests
import sqlalchemy.exc
from mlflow.exceptions import MlflowException

from recipeline.data.uris import redact
from recipeline.errors import UnavailableError

_UNAVAILABLE_CODES = {"TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "PERMISSION_DENIED", "UNAUTHENTICATED"}

#: How MLflow's client begins when a server did not answer, or not well.
_NO_ANSWER = "API request to"

_STORAGE_ERRNOS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EFBIG,
    errno.EIO,
    errno.ENOTDIR,
}


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Turn what a store that is not there, full or read-only raises into an UnavailableError; anything else is a bug."""
    try:
        yield
    except (
        MlflowException,
        sqlalchemy.exc.SQLAlchemyError,
        sqlite3.Error,
        requests.RequestException,
        OSError,
    ) as error:
        reason = _unavailable(error)
        if reason is None:
            raise
        raise unwritable(uri, reason) from None


def unwritable(uri: str, reason: str) -> UnavailableError:
    """Return what is raised of a store that is not there, full or read-only, or did not answer; `reason` in one line."""
    return UnavailableError(
        f"The MLflow store {redact(uri)} must be reachable and writable.",
        got=f"'{reason}'",
        fix="Check that it is there, that you may write to it, and that the disk is not full.",
    )


def _unavailable(error: BaseException | None) -> str | None:
    """Return in one line why a store did not answer; None where `error` and its causes are of another kind."""
    while error is not None:
        whole = " ".join(str(getattr(error, "orig", None) or error).split())
        # What MLflow says of a download begins with the address, and with the reason later on.
        text = whole[max(0, whole.find(_NO_ANSWER)) :][:200]
        if isinstance(
            error,
            (
                sqlalchemy.exc.OperationalError,
                sqlalchemy.exc.DatabaseError,
                sqlalchemy.exc.ArgumentError,
                sqlite3.Error,
                requests.RequestException,
            ),
        ):
            return text
        if isinstance(error, OSError) and error.errno in _STORAGE_ERRNOS:
            return text
        if isinstance(error, MlflowException):
            if error.error_code in _UNAVAILABLE_CODES or _NO_ANSWER in whole:
                return text
            if any(word in whole for word in ("sqlite3.", "(psycopg", "OperationalError", "Model registry functionality is")):
                return text
        error = error.__cause__ or error.__context__
    return None


def is_missing(error: MlflowException) -> bool:
    """Whether MLflow says that what was asked for does not exist; anything else is no answer to the question."""
    return error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND", "ENDPOINT_NOT_FOUND"}
