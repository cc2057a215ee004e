from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from recipeline.serving.http.origins import names_host
from tests.serving.helpers import Make, Row, post

ELSEWHERE = [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example#localhost",
    "user@localhost",
    "localhost,evil.example",
    "localhost:8000:80",
    "localhost:http",
    "10.0.0.1",
    "169.254.169.254",
    "0.0.0.0",
    "[::2]",
    "[",
    "2130706433",
]
HERE = ["localhost", "LocalHost:8000", "127.0.0.1", "127.0.0.1:8000", "127.8.9.10", "[::1]", "[::1]:8000", ""]


@pytest.fixture
def private(make_client: Make) -> FlaskClient:
    client = make_client(hosts=("Wine.Example",))
    client.service.is_private = True
    return client


@pytest.mark.parametrize("host", ELSEWHERE)
def test_on_a_loopback_address_other_names_are_refused_at_every_address(private: FlaskClient, row: Row, host: str) -> None:
    for path in ("/", "/healthz", "/metrics", "/model", "/docs", "/openapi.json", "/nothing"):
        response = private.get(path, headers={"Host": host})
        assert (response.status_code, response.get_json()["error_code"]) == (421, "MISDIRECTED_REQUEST")
    for path in ("/predict", "/invocations"):
        assert post(private, row, path, Host=host).status_code == 421


@pytest.mark.parametrize("host", [*HERE, "wine.example", "WINE.example:443"])
def test_its_own_names_and_those_of_the_profile_are_answered_to(private: FlaskClient, row: Row, host: str) -> None:
    assert post(private, row, Host=host).status_code == 200
    assert private.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "10.0.0.1:8000", "wine", "[fe80::1]:80"])
def test_a_service_that_others_reach_is_asked_by_any_name(client: FlaskClient, row: Row, host: str) -> None:
    assert post(client, row, Host=host).status_code == 200


def test_a_name_is_no_pattern() -> None:
    assert not names_host("wineXexample", ("wine.example",))
    assert not names_host("a.wine.example", ("wine.example",))


ASKS_FIRST = {
    "Origin": "https://page.example",
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


def test_by_default_no_other_origin_is_let_in(client: FlaskClient, row: Row) -> None:
    for response in (
        post(client, row, Origin="https://page.example"),
        client.options("/predict", headers=ASKS_FIRST),
        client.get("/model", headers=ASKS_FIRST),
    ):
        assert not [name for name in response.headers.keys() if name.startswith("Access-Control")]  # noqa: SIM118


@pytest.mark.parametrize("allowed", [("https://other.example", "https://page.example"), ("*",)])
def test_origins_of_the_profile_are_let_in_with_a_token(make_client: Make, row: Row, allowed: tuple[str, ...]) -> None:
    client = make_client(cors_origins=allowed, tokens=("secret",))
    first = client.options("/predict", headers=ASKS_FIRST)
    assert (first.status_code, first.headers["Access-Control-Allow-Origin"]) == (204, "https://page.example")
    assert "Authorization" in first.headers["Access-Control-Allow-Headers"]
    for headers, status in (({"Authorization": "Bearer secret"}, 200), ({}, 401)):
        response = post(client, row, Origin="https://page.example", **headers)
        assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (status, "https://page.example")
        assert "X-Request-ID" in response.headers["Access-Control-Expose-Headers"]
        assert "Origin" in response.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://page.example.evil.example", "http://page.example"])
def test_other_origins_are_not(make_client: Make, row: Row, origin: str) -> None:
    client = make_client(cors_origins=("https://page.example",))
    for response in (
        post(client, row, Origin=origin),
        client.options("/predict", headers=ASKS_FIRST | {"Origin": origin}),
    ):
        assert "Access-Control-Allow-Origin" not in response.headers
        assert "Origin" in response.headers["Vary"]
