"""The frame of every request: ID, tokens, errors, metrics, headers, logs."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import Any

from flask import Response
from werkzeug.wrappers import Request as PlainRequest

from recipeline.serving.http.answers import FACTS, ID, ROUTE, Refusal, failed
from recipeline.serving.http.body import require_plain_chunks
from recipeline.serving.http.origins import asks_first, cors_headers, names_host
from recipeline.serving.logs.background import as_line
from recipeline.serving.state import Service

#: Paths without a token: health, and the service's pages, which ask for the token themselves.
OPEN_PATHS = frozenset({"/", "/healthz", "/readyz", "/ping", "/health", "/version", "/docs", "/playground", "/openapi.json"})

#: The path of the webhook, whose signature is in the place of a token.
WEBHOOK = "/webhook"

#: Visible ASCII, but for what quotes or makes HTML.
_REQUEST_ID = re.compile(r"[!#-&(-;=?-\[\]-_a-~]{1,200}")

#: So many characters of a method and of a path are logged: a client may send tens of thousands.
_LOGGED = 200

#: Makes the answer to a request.
Work = Callable[[PlainRequest], Response]


class Frame:
    """The common processing of every request; `answer` has all of it in order."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._open = OPEN_PATHS | ({WEBHOOK} if service.settings.webhook else set())
        self._seconds: dict[str, Any] = {}
        self._counts: dict[tuple[str, int], Any] = {}

    def answer(self, environ: dict[str, Any], work: Work) -> Response:
        """Return the answer of `work`, or of its failure, with the service's headers.

        It is counted and logged. `environ` gets the request's ID before `work` begins.
        """
        began = time.perf_counter()
        given = environ.get("HTTP_X_REQUEST_ID")
        request_id = environ[ID] = given if given and _REQUEST_ID.fullmatch(given) else os.urandom(16).hex()
        # Not a part of its own environ: such a cycle is left to the garbage collector, which then stops all requests for 60 ms.
        asked = PlainRequest(environ, populate_request=False)
        try:
            response = work(asked)
        except BaseException as error:  # a hook that calls sys.exit(), or whose task was cancelled, ends its request
            response = failed(asked, error)
        took = time.perf_counter() - began
        self._count(environ.get(ROUTE, "(none)"), response.status_code, took)
        self._add_headers(environ, response, request_id)
        if self._service.access_log:
            self._log(asked, response.status_code, took, request_id)
        return response

    def admit(self, asked: PlainRequest) -> Response | None:
        """Return the answer to a CORS preflight request; None for other requests.

        Raises
        ------
        Refusal : the request has no valid token, asks for another host, or its body has a transfer coding.
        """
        environ, service = asked.environ, self._service
        require_plain_chunks(environ)
        if service.is_private and not names_host(environ.get("HTTP_HOST", ""), service.settings.hosts):
            raise Refusal(421, "On a loopback address only its own names are answered to. Others belong into service.hosts.")
        if service.settings.cors_origins and asks_first(environ):
            return Response(status=204)
        if service.tokens and asked.path not in self._open and not service.admits(environ.get("HTTP_AUTHORIZATION", "")):
            advice = "A token is needed. Send it as 'Authorization: Bearer TOKEN'."
            raise Refusal(401, advice, headers={"WWW-Authenticate": "Bearer"})
        return None

    def _count(self, route: str, status: int, took: float) -> None:
        key = (route, status)
        if key not in self._counts:
            # The key last: whoever finds it, in another thread, needs both.
            self._seconds[route] = self._service.metrics.seconds.labels(route)
            self._counts[key] = self._service.metrics.requests.labels(route, str(status))
        self._counts[key].inc()
        self._seconds[route].observe(took)

    def _add_headers(self, environ: dict[str, Any], response: Response, request_id: str) -> None:
        headers, origins = response.headers, self._service.settings.cors_origins
        headers.add("X-Request-ID", request_id)
        headers.add("X-Content-Type-Options", "nosniff")
        if self._service.draining():
            headers["Connection"] = "close"  # the next request goes to a service that stays
        if origins:
            told = cors_headers(environ, origins)
            headers.extend({"Vary": told.pop("Vary")})
            headers.update(told)

    def _log(self, asked: PlainRequest, status: int, took: float, request_id: str) -> None:
        record = {
            "time": time.time(),
            "request_id": request_id,
            "remote": asked.environ.get("REMOTE_ADDR", ""),
            "method": asked.method[:_LOGGED],
            "path": asked.path[:_LOGGED],
            "status": status,
            "ms": round(took * 1000, 3),
        }
        # Encoded here, in a microsecond: a thread that encodes many at once lets other requests wait for the interpreter.
        self._service.access_log.add(as_line(record | asked.environ.get(FACTS, {})))  # type: ignore[union-attr]
