"""The path of a request from Granian to the application, with body deadlines."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import orjson

from recipeline.serving._compat import Exchange, cut_off
from recipeline.serving.http.answers import ERROR_CODES, Refusal

_LOG = logging.getLogger("service")

_FAILED = orjson.dumps({"error_code": ERROR_CODES[500], "message": "The service failed. Its log has the error."})

_LOOK_SECONDS = 0.5

_DRAINED_BYTES = 1 << 20

_ENVIRON: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multiprocess": True,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}


class Arrivals:
    """Requests whose bodies are arriving, limited in time and number.

    Each may wait for `seconds` in all. One more than there are places cuts off the one that has waited longest.
    """

    def __init__(self, seconds: float, places: int) -> None:
        self.seconds, self._places = seconds, places
        self._reason = f"The body must be there within {seconds:g} s, and before so long that {places} others wait for theirs."
        #: Until when each may wait. They are in the order in which they came, or nearly so.
        self._until: dict[Exchange, float] = {}

    def wait(self, exchange: Exchange, until: float, read: Callable[[int], bytes], size: int) -> bytes:
        """Return what `read` gives for a size.

        Raises
        ------
        Refusal : the request was cut off.
        """
        self._until[exchange] = until
        if len(self._until) > self._places:
            oldest, *_ = self._until.copy()
            self._cut(oldest)
        part = read(size)
        if self._until.pop(exchange, None) is None:
            raise Refusal(408, self._reason)
        return part

    def watch(self) -> None:
        """Cut off those that wait too long, from now on, in a thread of its own."""

        def look() -> None:
            while True:
                time.sleep(_LOOK_SECONDS)
                self.cut_late(time.monotonic())

        threading.Thread(target=look, name="arrivals", daemon=True).start()

    def cut_late(self, now: float) -> None:
        """Cut off those that waited too long at a time."""
        for exchange in [it for it, until in [*self._until.items()] if until <= now]:
            self._cut(exchange)

    def _cut(self, exchange: Exchange) -> None:
        if self._until.pop(exchange, None) is not None:
            content = orjson.dumps({"error_code": ERROR_CODES[408], "message": self._reason})
            threading.Thread(target=cut_off, args=(exchange, 408, content), daemon=True).start()


class Body:
    """A request's body, as WSGI has it; `begun` and `ended` tell how far it was read."""

    __slots__ = ("_arrivals", "_exchange", "_stream", "_until", "begun", "ended")

    def __init__(self, arrivals: Arrivals, exchange: Exchange, stream: Any) -> None:
        self._arrivals, self._exchange, self._stream = arrivals, exchange, stream
        self._until = time.monotonic() + arrivals.seconds
        self.begun = self.ended = False

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer at the end.

        Raises
        ------
        Refusal : they take too long.
        """
        self.begun = True
        part = self._arrivals.wait(self._exchange, self._until, self._stream.read, size)
        self.ended = len(part) < size
        return part

    def drain(self) -> None:
        """Read what is left, and forget it."""
        with contextlib.suppress(Refusal):
            while not self.ended:
                self.read(_DRAINED_BYTES)


class Gateway:
    """The callable for Granian: the application with a deadline for the body.

    An answer is sent when the body has been read, also one that did not need it: most clients send all of a request before they
    read, and would find the connection closed instead of the answer.
    """

    def __init__(self, app: Callable[..., Any], arrivals: Arrivals) -> None:
        self._app, self._arrivals = app, arrivals

    def __call__(self, exchange: Exchange, scope: dict[str, Any]) -> None:
        body = Body(self._arrivals, exchange, scope["wsgi.input"])
        try:
            line, headers, content = run(self._app, _ENVIRON | scope | {"wsgi.input": body})
            status = read_status(line)
        except BaseException:  # of a middleware around the application, which has no part in its frame
            _LOG.exception("a request to %r failed outside of the application", scope["PATH_INFO"])
            status, headers, content = 500, [("Content-Type", "application/json")], _FAILED
        if not body.ended and (body.begun or _is_sent(scope)):
            body.drain()
        exchange.response_bytes(status, headers, content)


def run(app: Callable[..., Any], environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
    """Return the status line, the headers and the body of a WSGI application."""
    begun: list[Any] = []
    parts = app(environ, lambda *line: begun.extend(line))
    try:
        content = b"".join(parts)
    finally:
        if hasattr(parts, "close"):
            parts.close()
    return begun[0], begun[1], content


def read_status(line: str) -> int:
    """Return the status of a status line.

    Granian ends its worker over a number of other than three digits, and those below 200 are no answers.

    Raises
    ------
    ValueError : it is not from 200 to 599.
    """
    status = int(line.partition(" ")[0])
    if not 200 <= status <= 599:
        raise ValueError(f"A response must have a status from 200 to 599. Got {line!r} instead.")
    return status


def _is_sent(scope: dict[str, Any]) -> bool:
    """Whether a body comes with the request without `Expect: 100-continue`."""
    if "HTTP_EXPECT" in scope:
        return False
    return scope.get("CONTENT_LENGTH", "0") != "0" or "HTTP_TRANSFER_ENCODING" in scope
