"""Retries of requests to an MLflow server: announced at once, soon and often.

MLflow's client repeats a request for four minutes, with pauses of up to two, and says nothing. Here the time is the same, set
by the same variables (`MLFLOW_HTTP_REQUEST_MAX_RETRIES`, `MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR`); the pauses are seconds, so that
a command goes on soon after its server is back, and the first failure is told.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from urllib3.util import Retry

from recipeline.tracking._compat import S3_RETRIES, S3_RETRY, replace_retries
from recipeline.tracking.connection.failures import is_no_answer

#: The first and the longest pause before a request is repeated, in seconds.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0

#: Threads that find the same server away within this time, in seconds, announce it once.
_ONE_OUTAGE = 5.0

#: How long requests about a failure are repeated, in seconds: after an interrupt or where the store has not answered, else.
_LAST_SHORT, _LAST_LONG = 2.0, 30.0

#: How long nothing more is noted about a failure where a request about one had no answer, in seconds.
_SILENCE = 10.0

#: How long boto3 repeats a request with the settings of a command, in seconds: ten attempts.
_S3_SECONDS = 60.0

#: How long MLflow waits at most before one of its attempts, in seconds.
_MLFLOW_LONGEST = 120

#: How often requests of a thread were repeated.
_REPEATED = threading.local()

_LIMIT: ContextVar[float | None] = ContextVar("_LIMIT", default=None)

#: Whether the thread is in a block of `parting`.
_PARTS: ContextVar[bool] = ContextVar("_PARTS", default=False)

_PORTS = {"http": 80, "https": 443}

_LOCK = threading.Lock()
_announced: dict[str, float] = {}
#: Until when a server is asked nothing by blocks of `parting`.
_silent_until: dict[str, float] = {}


def _log(sentence: str) -> None:
    logging.getLogger("recipeline").warning(sentence)


_tell: Callable[[str], None] = _log


def install(tell: Callable[[str], None] | None = None) -> None:
    """Let MLflow's client repeat requests as `AnnouncedRetry` does.

    `tell` shows the announcements. None: as before, at first by a warning in the log.
    """
    global _tell
    if tell is not None:
        _tell = tell
    replace_retries(AnnouncedRetry)
    # It would log each repetition, with the whole address: a token in it is told to nobody.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    logger = logging.getLogger(S3_RETRIES)
    if not any(isinstance(handler, _S3Retries) for handler in logger.handlers):
        logger.addHandler(_S3Retries())
        logger.setLevel(logging.DEBUG)
        logger.propagate = False


class _S3Retries(logging.Handler):
    """Announces that boto3 repeats a request to an object store, which it only logs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Announce a repetition, once in the time that boto3 goes on repeating."""
        if record.getMessage().startswith(S3_RETRY):
            problem = "The object store does not answer, trying again for about a minute."
            _announce_once("object store", problem, _S3_SECONDS, time.monotonic())


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Limit the time that requests of the block's thread are repeated.

    A poll needs no repetition. 0: once, at once, for a connection that the server closed while it was idle. Where blocks are
    nested, the shorter limit holds.
    """
    outer = _LIMIT.get()
    token = _LIMIT.set(seconds if outer is None else min(seconds, outer))
    try:
        yield
    finally:
        _LIMIT.reset(token)


@contextmanager
def parting(error: BaseException, uri: str) -> Iterator[None]:
    """Limit the repetitions of requests that note a failure in the store at `uri`.

    The user who interrupts a command does not wait for a server that is away, and a server that was away for the whole time of
    one request is not asked as long again. If it does not answer then either, the blocks that follow ask it nothing: a name
    that is not found may take half a minute each time. Other stores are asked: a failure of one may be noted in another.

    Raises
    ------
    MlflowException : a request of an earlier block has just had no answer.
    """
    if time.monotonic() < _silent_until.get(_server_of(uri), 0.0):
        from mlflow.exceptions import MlflowException

        raise MlflowException("The MLflow server does not answer.")
    is_short = not isinstance(error, Exception) or is_no_answer(error)
    token = _PARTS.set(True)
    try:
        with at_most(_LAST_SHORT if is_short else _LAST_LONG):
            yield
    finally:
        _PARTS.reset(token)


def note_answer(uri: str) -> None:
    """Record that the store at `uri` answers; blocks of `parting` ask it again."""
    _silent_until.pop(_server_of(uri), None)


def repetitions() -> int:
    """Return how many requests of this thread were sent again, since it began.

    A write that was sent again may have been done twice: the answer to the first may have been lost.
    """
    return getattr(_REPEATED, "count", 0)


def patience_of(retries: int, backoff_factor: float) -> float:
    """Return for how many seconds MLflow's client repeats a request."""
    return float(sum(min(_MLFLOW_LONGEST, backoff_factor * 2**attempt) for attempt in range(1, max(retries, 0))))


class AnnouncedRetry(Retry):
    """The retries of one request, until the time at which MLflow's own would end.

    No attempt begins after that time, whatever the server asks for; one that hangs then ends by its own timeout.
    """

    #: When the request is given up, by the monotonic clock; None before its first failure.
    _until: float | None = None
    _attempts = 0

    def new(self, **changes: Any) -> AnnouncedRetry:
        """Return a copy with changes, of the same request."""
        made = super().new(**changes)
        made._until, made._attempts = self._until, self._attempts
        return made

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: Any = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: Any = None,
    ) -> AnnouncedRetry:
        """Return the retries that are left after a failure.

        Raises
        ------
        urllib3.exceptions.MaxRetryError : the time is over.
        """
        if error is None and response is not None and response.status not in (self.status_forcelist or ()):
            return super().increment(method, url, response, error, _pool, _stacktrace)  # a redirect
        _REPEATED.count = repetitions() + 1
        # This may be the object that a session gives to each of its requests: what is known of one is in the copy.
        now, until, attempts = time.monotonic(), self._until, self._attempts
        if until is None:
            limit, retries = _LIMIT.get(), int(self.total or 0)
            own = patience_of(retries, self.backoff_factor)
            seconds = own if limit is None else min(own, limit)
            # Of a request without a time for it, the attempts count; of a poll, one.
            attempts = min(retries, 1) if own or limit is not None else retries
            until = now + seconds
            if seconds and _pool is not None:
                _announce(f"{_pool.scheme}://{_pool.host}:{_pool.port}", response, seconds, now)
        left = 0 if now >= until and len(self.history) >= attempts else 1
        if not left and response is None and _pool is not None and _PARTS.get():
            _silent_until[f"{_pool.scheme}://{_pool.host}:{_pool.port}"] = time.monotonic() + _SILENCE
        made = self.new(total=left, connect=left, read=left, status=left)
        made._until, made._attempts = until, attempts
        return super(AnnouncedRetry, made).increment(method, url, response, error, _pool, _stacktrace)

    def get_backoff_time(self) -> float:
        """Return the pause before the next attempt: half a second, then more, 5 s at most."""
        failures = len(self.history)
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * failures) * random.uniform(0.8, 1.2)  # clients do not come back as one
        return min(pause, self._left())

    def get_retry_after(self, response: Any) -> float | None:
        """Return the pause that the server asks for, within the time that is left."""
        asked: float | None = super().get_retry_after(response)
        return None if asked is None else min(asked, self._left())

    def _left(self) -> float:
        """Return the seconds until the request is given up."""
        if self._until is None:  # a redirect before any failure
            return _LONGEST_PAUSE
        return max(0.0, self._until - time.monotonic())


def _server_of(uri: str) -> str:
    """Return scheme, host and port of a URI, as the pool of a connection has them."""
    with suppress(ValueError):
        parts = urlsplit(uri)
        return f"{parts.scheme}://{parts.hostname}:{parts.port or _PORTS.get(parts.scheme)}"
    return uri


def _announce(server: str, response: Any, seconds: float, now: float) -> None:
    problem = "does not answer" if response is None else f"answers {_status(response.status)}"
    until = time.strftime("%H:%M:%S", time.localtime(time.time() + seconds))
    _announce_once(server, f"The MLflow server {server} {problem}, trying again until {until}.", _ONE_OUTAGE, now)


def _announce_once(what: str, sentence: str, seconds: float, now: float) -> None:
    """Tell a sentence unless one of the same was told in the last `seconds`."""
    with _LOCK:
        if now < _announced.get(what, 0.0):
            return
        _announced[what] = now + seconds
    _tell(sentence)


def _status(code: int) -> str:
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)
