from __future__ import annotations

import numpy as np
import pytest
from flask.testing import FlaskClient
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from recipeline.config.profile import Service as Settings
from recipeline.serving.http.answers import ID, Refusal, answer, failed, served_by
from recipeline.serving.model.loading import ServedModel
from recipeline.serving.prometheus import Metrics
from recipeline.serving.rows.faults import Fault
from recipeline.serving.state import Service
from tests.serving.helpers import Make, Row, post


def test_unknown_addresses_and_methods_are_answered_in_json(client: FlaskClient) -> None:
    missing, method = client.get("/nothing"), client.get("/predict")
    assert (missing.status_code, missing.get_json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")
    assert (method.status_code, method.get_json()["error_code"]) == (405, "METHOD_NOT_ALLOWED")
    assert "POST" in method.headers["Allow"]


def test_a_bug_is_a_500_without_a_traceback_and_the_log_has_it(
    make_client: Make, model: ServedModel, row: Row, caplog: pytest.LogCaptureFixture
) -> None:
    from dataclasses import replace

    def broken(_: np.ndarray) -> np.ndarray:
        raise ZeroDivisionError("the secret inside")

    client = make_client(served=replace(model, predict=broken))
    response = post(client, row, **{"X-Request-ID": "asked-1"})
    assert response.status_code == 500
    assert "secret" not in response.text
    assert "Traceback" not in response.text
    assert "asked-1" in caplog.text
    assert "the secret inside" in caplog.text


def test_the_body_is_not_given_back(client: FlaskClient, row: Row) -> None:
    marker = "x" * 50 + "MARKER"
    for body in (row | {"alcohol": marker}, row | {marker: 1}, {"instances": marker}, f"{{{marker}".encode()):
        for path in ("/predict", "/invocations"):
            assert "MARKER" not in post(client, body, path).text


def asked() -> Request:
    return Request({**EnvironBuilder().get_environ(), ID: "asked-1"})


def test_a_refusal_is_its_status_its_sentence_its_headers_and_its_faults() -> None:
    fault = Fault(1, "alcohol", "must not be null", "null")
    response = failed(asked(), Refusal(422, "No.", faults=(fault,), headers={"Retry-After": "1"}))
    assert (response.status_code, response.headers["Retry-After"], response.mimetype) == (422, "1", "application/json")
    assert response.get_json() == {
        "error_code": "INVALID_PARAMETER_VALUE",
        "message": "No.",
        "request_id": "asked-1",
        "faults": [fault.as_dict()],
    }


def test_what_http_knows_has_its_own_status_and_words() -> None:
    response = failed(asked(), MethodNotAllowed(["POST", "GET"]))
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, POST")
    assert response.get_json()["error_code"] == "METHOD_NOT_ALLOWED"


def test_numbers_of_numpy_are_json() -> None:
    assert answer({"a": np.array([1.5, 2.0])}).get_json() == {"a": [1.5, 2.0]}


def test_without_a_model_it_is_said_when_to_ask_again() -> None:
    with pytest.raises(Refusal, match="No model is served") as refused:
        served_by(Service("Toy", Settings(), Metrics()))
    assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "5"})
