"""Errors of MLflow and SQLite as single sentences."""

from __future__ import annotations

import errno
import os
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import requests
import sqlalchemy.exc
import sqlalchemy.orm.exc
from mlflow.exceptions import MlflowException

from recipeline.data.origin.uris import redact, scrub
from recipeline.errors import RecipelineError, UnavailableError, causes
from recipeline.tracking._compat import CONFLICT, NO_ANSWER, NO_PERMISSION, NO_USER, STORE_GONE

T = TypeVar("T")

#: How often a write is tried that others may overtake, and the longest pause before it is tried again.
_ATTEMPTS, _PAUSE_SECONDS = 5, 0.1

_CONFLICT_TYPES = (sqlalchemy.exc.IntegrityError, sqlalchemy.orm.exc.StaleDataError, sqlite3.IntegrityError)

_UNAVAILABLE_CODES = {"TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "PERMISSION_DENIED", "UNAUTHENTICATED"}

_NO_ANSWER_TYPES = (
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.DatabaseError,
    sqlalchemy.exc.ArgumentError,
    sqlite3.Error,
    requests.RequestException,
)

#: The packages whose errors are those of an object store that did not answer, or refused; none of them need be installed.
_OBJECT_STORES = {"azure", "boto3", "botocore", "google", "s3transfer"}

#: How SQLite says that another process holds a database.
_LOCKED = "database is locked"

#: How the system says that a disk, or a user's share of it, takes no more.
_NO_SPACE = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))

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
    """Turn errors of an unavailable store into an UnavailableError.

    The store is missing, full or read-only, or does not answer; any other error is a bug.
    """
    try:
        yield
    except RecipelineError:
        raise
    except Exception as error:  # of as many clients as there are kinds of storage
        reason = _unavailable(error)
        if reason is None:
            raise
        raise unavailable(uri, reason, error) from None


def unavailable(uri: str, reason: str, error: BaseException) -> UnavailableError:
    """Return the error for a store that did not do its work, for `error`.

    A server that does not know the user, or permits too little, is told apart from one that is not there. `reason` is one
    line.
    """
    if any(_is_refusal(cause, NO_USER, 401, "UNAUTHENTICATED", uri) for cause in causes(error)):
        return UnavailableError(
            f"The MLflow server {redact(uri)} does not accept the user.",
            fix="Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, in the environment.",
        )
    is_server = uri.startswith(("http://", "https://"))  # of a file, a permission is one of the disk
    if is_server and any(_is_refusal(cause, NO_PERMISSION, 403, "PERMISSION_DENIED", uri) for cause in causes(error)):
        return UnavailableError(
            f"The MLflow server {redact(uri)} does not permit this user what the command does: '{scrub(reason, uri)}'.",
            fix="Ask for permission to edit the experiment and the registered model, or sign in as a user who has it.",
        )
    return unwritable(uri, reason)


def _is_refusal(error: BaseException, words: str, status: int, code: str, uri: str) -> bool:
    """Whether the server refused a request, by its words, status or code."""
    if isinstance(error, requests.HTTPError):  # an artifact that goes through the server
        response = error.response
        return response is not None and response.status_code == status and str(response.url).startswith(uri)
    return isinstance(error, MlflowException) and (error.error_code == code or words in str(error))


def unwritable(uri: str, reason: str) -> UnavailableError:
    """Return the error for a store that is unavailable, locked, full or read-only.

    `reason` is one line.
    """
    fix = "Check that it exists, that you have write permission, and that the disk is not full."
    if _LOCKED in reason:
        fix = "Wait for the process that holds it (`fuser` names it for a file), or stop it, and try again."
    elif any(words in reason for words in _NO_SPACE):  # which the system says without the name of a file
        fix = (
            "Free space on the disks of the store, of its artifacts and of temporary files "
            f"({tempfile.gettempdir()}; TMPDIR names another folder)."
        )
    return UnavailableError(
        f"The MLflow store {redact(uri)} must be reachable and writable.", got=f"'{scrub(reason, uri)}'", fix=fix
    )


def is_no_answer(error: BaseException) -> bool:
    """Whether the store did not answer, as MLflow or this library says it."""
    return isinstance(error, UnavailableError) or _unavailable(error) is not None


def _unavailable(error: BaseException) -> str | None:
    """Return in one line why a store did not answer; None for other errors.

    All causes of `error` are examined.
    """
    if is_conflict(error):  # it did answer
        return None
    for cause in causes(error):
        if _is_no_answer(cause) or (isinstance(cause, MlflowException) and _tells_of_no_answer(cause)):
            driver = next((found for found in (getattr(it, "orig", None) for it in causes(error)) if found), None)
            whole = " ".join(str(driver or cause).split())  # SQLAlchemy and MLflow put statement and rows around its words
            # MLflow's message on a download begins with the address; the reason comes later.
            return whole[max(0, whole.find(NO_ANSWER)) :][:200]
    return None


def _is_no_answer(error: BaseException | None) -> bool:
    return (
        isinstance(error, _NO_ANSWER_TYPES)
        or (isinstance(error, OSError) and error.errno in _STORAGE_ERRNOS)
        or type(error).__module__.partition(".")[0] in _OBJECT_STORES
    )


def _tells_of_no_answer(error: MlflowException) -> bool:
    """Whether MLflow raised this for a store that did not answer.

    Its text is examined last.
    """
    if error.error_code in _UNAVAILABLE_CODES:
        return True
    return any(words in str(error) for words in (NO_ANSWER, *STORE_GONE))


def is_conflict(error: BaseException) -> bool:
    """Whether a write failed because another process changed the same row."""
    return any(
        isinstance(cause, _CONFLICT_TYPES)
        or (isinstance(cause, MlflowException) and any(words in str(cause) for words in CONFLICT))
        for cause in causes(error)
    )


def retry_conflict(write: Callable[[], T]) -> T:
    """Return the result of `write`, repeated after conflicts with other processes.

    MLflow looks whether there is a row and then inserts it; another process may insert it in between. The next attempt
    finds it.

    Raises
    ------
    UnavailableError : each attempt has a conflict.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return write()
        except MlflowException as error:
            if not is_conflict(error):
                raise
            last = error
        time.sleep(attempt * random.uniform(0, _PAUSE_SECONDS))  # two that wait equally long meet again
    reason = " ".join(str(last).split())[:200].rstrip(".")
    raise UnavailableError(
        f"Another process changed the same row of the store {_ATTEMPTS} times: {reason}.",
        fix="Run the command again; it completes the interrupted change.",
    )


def is_missing(error: MlflowException) -> bool:
    """Whether MLflow says that the object does not exist.

    Other errors do not answer that question.
    """
    return error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND", "ENDPOINT_NOT_FOUND"}


@contextmanager
def gone_is_fine() -> Iterator[None]:
    """Do without what is to be deleted where another command has deleted it."""
    try:
        yield
    except MlflowException as error:
        if not is_missing(error):
            raise
