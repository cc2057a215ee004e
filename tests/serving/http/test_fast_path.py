from __future__ import annotations

import asyncio
import gc
import gzip
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from flask import Flask, Response, abort, g, got_request_exception, request, request_started
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException
from werkzeug.test import EnvironBuilder, TestResponse, run_wsgi_app

from recipeline.config.profile import Service as Settings
from recipeline.serving.http.fast_path import Application
from recipeline.serving.http.frame import Frame
from recipeline.serving.logs.background import BackgroundLog
from recipeline.serving.prometheus import Metrics
from recipeline.serving.state import Service
from tests.conftest import ROOT
from tests.serving.helpers import Make, Row, answer, post

MAX_MB = 0.05


def small(**settings: Any) -> Application:
    """Return an application with one straight path, which echoes the body.

    It takes GET too.
    """
    app = Application(Frame(Service("Toy", Settings(**settings), Metrics())), root_path="/models/toy")
    app.add_straight("/straight", lambda asked: Response(asked.get_data()))
    app.add_url_rule("/straight", view_func=lambda: "routed", methods=["GET"])
    return app


def test_a_post_goes_straight_and_anything_else_through_flask(monkeypatch: pytest.MonkeyPatch) -> None:
    client = small().test_client()
    assert client.get("/straight").data == b"routed"
    assert client.put("/straight").status_code == 405
    assert client.post("/elsewhere").status_code == 404
    monkeypatch.setattr(Flask, "full_dispatch_request", lambda _: 1 / 0)
    assert client.get("/straight").status_code == 500
    assert client.post("/straight", data=b"abc").data == b"abc"


@pytest.mark.parametrize(
    ("path", "body", "status"), [("/predict", b"", 200), ("/invocations", b"", 200), ("/predict", b"{}", 422)]
)
def test_a_prediction_leaves_nothing_to_the_garbage_collector(
    make_client: Make, row: Row, path: str, body: bytes, status: int
) -> None:
    """It would stop all requests, and rarely: the longer, the more it has to look at."""
    app = make_client().application
    content = body or json.dumps(row if path == "/predict" else {"inputs": [row]}).encode()

    def ask() -> str:
        with_body = {"input_stream": BytesIO(content), "content_type": "application/json", "content_length": len(content)}
        environ = EnvironBuilder(path=path, method="POST", **with_body).get_environ()
        return run_wsgi_app(app, environ, buffered=True)[1]

    def count_garbage() -> int:
        gc.collect(1)
        gc.freeze()  # to look at what all tests before have left would take a third of a second each time
        gc.disable()
        try:
            for _ in range(100):
                assert ask().startswith(str(status))
            return gc.collect()
        finally:
            gc.enable()

    assert min(count_garbage() for _ in range(3)) < 50  # what others leave now and then; not one object of each request


@pytest.mark.parametrize("path", ["/straight", "/models/toy/straight"])
def test_a_path_is_the_same_with_the_root_path_and_without(path: str) -> None:
    client = small().test_client()
    assert client.post(path, data=b"abc").data == b"abc"
    assert client.get(path).data == b"routed"


@pytest.mark.parametrize("path", ["/models/toys/straight", "/models/straight", "/models/toy/models/toy/straight"][:])
def test_another_path_is_another_address(path: str) -> None:
    assert small().test_client().post(path, data=b"abc").status_code == 404


# --- hooks -----------------------------------------------------------------------------------------------------------------

Door = tuple[str, str, dict[str, str], bytes]
BEARER = {"Authorization": "Bearer secret"}


def doors(app: Flask, row: Row) -> Iterator[Door]:
    """Yield a request of each kind: routes, bodies, and refused ones."""
    for rule in app.url_map.iter_rules():
        for method in sorted(rule.methods or ()):
            if method != "POST":
                yield method, rule.rule, BEARER, b""
    one, csv = json.dumps(row).encode(), "\n".join([",".join(row), ",".join(map(str, row.values()))]).encode()
    split = json.dumps({"inputs": [row]}).encode()
    json_, plain, far = {"Content-Type": "application/json"}, {"Content-Type": "text/plain"}, json.dumps(row | {"alcohol": 24})
    bodies = [
        ("/predict", json_, one),
        ("/predict?interval=true", json_, one),
        ("/predict", json_, far.encode()),
        ("/predict", json_ | {"Content-Encoding": "gzip"}, gzip.compress(one)),
        ("/models/toy/predict", json_, one),
        ("/invocations", json_, split),
        ("/invocations", {"Content-Type": "text/csv"}, csv),
    ]
    for path, more, body in bodies:
        yield "POST", path, BEARER | more, body
        yield "POST", path, more, body  # without a token
        yield "POST", path, BEARER | more, b"{"
        yield "POST", path, BEARER | plain, body
        yield "POST", path, BEARER | more, b" " * int(MAX_MB * 2**20 + 1)
        yield "POST", path, BEARER | json_, b'{"instances": [[null]]}'
    yield "POST", "/predict?rows=all", BEARER | json_, one
    yield "POST", "/nothing", BEARER, b""
    yield "DELETE", "/predict", BEARER, b""
    yield "GET", "//predict", BEARER, b""
    yield "OPTIONS", "/predict", {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}, b""


def ask(app: Flask, door: Door) -> TestResponse:
    method, path, headers, body = door
    return app.test_client().open(path, method=method, headers={**headers, "X-Request-ID": "r1"}, data=body)


def told(response: TestResponse) -> tuple[int, list[tuple[str, str]], bytes]:
    """Return a response without what changes by the moment."""
    moments = {"Server-Timing": re.compile(r"dur=[\d.]+"), "Date": re.compile(".*")}
    headers = sorted((name, moments[name].sub("", value) if name in moments else value) for name, value in response.headers)
    is_moment = response.request.path.endswith("/metrics")
    return (
        response.status_code,
        [it for it in headers if not (is_moment and it[0] == "Content-Length")],
        (b"" if is_moment else response.data),
    )


@pytest.fixture
def make_app(make_client: Make) -> Callable[..., Flask]:
    def make(add: Any = None, **settings: Any) -> Flask:
        origins = ("https://a.example",)
        given = {"root_path": "/models/toy", "max_body_mb": MAX_MB, "cors_origins": origins, "tokens": ("secret",)}
        app: Flask = make_client(add=add, **given | settings).application
        return app

    return make


def test_a_hook_that_does_nothing_changes_no_answer(make_app: Callable[..., Flask], row: Row) -> None:
    bare, hooked = make_app(), make_app(lambda app: app.after_request(lambda response: response))
    found = [(door[:2], told(ask(bare, door)), told(ask(hooked, door))) for door in doors(bare, row)]
    assert [it for it in found if it[1] != it[2]] == []
    assert {it[1][0] for it in found} >= {200, 204, 308, 400, 401, 404, 405, 413, 415, 422}


def test_what_answers_before_answers_all_that_is_admitted(make_app: Callable[..., Flask], row: Row) -> None:
    bare, hooked = make_app(), make_app(lambda app: app.before_request(lambda: ("stopped", 418)))
    for door in doors(bare, row):
        refused = ask(bare, door)
        found = ask(hooked, door)
        is_admitted = refused.status_code != 401 and "Access-Control-Allow-Methods" not in refused.headers
        assert found.status_code == (418 if is_admitted else refused.status_code), door
        assert found.headers.getlist("X-Request-ID") == ["r1"], door
        assert found.headers.getlist("X-Content-Type-Options") == ["nosniff"], door


def test_what_comes_after_sees_every_answer_also_of_what_was_refused(make_app: Callable[..., Flask], row: Row) -> None:
    seen = list[int]()

    def add(app: Flask) -> None:
        @app.after_request
        def mark(response: Response) -> Response:
            seen.append(response.status_code)
            response.headers["X-Hook"] = str(response.status_code)
            return response

    app = make_app(add)
    found = [ask(app, door) for door in doors(app, row)]
    assert [response.headers["X-Hook"] for response in found] == [str(response.status_code) for response in found]
    assert set(seen) >= {200, 204, 308, 400, 401, 404, 405, 413, 415, 422}


def fail(*_: Any) -> Any:
    raise LookupError("of a hook")


def cancel(*_: Any) -> Any:
    raise asyncio.CancelledError


@pytest.mark.parametrize("kind", ["before_request", "after_request", "teardown_request", "teardown_appcontext"])
@pytest.mark.parametrize("hook", [fail, lambda *_: sys.exit(3), cancel], ids=["raises", "exits", "is cancelled"])
def test_what_fails_is_a_500_with_the_request_id_which_is_logged(
    make_app: Callable[..., Flask], row: Row, caplog: pytest.LogCaptureFixture, kind: str, hook: Any
) -> None:
    app = make_app(lambda app: getattr(app, kind)(hook))
    bare = make_app()
    for door in doors(app, row):
        caplog.clear()
        found = ask(app, door)
        if kind == "before_request" and (ask(bare, door).status_code == 401 or (door[0] == "OPTIONS" and "Origin" in door[2])):
            continue
        assert found.status_code == 500, door
        assert door[0] == "HEAD" or (
            found.get_json()
            == {
                "error_code": "INTERNAL_ERROR",
                "message": "The service failed. Its log has the error under this request's ID.",
                "request_id": "r1",
            }
        )
        assert found.headers.getlist("X-Request-ID") == ["r1"]
        logged = [record for record in caplog.records if record.name == "service"]
        assert [record.getMessage() for record in logged] == ["request r1 failed"]
        assert logged[0].exc_info
        assert logged[0].exc_info[0] in (LookupError, SystemExit, asyncio.CancelledError)


KINDS = ("before_request", "after_request", "teardown_request")
ACTIONS = ("pass", "answer", "mark", "abort", "raise")


def add_hooks(app: Flask, hooks: list[tuple[str, str]], calls: list[int]) -> None:
    """Register hooks that note their number, and then act."""

    def act(number: int, action: str, given: Any) -> Any:
        calls.append(number)
        if action == "raise":
            raise LookupError(number)
        if action == "abort":
            abort(409)
        if isinstance(given, Response):
            if action == "mark":
                given.headers.add("X-Hook", str(number))
            return Response("other", 202) if action == "answer" else given
        return ("stopped", 418) if action == "answer" else None

    for number, (kind, action) in enumerate(hooks):
        if (kind, action) not in (("teardown_request", "raise"), ("teardown_request", "abort")):
            getattr(app, kind)(lambda given=None, number=number, action=action: act(number, action, given))


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(ACTIONS)), min_size=1, max_size=5))
def test_hooks_are_called_in_the_order_and_with_the_outcome_of_a_plain_flask(hooks: list[tuple[str, str]]) -> None:
    ours, plain = small(), Flask("plain")
    plain.add_url_rule("/straight", view_func=lambda: request.get_data(), methods=["POST"])
    plain.register_error_handler(Exception, lambda error: ("failed", getattr(error, "code", 500)))
    calls: dict[Flask, list[int]] = {ours: [], plain: []}
    logging.getLogger("plain").setLevel(logging.CRITICAL)
    found = []
    for app in (ours, plain):
        app.logger.disabled = True
        add_hooks(app, hooks, calls[app])
        response = app.test_client().post("/straight", data=b"abc")
        found.append((response.status_code, response.headers.getlist("X-Hook"), response.status_code < 400 and response.data))
    assert found[0] == found[1]
    assert calls[ours] == calls[plain]


@pytest.mark.parametrize("is_first", [True, False])
def test_a_hook_that_comes_too_late_is_refused_not_skipped(is_first: bool) -> None:
    app = small()
    ask_it = app.test_client().post if is_first else app.test_client().get
    assert ask_it("/straight").status_code == 200
    with pytest.raises(AssertionError, match="first request"):
        app.before_request(lambda: None)


def test_whatever_flask_would_call_is_called_of_a_prediction_too(make_client: Make, row: Row) -> None:
    calls = list[str]()

    def note(name: str) -> Callable[..., None]:
        return lambda *_, **__: calls.append(name)

    def wrap(app: Flask) -> None:
        own: Any = app.view_functions["/predict"]
        app.view_functions["/predict"] = lambda: (calls.append("view"), own())[1]

    started, failed = note("started"), note("failed")
    by_name: dict[str, Callable[[Flask], object]] = {
        "before": lambda app: app.before_request_funcs[None].insert(0, note("before")),
        "url": lambda app: app.url_value_preprocessor(note("url")),
        "context": lambda app: app.teardown_appcontext(note("context")),
        "view": wrap,
        "started": lambda app: request_started.connect(started, app),
    }
    for name, add in by_name.items():
        calls.clear()
        assert post(make_client(add=add), row).status_code == 200
        assert calls == [name]
    calls.clear()
    client = make_client(add=lambda app: (got_request_exception.connect(failed, app), app.after_request(fail)))
    assert post(client, row).status_code == 500
    assert calls == ["failed"]
    handled = make_client(add=lambda app: app.register_error_handler(Exception, lambda _: ("mine", 499)))
    assert post(handled, b"{").text == "mine"


@pytest.mark.parametrize(
    "read",
    [
        lambda: request.get_json(),
        lambda: request.get_data(cache=False),
        lambda: request.stream.read(3),
        lambda: request.form.get("a"),
        lambda: request.get_data(parse_form_data=True),
    ],
)
def test_a_hook_may_read_the_body(make_client: Make, row: Row, read: Callable[[], Any]) -> None:
    def look() -> None:
        g.found = read()

    hooked, bare = make_client(add=lambda app: app.before_request(look)), make_client()
    for path, body in (("/predict", row), ("/invocations", {"inputs": [row]})):
        assert answer(hooked, body, path)["predictions"] == answer(bare, body, path)["predictions"]


@pytest.mark.parametrize("is_chunked", [True, False])
def test_a_hook_that_reads_a_body_reads_no_more_than_the_limit(make_client: Make, row: Row, is_chunked: bool) -> None:
    sizes = list[int]()

    def look() -> None:
        try:
            sizes.append(len(request.get_data()))
        except Exception:
            sizes.append(-1)

    app = make_client(add=lambda app: app.before_request(look), max_body_mb=MAX_MB).application
    body = b" " * int(MAX_MB * 2**20 + 1) + json.dumps(row).encode()
    more = {"wsgi.input_terminated": True} if is_chunked else {"CONTENT_LENGTH": str(len(body))}
    base = EnvironBuilder(path="/predict", method="POST", content_type="application/json").get_environ()
    base.pop("CONTENT_LENGTH", None)
    status = run_wsgi_app(app, {**base, **more, "wsgi.input": BytesIO(body)}, buffered=True)[1]
    assert sizes == [-1]
    assert status[:3] == ("400" if is_chunked else "413")  # what is left of it is no body of its own


def test_a_hook_that_may_read_more_lets_no_more_be_predicted(make_client: Make, row: Row) -> None:
    def add(app: Flask) -> None:
        app.config["MAX_CONTENT_LENGTH"] = 2**20
        app.before_request(lambda: request.get_data() and None)

    client = make_client(add=add, max_body_mb=MAX_MB)
    assert post(client, row).status_code == 200
    assert post(client, b" " * int(MAX_MB * 2**20 + 1) + json.dumps(row).encode()).status_code == 413


@pytest.mark.parametrize("status", [1000, 99, 100, 101, 199, 600, 999, 0])
def test_a_status_that_is_no_answer_is_a_500(make_client: Make, row: Row, status: int) -> None:
    def change(response: Response) -> Response:
        response.status_code = status
        return response

    client = make_client(add=lambda app: app.after_request(change))
    assert post(client, row).get_json()["error_code"] == "INTERNAL_ERROR"


def test_headers_of_the_frame_are_there_once_and_lengths_are_true(make_client: Make, row: Row) -> None:
    origin = "https://a.example"

    def change(response: Response) -> Response:
        response.response = (part for part in (b"much ", b"longer"))
        response.headers["Content-Length"] = "3"
        names = ("X-Request-ID", "X-Content-Type-Options", "Access-Control-Allow-Origin")
        for name in names:
            response.headers[name] = "mine"
        response.headers["Vary"] = "Accept"
        return response

    client = make_client(add=lambda app: app.after_request(change), cors_origins=(origin,))
    found = post(client, row, **{"Origin": origin, "X-Request-ID": "r1"})
    assert found.data == b"much longer"
    assert found.headers.getlist("Content-Length") == ["11"]
    assert found.headers.getlist("X-Request-ID") == ["r1"]
    assert found.headers.getlist("X-Content-Type-Options") == ["nosniff"]
    assert found.headers.getlist("Access-Control-Allow-Origin") == [origin]
    assert found.headers.getlist("Vary") == ["Accept", "Origin"]


def test_a_hook_refuses_as_flask_lets_it(make_client: Make, row: Row) -> None:
    refusals: list[tuple[Callable[[], Any], int, str, str]] = [
        (lambda: abort(403, "Not from here."), 403, "PERMISSION_DENIED", "Not from here."),
        (lambda: abort(403), 403, "PERMISSION_DENIED", "Forbidden"),
        (lambda: abort(502), 502, "INTERNAL_ERROR", "Bad Gateway"),
        (lambda: abort(429, retry_after=7), 429, "REQUEST_LIMIT_EXCEEDED", "Too Many Requests"),
    ]
    for refuse, status, code, message in refusals:
        found = post(make_client(add=lambda app, refuse=refuse: app.before_request(refuse)), row)
        assert (found.status_code, found.get_json()["error_code"], found.get_json()["message"]) == (status, code, message)
    assert found.headers["Retry-After"] == "7"
    assert found.headers["Content-Type"] == "application/json"
    for refuse in (lambda: abort(Response("mine", 451)), lambda: abort(451, response=Response("mine", 451))):
        found = post(make_client(add=lambda app, refuse=refuse: app.before_request(refuse)), row)
        assert (found.status_code, found.text) == (451, "mine")


def test_a_refusal_without_a_status_is_a_bug_and_lets_nothing_through(
    make_client: Make, row: Row, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> None:
        raise HTTPException("Not from here.")

    found = post(make_client(add=lambda app: app.before_request(refuse)), row)
    assert (found.status_code, found.get_json()["error_code"]) == (500, "INTERNAL_ERROR")
    assert "Not from here." in caplog.text


def test_a_hooked_request_is_counted_and_logged_as_any_other(make_client: Make, row: Row) -> None:
    client = make_client(add=lambda app: app.before_request(lambda: ("no", 403) if "x" in request.args else None))
    written: list[bytes] = []
    log = client.service.access_log = BackgroundLog(written.append, bytes, lambda _: None)
    post(client, row)
    post(client, row, "/predict?x")
    log.close()
    first, second = (json.loads(line) for line in b"".join(written).splitlines())
    assert [first[name] for name in ("path", "status", "rows", "version")] == ["/predict", 200, 1, "1"]
    assert (second["path"], second["status"], "rows" in second) == ("/predict", 403, False)
    text = client.get("/metrics").text
    assert 'http_requests_total{path="/predict",status="200"} 1.0' in text
    assert 'http_requests_total{path="/predict",status="403"} 1.0' in text


def test_a_route_of_ones_own_is_inside_the_frame(make_client: Make) -> None:
    client = make_client(add=lambda app: app.add_url_rule("/mine/<name>", view_func=lambda name: name), tokens=("secret",))
    assert client.get("/mine/a").status_code == 401
    assert client.get("/mine/a", headers=BEARER).text == "a"
    assert 'path="/mine/<name>",status="200"' in client.get("/metrics", headers=BEARER).text


def test_a_middleware_around_the_application_has_predictions_too(make_client: Make, row: Row) -> None:
    paths = list[str]()

    def add(app: Flask) -> None:
        inner = app.wsgi_app

        def noting(environ: Any, start: Any) -> Any:
            paths.append(environ["PATH_INFO"])
            return inner(environ, start)

        app.wsgi_app = noting  # type: ignore[method-assign, assignment]

    assert post(make_client(add=add), row).status_code == 200
    assert paths == ["/predict"]


def test_the_hook_of_the_documentation_runs(make_client: Make, row: Row) -> None:
    text = (ROOT / "docs/serving.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(def .*?)```", text, re.DOTALL)
    assert code
    names: dict[str, Any] = {}
    exec(code[1], names)
    (name,) = re.findall(r"hooks: custom\.service\.(\w+)", text)
    client = make_client(add=names[name])
    for found in (post(client, row), post(client, {"inputs": [row]}, "/invocations"), client.get("/healthz")):
        assert found.status_code == 200
        assert found.headers["Cache-Control"] == "no-store"
