from __future__ import annotations

import json
import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipeline.serving.model.loading import ServedModel
from tests.serving.conftest import Make, post

Row = dict[str, float]


def answer(client: FlaskClient, body: Any, path: str = "/predict") -> dict[str, Any]:
    response = post(client, body, path)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.get_json()
    return found


def test_a_row_gets_its_prediction_and_the_model_that_gave_it(client: FlaskClient, model: ServedModel, row: Row) -> None:
    expected = model.predict(np.array([list(row.values())]))[0]
    found = answer(client, row)
    assert found["predictions"] == [expected]
    assert found["model"] == model.identity
    assert set(found["model"]) == {"name", "version", "run_id", "data_source"}
    assert "warnings" not in found


def test_rows_get_their_predictions_in_order(client: FlaskClient, row: Row, wines: pd.DataFrame) -> None:
    rows = wines[list(row)].head(50).to_dict("records")
    each = [answer(client, one)["predictions"][0] for one in rows]
    assert answer(client, rows)["predictions"] == pytest.approx(each, rel=1e-12)


def test_an_interval_and_a_grade_are_given_on_request(client: FlaskClient, row: Row) -> None:
    found = answer(client, row, "/predict?interval=true&grade=true")
    interval, predicted = found["interval"], found["predictions"][0]
    assert interval["level"] == 0.9
    assert interval["lower"][0] < predicted < interval["upper"][0]
    assert found["grade"] == [round(predicted)]
    assert "interval" not in answer(client, row, "/predict?interval=false")


@pytest.mark.parametrize(("predicted", "grade"), [(1e300, 10), (-1e300, 0), (5.5, 6), (4.4, 4)])
def test_a_grade_is_within_the_targets_range(
    make_client: Make, model: ServedModel, row: Row, predicted: float, grade: int
) -> None:
    from dataclasses import replace

    client = make_client(served=replace(model, predict=lambda _: np.array([predicted])))
    assert answer(client, row, "/predict?grade=true")["grade"] == [grade]


@pytest.mark.parametrize("query", ["intervall=true", "interval=maybe", "x=1"])
def test_another_wish_is_refused(client: FlaskClient, row: Row, query: str) -> None:
    assert post(client, row, f"/predict?{query}").status_code == 422


def test_a_value_that_the_model_was_not_trained_on_is_answered_with_a_warning(client: FlaskClient, row: Row) -> None:
    found = answer(client, [row, row | {"alcohol": 1000}])
    assert len(found["predictions"]) == 2
    (warning,) = found["warnings"]
    assert (warning["row"], warning["field"], warning["got"]) == (1, "alcohol", "1000")
    assert warning["rule"].startswith("trained on ")
    assert "% vol" in warning["rule"]


def test_such_a_value_is_refused_where_the_profile_says_so(make_client: Make, row: Row) -> None:
    client = make_client(out_of_range="reject")
    response = post(client, row | {"alcohol": 1000})
    assert response.status_code == 422
    assert response.get_json()["faults"][0]["rule"].startswith("trained on ")
    assert post(client, row).status_code == 200


def test_faults_are_told_by_row_field_rule_and_got(client: FlaskClient, row: Row) -> None:
    response = post(client, [row, row | {"alcohol": None}])
    assert response.status_code == 422
    body = response.get_json()
    assert body["error_code"] == "INVALID_PARAMETER_VALUE"
    assert body["message"] == "The rows break the rules of the model's columns: 1 fault."
    assert body["faults"] == [{"row": 1, "field": "alcohol", "rule": "must not be null", "got": "null"}]
    assert body["request_id"] == response.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "BAD_REQUEST"),
        (b"\xff", 400, "BAD_REQUEST"),
        (b"[]", 422, "INVALID_PARAMETER_VALUE"),
        (b"[" + b"1," * 100 + b"1]", 413, "REQUEST_TOO_LARGE"),
        (b" " * 20_000, 413, "REQUEST_TOO_LARGE"),
    ],
)
def test_a_body_that_cannot_be_answered_has_its_status(make_client: Make, body: bytes, status: int, code: str) -> None:
    response = post(make_client(max_rows=100, max_body_mb=0.01), body)
    assert response.status_code == status
    assert response.get_json()["error_code"] == code


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


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/xml"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Encoding": "gzip"}, 415),
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
    ],
)
def test_the_body_must_be_json(client: FlaskClient, row: Row, headers: dict[str, str], status: int) -> None:
    assert post(client, row, **headers).status_code == status


def test_unknown_addresses_and_methods_are_answered_in_json(client: FlaskClient) -> None:
    missing, method = client.get("/nothing"), client.get("/predict")
    assert (missing.status_code, missing.get_json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")
    assert (method.status_code, method.get_json()["error_code"]) == (405, "METHOD_NOT_ALLOWED")
    assert "POST" in method.headers["Allow"]


def test_without_a_token_only_health_is_told(make_client: Make, row: Row) -> None:
    client = make_client(tokens=("secret-1", "secret-2"))
    assert post(client, row).status_code == 401
    assert post(client, row, Authorization="Bearer secret").status_code == 401
    assert post(client, row).headers["WWW-Authenticate"] == "Bearer"
    for path in ("/model", "/metrics"):
        assert client.get(path).status_code == 401
    for path in ("/", "/healthz", "/readyz", "/ping"):
        assert client.get(path).status_code == 200
    for token in ("secret-1", "secret-2"):
        assert post(client, row, Authorization=f"Bearer {token}").status_code == 200


def test_a_service_without_a_model_says_what_to_do(make_client: Make, row: Row) -> None:
    client = make_client(served=None)
    assert client.get("/healthz").status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert "make pipeline" in ready.get_json()["advice"]
    asked = post(client, row)
    assert asked.status_code == 503
    assert "make pipeline" in asked.get_json()["message"]
    assert client.get("/ping").status_code == 503


def test_a_service_about_to_end_refuses(make_client: Make, row: Row) -> None:
    client = make_client()
    client.service.draining = lambda: True  # type: ignore[attr-defined]
    assert client.get("/readyz").status_code == 503
    assert client.get("/readyz").get_json()["status"] == "draining"
    response = post(client, row)
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"


def test_requests_past_the_limit_are_refused_and_the_place_is_given_back(
    make_client: Make, model: ServedModel, row: Row
) -> None:
    from dataclasses import replace

    begun, end = threading.Event(), threading.Event()

    def slow(values: np.ndarray) -> np.ndarray:
        begun.set()
        assert end.wait(10)
        return model.predict(values)

    client = make_client(served=replace(model, predict=slow), concurrency=1)
    statuses: list[int] = []
    first = threading.Thread(target=lambda: statuses.append(post(client, row).status_code))
    first.start()
    assert begun.wait(10)
    response = post(client, row)
    assert response.status_code == 429
    assert response.get_json()["error_code"] == "REQUEST_LIMIT_EXCEEDED"
    end.set()
    first.join()
    assert statuses == [200]
    assert post(client, row).status_code == 200
    for bad in (b"{", b"[]", [row] * 2):
        post(client, bad)
    assert post(client, row).status_code == 200


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


def test_requests_counted_for_the_first_time_at_once_do_not_trip_over_each_other(client: FlaskClient, row: Row) -> None:
    family = client.service.metrics.seconds  # type: ignore[attr-defined]
    label, statuses = family.labels, []

    def ask_in_between(*names: str) -> Any:
        family.labels = label
        found = label(*names)
        statuses.append(client.application.test_client().post("/predict", json=row).status_code)
        return found

    family.labels = ask_in_between
    assert post(client, row).status_code == 200
    assert statuses == [200]


def test_a_request_id_is_kept_and_a_bad_one_is_replaced(client: FlaskClient, row: Row) -> None:
    assert post(client, row, **{"X-Request-ID": "abc-123"}).headers["X-Request-ID"] == "abc-123"
    assert len(post(client, row, **{"X-Request-ID": "a b\t<script>"}).headers["X-Request-ID"]) == 32


def test_an_answer_tells_where_its_time_went(client: FlaskClient, row: Row) -> None:
    parts = [part.split(";")[0].strip() for part in post(client, row).headers["Server-Timing"].split(",")]
    assert parts == ["parse", "validate", "predict", "encode"]


def test_the_model_is_described(client: FlaskClient, model: ServedModel) -> None:
    found = client.get("/model").get_json()
    assert found["version"] == model.version
    assert found["features"] == model.info["features"]
    assert set(found["metrics"]) == {"cv_mean_score", "cv_std", "r2", "rmse", "mae"}
    assert {"train_run_id", "evaluate_run_id", "data_digest", "git_commit"} <= set(found["lineage"])
    assert found["answers_by"]["path"] == model.path


def test_the_metrics_count_requests_rows_and_values_out_of_range(client: FlaskClient, row: Row) -> None:
    post(client, [row, row | {"alcohol": 1000}])
    post(client, b"{")
    text = client.get("/metrics").text
    assert 'http_requests_total{path="/predict",status="200"} 1.0' in text
    assert 'http_requests_total{path="/predict",status="400"} 1.0' in text
    assert 'predicted_rows_total{version="1"} 2.0' in text
    assert 'rows_out_of_training_range_total{feature="alcohol"} 1.0' in text
    assert 'http_request_duration_seconds_count{path="/predict"} 2.0' in text
    assert 'served_model_version{model="SmallModel"} 1.0' in text


def test_clients_of_mlflow_move_without_a_change(client: FlaskClient, row: Row) -> None:
    expected = answer(client, row)["predictions"]
    split = {"dataframe_split": {"columns": [*row, "color"], "data": [[*row.values(), "red"]]}}
    assert answer(client, split, "/invocations") == {"predictions": expected}
    csv = (",".join(row) + "\n" + ",".join(map(repr, row.values()))).encode()
    response = post(client, csv, "/invocations", **{"Content-Type": "text/csv"})
    assert response.get_json() == {"predictions": expected}
    assert client.get("/ping").data == b"\n"
    assert client.get("/health").status_code == 200
    assert client.get("/version").text.startswith("3.")
    assert post(client, {"instances": [[None] * len(row)]}, "/invocations").status_code == 422


def test_the_body_is_not_given_back(client: FlaskClient, row: Row) -> None:
    marker = "x" * 50 + "MARKER"
    for body in (row | {"alcohol": marker}, row | {marker: 1}, {"instances": marker}, f"{{{marker}".encode()):
        for path in ("/predict", "/invocations"):
            assert "MARKER" not in post(client, body, path).text


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
columns = st.sampled_from(["alcohol", "pH", "density"]) | st.text(max_size=3)
bodies = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(columns, inner, max_size=3))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(changes=st.dictionaries(columns, bodies, max_size=2), other=bodies, path=st.sampled_from(["/predict", "/invocations"]))
def test_whatever_json_is_sent_is_answered_or_refused(
    client: FlaskClient, row: Row, changes: dict[str, Any], other: Any, path: str
) -> None:
    for body in (row | changes, [row, row | changes], other, {"instances": other}):
        response = post(client, json.dumps(body).encode(), path)
        assert response.status_code in (200, 422)
        if response.status_code == 200:
            predictions = response.get_json()["predictions"]
            assert predictions
            assert all(isinstance(value, float) and np.isfinite(value) for value in predictions)
