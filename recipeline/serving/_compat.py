"""What this library uses of Granian and Flask beyond their documented API, all of it; seen in Granian 2.8.7 and Flask 3.1.3.

It may change with any release: `tests/serving/test_compat.py` tries each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from flask import Flask
from granian.server import mp

_SENT_SECONDS = 0.1


class Exchange(Protocol):
    """A request as Granian hands it over: the first answer is sent, whatever thread gives it, and further ones are not."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Send an answer."""

    def response_iter(self, status: int, headers: list[tuple[str, str]], body: Iterator[bytes]) -> None:
        """Send an answer, part by part."""


def hand_over(run: Callable[[Exchange, dict[str, Any]], object]) -> None:
    """Let the worker of this process call `run` for each request, with the request and the part of the environ that it has.

    Granian's own wrapper does not show the application the first of these, and copies the environment for each request.
    """
    mp._wsgi_call_wrap = lambda *_: run  # type: ignore[attr-defined]


def cut_off(exchange: Exchange, status: int, content: bytes) -> None:
    """Answer, and close the connection, for which it waits; a thread that waits for the body gets what there is of it.

    Granian has no limit of time for a body, and closes no connection while more of one may come. An answer that ends before the
    length that it says ends the connection.
    """
    headers = [("Connection", "close"), ("Content-Type", "application/json"), ("Content-Length", str(len(content) + 1))]
    exchange.response_iter(status, headers, _sent(content))


def _sent(content: bytes) -> Iterator[bytes]:
    yield content
    time.sleep(_SENT_SECONDS)  # what is not sent when the connection ends is lost


def end_setup(app: Flask) -> None:
    """Let Flask refuse to register hooks, routes and error handlers from now on, as it does after it dispatched a request.

    A request that it does not dispatch must end the setup too: what is registered later would not be called for its like.
    """
    app._got_first_request = True
