from __future__ import annotations

import gc
import json
from io import BytesIO

import pytest
from flask import Response
from werkzeug.test import EnvironBuilder, run_wsgi_app

from recipeline.serving.http.fast_path import Application
from tests.serving.helpers import Make, Row


def small() -> Application:
    app = Application(root_path="/models/toy")
    app.straight["/straight"] = lambda asked: Response(asked.get_data())
    app.add_url_rule("/straight", view_func=lambda: "routed", methods=["GET"])
    return app


def test_a_post_goes_straight_and_anything_else_through_flask() -> None:
    client = small().test_client()
    assert client.post("/straight", data=b"abc").data == b"abc"
    assert client.get("/straight").data == b"routed"
    assert client.put("/straight").status_code == 405
    assert client.post("/elsewhere").status_code == 404


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
        gc.collect()
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
