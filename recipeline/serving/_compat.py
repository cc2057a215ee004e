"""Undocumented behaviour of Granian, Flask and pyarrow that the service relies on.

It may change with any release: `tests/serving/test_compat.py` tries each.
"""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from flask import Flask
from granian.server import mp

#: Granian's own thread sends an answer, and may wait so long for a processor.
_SENT_SECONDS = 0.5


class Exchange(Protocol):
    """A request in Granian: the first answer is sent from any thread, later ones not."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Send an answer."""

    def response_iter(self, status: int, headers: list[tuple[str, str]], body: Iterator[bytes]) -> None:
        """Send an answer in parts."""


def hand_over(run: Callable[[Exchange, dict[str, Any]], object]) -> None:
    """Make this process's worker call `run` with each request and its environ.

    Granian's own wrapper hides the request from the application, and copies the environ for each request.
    """
    mp._wsgi_call_wrap = lambda *_: run  # type: ignore[attr-defined]


def cut_off(exchange: Exchange, status: int, content: bytes) -> None:
    """Answer and close the connection; return when it is closed.

    A thread that waits for the body gets the part that has arrived. Granian has no time limit for a body, and keeps a
    connection open while more of one may come. An answer that ends before its announced length ends the connection.
    """
    headers = [("Connection", "close"), ("Content-Type", "application/json"), ("Content-Length", str(len(content) + 1))]
    exchange.response_iter(status, headers, _sent(content))


def _sent(content: bytes) -> Iterator[bytes]:
    yield content
    time.sleep(_SENT_SECONDS)  # what is not sent when the connection ends is lost


def end_setup(app: Flask) -> None:
    """Let Flask refuse further hooks, routes and error handlers.

    It does so after it dispatched a request. A request that it does not dispatch must end the setup too: later hooks would not
    be called for such requests.
    """
    app._got_first_request = True


def leave_s3_open() -> None:
    """Let pyarrow not shut its S3 client down at the end of this process.

    That waits for requests in flight, 20 s where the store hangs. On Python 3.13 a worker would wait before it closes its logs,
    whose last files could not be archived any more. Nothing is lost: the process ends, and its connections with it.
    """
    from pyarrow import fs

    atexit.unregister(fs.ensure_s3_finalized)
