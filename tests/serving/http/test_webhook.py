"""The webhook: only what the server signed a moment ago wakes the follower."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.webhooks.delivery import _generate_hmac_signature

from recipeline.serving.http.webhook import MOST_BYTES
from tests.serving.helpers import Make

SECRET = "a secret of the webhook"


class Woken:
    """A service with the webhook, and how often it was woken."""

    def __init__(self, client: FlaskClient) -> None:
        self.client, self.times = client, 0
        client.service.wake = self._wake

    def _wake(self) -> None:
        self.times += 1

    def post(self, body: bytes = b"{}", headers: dict[str, str] | None = None, **changes: str) -> int:
        """Deliver a body as MLflow does, with changed headers; return the status."""
        sent = signed(body) if headers is None else headers
        return int(self.client.post("/webhook", data=body, headers=sent | changes).status_code)


def signed(body: bytes, at: float | None = None, secret: str = SECRET) -> dict[str, str]:
    """Return the headers that MLflow sends."""
    now = str(int(time.time() if at is None else at))
    return {
        "Content-Type": "application/json",
        "X-MLflow-Delivery-Id": "an-id",
        "X-MLflow-Timestamp": now,
        "X-MLflow-Signature": _generate_hmac_signature(secret, "an-id", now, body.decode()),
    }


@pytest.fixture
def woken(make_client: Make) -> Woken:
    return Woken(make_client(webhook={"secret": SECRET}))


def test_a_delivery_as_mlflow_signs_it_wakes_the_follower_whatever_its_content(woken: Woken) -> None:
    for body in (b"{}", b"no json", b"", b'{"entity": "model_version_alias"}'):
        assert woken.post(body) == 202
    assert woken.times == 4


def test_without_a_secret_there_is_no_such_address(make_client: Make) -> None:
    woken = Woken(make_client())
    assert (woken.post(), woken.times) == (404, 0)
    assert woken.client.get("/webhook").status_code == 404


def test_it_needs_no_token_and_the_other_addresses_still_do(make_client: Make) -> None:
    woken = Woken(make_client(webhook={"secret": SECRET}, tokens=("a token",)))
    assert woken.post() == 202
    assert woken.client.get("/model").status_code == 401
    assert Woken(make_client(tokens=("a token",))).post() == 401


@pytest.mark.parametrize(("age", "status"), [(0, 202), (290, 202), (-290, 202), (310, 401), (-310, 401), (1e9, 401)])
def test_an_old_delivery_is_refused_though_its_signature_holds(woken: Woken, age: float, status: int) -> None:
    body = b"{}"
    assert woken.post(body, signed(body, time.time() - age)) == status
    assert woken.times == (status == 202)


NAMES = ("X-MLflow-Delivery-Id", "X-MLflow-Timestamp", "X-MLflow-Signature")


@pytest.mark.parametrize("name", NAMES)
def test_a_delivery_without_a_header_is_refused(woken: Woken, name: str) -> None:
    sent = signed(b"{}")
    del sent[name]
    assert (woken.post(b"{}", sent), woken.times) == (401, 0)
    said = woken.client.post("/webhook", data=b"{}", headers=sent).get_data(as_text=True)
    assert name in said
    assert "must be" not in said


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    name=st.sampled_from(NAMES),
    text=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
    | st.sampled_from(["v1,", "v2,AAAA", "v1,==="]),
    body=st.binary(max_size=50),
)
def test_whatever_was_changed_on_the_way_is_refused(woken: Woken, name: str, text: str, body: bytes) -> None:
    before, sent = woken.times, signed(b"{}")
    if sent[name].strip() == text.strip():
        return
    assert woken.post(b"{}", sent | {name: text}) == 401
    assert body == b"{}" or woken.post(body, sent) == 401
    assert woken.times == before


def test_another_secret_and_another_form_of_the_signature_are_refused(woken: Woken) -> None:
    assert woken.post(b"{}", signed(b"{}", secret="another secret of it")) == 401
    right = signed(b"{}")
    plain = hmac.new(SECRET.encode(), b"{}", hashlib.sha256)
    for signature in (plain.hexdigest(), f"v1,{base64.b64encode(plain.digest()).decode()}", right["X-MLflow-Signature"][3:]):
        assert woken.post(b"{}", right | {"X-MLflow-Signature": signature}) == 401
    assert woken.times == 0


def test_a_large_body_is_refused_before_it_is_looked_at(woken: Woken) -> None:
    body = b"x" * (MOST_BYTES + 1)
    assert woken.post(body, signed(body)) == 413
    assert woken.times == 0
    body = b"x" * MOST_BYTES
    assert woken.post(body, signed(body)) == 202


def test_the_secret_is_in_no_text_of_the_settings(woken: Woken) -> None:
    wanted: Any = woken.client.service.settings
    assert SECRET not in repr(wanted)
    assert SECRET not in repr(woken.client.service)
