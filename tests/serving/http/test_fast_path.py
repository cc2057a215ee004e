from __future__ import annotations

import pytest
from flask import Response
from werkzeug.exceptions import RequestEntityTooLarge

from recipeline.serving.http.fast_path import Application
from tests.serving.helpers import Make


def test_a_body_of_unknown_length_is_cut_off_too(make_client: Make) -> None:
    from io import BytesIO

    client = make_client(max_body_mb=0.01)
    response = client.post(
        "/predict",
        input_stream=BytesIO(b" " * 100_000),
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert response.status_code == 413


def small() -> Application:
    app = Application(max_body=10)
    app.straight["/straight"] = lambda asked: Response(asked.get_data())
    app.add_url_rule("/straight", view_func=lambda: "routed", methods=["GET"])
    return app


def test_a_post_goes_straight_and_anything_else_through_flask() -> None:
    client = small().test_client()
    assert client.post("/straight", data=b"abc").data == b"abc"
    assert client.get("/straight").data == b"routed"
    assert client.put("/straight").status_code == 405
    assert client.post("/elsewhere").status_code == 404


def test_what_goes_straight_has_the_limit_of_what_does_not() -> None:
    with pytest.raises(RequestEntityTooLarge):
        small().test_client().post("/straight", data=b"x" * 11)
