from __future__ import annotations

import pytest
from flask import Response

from recipeline.serving.http.fast_path import Application


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


@pytest.mark.parametrize("path", ["/straight", "/models/toy/straight"])
def test_a_path_is_the_same_with_the_root_path_and_without(path: str) -> None:
    client = small().test_client()
    assert client.post(path, data=b"abc").data == b"abc"
    assert client.get(path).data == b"routed"


@pytest.mark.parametrize("path", ["/models/toys/straight", "/models/straight", "/models/toy/models/toy/straight"][:])
def test_another_path_is_another_address(path: str) -> None:
    assert small().test_client().post(path, data=b"abc").status_code == 404
