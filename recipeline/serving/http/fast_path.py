"""The WSGI application: the frame around Flask, and a fast path for predictions."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from io import BytesIO
from typing import IO, Any

from flask import Flask, Request, Response, request, signals
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request as PlainRequest

from recipeline.serving._compat import end_setup
from recipeline.serving.http.answers import ROUTE, failed, is_answer
from recipeline.serving.http.body import read_body
from recipeline.serving.http.frame import Frame, Work
from recipeline.serving.http.gateway import read_status, run

_SIGNALS = (
    signals.request_started,
    signals.request_finished,
    signals.request_tearing_down,
    signals.got_request_exception,
    signals.appcontext_pushed,
    signals.appcontext_popped,
    signals.appcontext_tearing_down,
)

#: Headers that a hook may have set, and that the frame or the server sets.
_OTHERS_SET = ("Transfer-Encoding", "X-Content-Type-Options", "X-Request-ID")


class HookedRequest(Request):
    """A request as Flask's hooks and views see it.

    All of them may read its body, within the limits of the service.
    """

    @cached_property
    def stream(self) -> IO[bytes]:
        """The body. Raises Refusal as `read_body`."""
        return BytesIO(read_body(self.environ, self.max_content_length or 0))


class Application(Flask):
    """Flask inside the frame, with a fast path for `add_straight` POSTs.

    That path skips Flask's routing, contexts and signals, which take longer than parsing, checking and predicting one row
    together (decision 0012). If a hook, an error handler or a receiver of signals is registered, Flask answers these requests
    too, and calls them in its own order.
    """

    request_class = HookedRequest

    def __init__(self, frame: Frame, root_path: str = "", max_body: int = 2**20) -> None:
        super().__init__("serving", static_folder=None)
        self.config["MAX_CONTENT_LENGTH"] = max_body
        self._frame, self._root = frame, root_path
        self._straight: dict[str, Work] = {}
        self._own_views: dict[str, Callable[[], Response]] = {}
        self._is_bare: bool | None = None
        self.before_request(self._admit)
        self.register_error_handler(Exception, self._fail)

    def add_straight(self, path: str, answer: Work) -> None:
        """Let `answer` answer a POST to `path`, directly or through Flask."""

        def straight(asked: PlainRequest) -> Response:
            asked.environ[ROUTE] = path
            refused = self._frame.admit(asked)
            return answer(asked) if refused is None else refused

        self._straight[path] = straight
        self._own_views[path] = lambda: answer(current())
        self.add_url_rule(path, endpoint=path, view_func=self._own_views[path], methods=["POST"])

    def wsgi_app(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer a request in the frame, directly or by Flask.

        A path that begins with the root path is the same without it: some proxies take it away, others do not.
        """
        if self._root and environ["PATH_INFO"].startswith(f"{self._root}/"):
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = self._root, environ["PATH_INFO"].removeprefix(self._root)
        straight = self._straight.get(environ.get("PATH_INFO", "")) if environ["REQUEST_METHOD"] == "POST" else None
        if straight is None or not (self._is_bare or self._look()):
            return self._frame.answer(environ, self._route)(environ, start_response)
        response = self._frame.answer(environ, straight)
        if response.status_code != 200:
            return response(environ, start_response)
        start_response(response.status, response.headers.to_wsgi_list())  # whole already, its length too
        return response.response

    def _route(self, asked: PlainRequest) -> Response:
        """Answer by Flask: admission, hooks, routes, error handlers.

        Errors that Flask does not handle are raised.
        """
        line, headers, content = run(super().wsgi_app, asked.environ)
        response = Response(content, read_status(line))
        response.headers = Headers(headers)
        for name in (*_OTHERS_SET, *(() if asked.method == "HEAD" else ("Content-Length",))):
            response.headers.remove(name)
        return response

    def _admit(self) -> Response | None:
        asked = current()
        asked.environ[ROUTE] = asked.url_rule.rule if asked.url_rule else "(none)"
        return self._frame.admit(asked)

    def _fail(self, error: Exception) -> Response:
        return failed(current(), error)

    def handle_http_exception(self, e: HTTPException) -> HTTPException | ResponseReturnValue:
        """Handle an HTTP error as Flask does, unless it is a bug."""
        return super().handle_http_exception(e) if is_answer(e) else failed(current(), e)

    def log_exception(self, exc_info: Any) -> None:
        """Do nothing: `failed` logs the error, with the request's ID."""

    def _look(self) -> bool:
        """Whether the fast path may be taken: Flask would call only the application.

        The first request decides it for all, and Flask refuses further registrations.
        """
        if self._is_bare is None:
            end_setup(self)
            hooks = (self.after_request_funcs, self.teardown_request_funcs, self.url_value_preprocessors)
            handlers = {code: dict(found) for code, found in self.error_handler_spec[None].items() if found}
            self._is_bare = (
                self.before_request_funcs[None] == [self._admit]
                and not any(found.get(None) for found in hooks)
                and not self.teardown_appcontext_funcs
                and handlers == {None: {Exception: self._fail}}
                and all(self.view_functions[path] is view for path, view in self._own_views.items())
                and not any(signal.has_receivers_for(self) for signal in _SIGNALS)
            )
        return self._is_bare


def current() -> Request:
    """Return the request that Flask answers."""
    return request._get_current_object()  # type: ignore[attr-defined,no-any-return]
