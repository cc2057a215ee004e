"""The WSGI application, with a direct path for predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Response
from werkzeug.wrappers import Request as PlainRequest


class Application(Flask):
    """Flask, but what is in `straight` is asked for without its routing, contexts and signals.

    For a request of one row these take longer than its parsing, checks and prediction together (decision 0012).
    """

    def __init__(self, root_path: str = "") -> None:
        super().__init__("serving", static_folder=None)
        self._root = root_path
        self.straight: dict[str, Callable[[PlainRequest], Response]] = {}

    def wsgi_app(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer a POST to one of `straight` by its function, and anything else as Flask does.

        A path that begins with the root path is the same without it: some proxies take it away, others do not.
        """
        if self._root and environ["PATH_INFO"].startswith(f"{self._root}/"):
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = self._root, environ["PATH_INFO"].removeprefix(self._root)
        answer = self.straight.get(environ.get("PATH_INFO", "")) if environ["REQUEST_METHOD"] == "POST" else None
        if answer is None:
            return super().wsgi_app(environ, start_response)
        # Not a part of its own environ: such a cycle is left to the garbage collector, which then stops all requests for 60 ms.
        asked = PlainRequest(environ, populate_request=False)
        return answer(asked)(environ, start_response)
