from __future__ import annotations

import json
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from recipeline.serving.logs.background import BackgroundLog
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


@pytest.mark.parametrize(
    "sane",
    [
        "abc-123",
        "Root=1-67891233-abcdef012345678912345678",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "{3F2504E0-4F89-11D3-9A0C-0305E82C3301}",
        "q83vEjRWeJA+/w==",
        "user@host/7#3|a,b;c",
        "x" * 200,
    ],
)
def test_a_request_id_of_any_sane_shape_is_kept(client: FlaskClient, sane: str) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": sane}).headers["X-Request-ID"] == sane


@pytest.mark.parametrize("other", ["", "a b", "a\tb", "<script>", 'a"b', "a'b", "a\\b", "a`b", "\xe9", "\x7f", "x" * 201])
def test_another_request_id_is_replaced(client: FlaskClient, other: str) -> None:
    found = client.get("/healthz", headers={"X-Request-ID": other}).headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", found)


@pytest.mark.parametrize("header", ["Bearer secret", "bearer secret", "BEARER  secret "])
def test_the_scheme_of_a_token_is_read_in_any_case(make_client: Make, header: str) -> None:
    assert make_client(tokens=("secret",)).get("/model", headers={"Authorization": header}).status_code == 200


@pytest.mark.parametrize("header", ["", "secret", " secret", "Basic secret", "Token secret", "Bearer", "Bearersecret"])
def test_a_token_without_its_scheme_is_none(make_client: Make, header: str) -> None:
    assert make_client(tokens=("secret",)).get("/model", headers={"Authorization": header}).status_code == 401


def test_the_metrics_count_requests_rows_and_values_out_of_range(client: FlaskClient, row: Row) -> None:
    post(client, [row, row | {"alcohol": 24}])
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
    log = client.service.access_log = BackgroundLog(written.append, bytes, lambda _: None)
    post(client, row)
    client.get("/nothing?token=secret")
    log.close()
    first, second = (json.loads(line) for line in b"".join(written).splitlines())
    assert [first[name] for name in ("method", "path", "status", "rows", "version")] == ["POST", "/predict", 200, 1, "1"]
    assert first["ms"] > 0
    assert len(first["request_id"]) == 32
    assert second["status"] == 404
    assert b"secret" not in b"".join(written)


def test_a_line_of_the_access_log_is_short_whatever_a_client_sends(client: FlaskClient) -> None:
    written: list[bytes] = []
    log = client.service.access_log = BackgroundLog(written.append, bytes, lambda _: None)
    client.open("/" + "a" * 60_000, method="A" * 60_000, headers={"X-Request-ID": "a" * 60_000})
    log.close()
    (line,) = written
    assert len(line) < 1000


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_random_paths_and_methods_add_no_labels_to_the_metrics(client: FlaskClient, method: str) -> None:
    def labels() -> int:
        return int(client.get("/metrics").text.count("\n"))

    client.open("/first", method=method)
    labels()
    before = labels()
    for number in range(50):
        client.open(f"/{number}/%00/{{path}}", method=method, headers={"Host": f"h{number}"})
    assert labels() == before
