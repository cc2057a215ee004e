"""What every request passes through: tokens, limits, request IDs, metrics and logs."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, Request, Response, request
from werkzeug.wrappers import Request as PlainRequest

from recipeline.serving.background import as_line
from recipeline.serving.http.answers import BEGAN, FACTS, ID, Refusal, failed
from recipeline.serving.http.origins import asks_first, cors_headers, names_host
from recipeline.serving.state import Service

#: What everybody may ask: whether the service is there, and its pages, which ask for the token themselves.
OPEN_PATHS = frozenset({"/", "/healthz", "/readyz", "/ping", "/health", "/version", "/docs", "/playground", "/openapi.json"})

#: Visible ASCII, but for what quotes or makes HTML.
_REQUEST_ID = re.compile(r"[!#-&(-;=?-\[\]-_a-~]{1,200}")


class Frame:
    """What happens before and after every request: its ID, the token, metrics, headers, the log."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._seconds: dict[str, Any] = {}
        self._counts: dict[tuple[str, int], Any] = {}

    def put_around(self, app: Flask) -> None:
        """Let every request that Flask routes have it."""

        @app.before_request
        def begin() -> Response | None:
            asked = current()
            self.begin(asked)
            return Response(status=204) if self._service.settings.cors_origins and asks_first(asked.environ) else None

        @app.after_request
        def end(response: Response) -> Response:
            return self.end(current(), response, request.url_rule.rule if request.url_rule else "(none)")

        @app.errorhandler(Exception)
        def fail(error: Exception) -> Response:
            return failed(current(), error)

    def around(self, path: str, work: Callable[[PlainRequest], Response]) -> Callable[[PlainRequest], Response]:
        """Return `work` with it; for requests that Flask does not route."""

        def answer(asked: PlainRequest) -> Response:
            try:
                self.begin(asked)
                response = work(asked)
            except Exception as error:
                response = failed(asked, error)
            return self.end(asked, response, path)

        return answer

    def begin(self, asked: PlainRequest) -> None:
        """Give the request an ID. Raises Refusal where it must have a token, and has none, or asks for another host."""
        environ, service = asked.environ, self._service
        environ[BEGAN] = time.perf_counter()
        given = environ.get("HTTP_X_REQUEST_ID")
        environ[ID] = given if given and _REQUEST_ID.fullmatch(given) else os.urandom(16).hex()
        if service.is_private and not names_host(environ.get("HTTP_HOST", ""), service.settings.hosts):
            raise Refusal(421, "On a loopback address only its own names are answered to. Others belong into service.hosts.")
        if service.settings.cors_origins and asks_first(environ):
            return
        if service.tokens and asked.path not in OPEN_PATHS and not service.admits(environ.get("HTTP_AUTHORIZATION", "")):
            advice = "A token is needed. Send it as 'Authorization: Bearer TOKEN'."
            raise Refusal(401, advice, headers={"WWW-Authenticate": "Bearer"})

    def end(self, asked: PlainRequest, response: Response, path: str) -> Response:
        """Count and log the answer to a request for `path`, as the routes call it."""
        environ, status = asked.environ, response.status_code
        took = time.perf_counter() - environ[BEGAN]
        key = (path, status)
        if key not in self._counts:
            # The key last: whoever finds it, in another thread, needs both.
            self._seconds[path] = self._service.metrics.seconds.labels(path)
            self._counts[key] = self._service.metrics.requests.labels(path, str(status))
        self._counts[key].inc()
        self._seconds[path].observe(took)
        response.headers.add("X-Request-ID", environ[ID])
        response.headers.add("X-Content-Type-Options", "nosniff")
        if self._service.draining():
            response.headers["Connection"] = "close"  # the next request goes to a service that stays
        if self._service.settings.cors_origins:
            response.headers.extend(cors_headers(environ, self._service.settings.cors_origins))
        if self._service.access_log:
            record = {
                "time": time.time(),
                "request_id": environ[ID],
                "remote": environ.get("REMOTE_ADDR", ""),
                "method": asked.method,
                "path": asked.path[:200],
                "status": status,
                "ms": round(took * 1000, 3),
            }
            # Encoded here, in a microsecond: a thread that encodes many at once lets other requests wait for the interpreter.
            self._service.access_log.add(as_line(record | environ.get(FACTS, {})))
        return response


def current() -> Request:
    return request._get_current_object()  # type: ignore[attr-defined,no-any-return]
