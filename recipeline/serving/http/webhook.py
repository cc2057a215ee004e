"""The webhook that an MLflow server calls where aliases change.

It lets the registry be asked at once. Nothing of its content is used: whoever could forge it would make the service ask the
registry, no more.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import time

from flask import Flask, Response, request
from mlflow.webhooks.constants import (
    WEBHOOK_DELIVERY_ID_HEADER,
    WEBHOOK_SIGNATURE_HEADER,
    WEBHOOK_SIGNATURE_VERSION,
    WEBHOOK_TIMESTAMP_HEADER,
)
from werkzeug.datastructures import Headers

from recipeline.config.profile import Webhook
from recipeline.serving.http.answers import Refusal, answer
from recipeline.serving.http.body import read_body
from recipeline.serving.http.frame import WEBHOOK
from recipeline.serving.state import Service

#: A body has so many bytes at most: MLflow sends some hundred.
MOST_BYTES = 64 << 10


def add_webhook(app: Flask, service: Service) -> None:
    """Add /webhook where the profile has a secret for it."""
    wanted = service.settings.webhook
    if wanted is None:
        return

    @app.post(WEBHOOK)
    def webhook() -> Response:
        body = read_body(request.environ, MOST_BYTES)
        if reason := find_fault(wanted, request.headers, body, time.time()):
            raise Refusal(401, reason)
        service.wake()
        return answer({"status": "the registry is asked"}, 202)


def find_fault(wanted: Webhook, headers: Headers, body: bytes, now: float) -> str:
    """Return why a delivery is not accepted, as a sentence; "" if it is.

    MLflow signs ``<delivery ID>.<timestamp>.<body>`` by HMAC-SHA256, as Standard Webhooks does. The comparison takes the same
    time whatever differs; the timestamp, which is signed too, must be within the window around `now`, in seconds since 1970.
    """
    names = (WEBHOOK_DELIVERY_ID_HEADER, WEBHOOK_TIMESTAMP_HEADER, WEBHOOK_SIGNATURE_HEADER)
    delivery, sent, signature = (headers.get(name, "") for name in names)
    if missing := [name for name in names if name not in headers]:
        return f"The request has no header {' and no header '.join(missing)}. MLflow signs where the webhook has a secret."
    signed = f"{delivery}.{sent}.".encode() + body
    expected = hmac.new(wanted.secret.encode(), signed, hashlib.sha256).digest()
    if not hmac.compare_digest(expected, _signature(signature)):
        return "The signature must be that of the webhook's secret."
    if not re.fullmatch("[0-9]{1,12}", sent) or abs(now - int(sent)) > wanted.seconds:
        return f"The delivery must be at most {wanted.seconds:g} s old. Compare the clocks of the two machines."
    return ""


def _signature(said: str) -> bytes:
    """Return the bytes of a signature; empty where it has another form."""
    version, _, encoded = said.partition(",")
    if version != WEBHOOK_SIGNATURE_VERSION:
        return b""
    try:
        return base64.b64decode(encoded.encode(), validate=True)
    except (binascii.Error, ValueError):
        return b""
