from __future__ import annotations

import json
from typing import Any

from flask.testing import FlaskClient

from recipeline.serving.background import BackgroundLog, as_line
from tests.serving.helpers import Make, Row, post


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


def test_requests_counted_for_the_first_time_at_once_do_not_trip_over_each_other(client: FlaskClient, row: Row) -> None:
    family = client.service.metrics.seconds
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


def test_the_access_log_has_a_line_for_each_request(client: FlaskClient, row: dict[str, float]) -> None:
    written: list[bytes] = []
    log = client.service.access_log = BackgroundLog(written.append, as_line, lambda _: None)
    post(client, row)
    client.get("/nothing?token=secret")
    log.close()
    first, second = (json.loads(line) for line in b"".join(written).splitlines())
    assert [first[name] for name in ("method", "path", "status", "rows", "version")] == ["POST", "/predict", 200, 1, "1"]
    assert first["ms"] > 0
    assert len(first["request_id"]) == 32
    assert second["status"] == 404
    assert b"secret" not in b"".join(written)
