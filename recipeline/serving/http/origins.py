"""Browser access: host names against DNS rebinding, and origins (CORS)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from recipeline.serving.http.answers import OUTSIDE

_HOST = re.compile(r"(\[[^\]]+\]|[^:]*)(?::\d*)?")

_ALLOWED = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Encoding, Content-Type, X-Request-ID",
    "Access-Control-Max-Age": "600",
}

_EXPOSED = f"{OUTSIDE}, Retry-After, Server-Timing, X-Request-ID"


@lru_cache(256)
def names_host(header: str, hosts: tuple[str, ...]) -> bool:
    """Whether a Host header names this machine's loopback or one of `hosts`.

    Browsers always send one.
    """
    found = _HOST.fullmatch(header)
    name = found[1].lower() if found else "?"
    if name in ("", "localhost") or name in {host.lower() for host in hosts}:
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def asks_first(environ: Mapping[str, Any]) -> bool:
    """Whether a request is a CORS preflight, which has no token."""
    return environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ


def cors_headers(environ: Mapping[str, Any], allowed: Collection[str]) -> dict[str, str]:
    """Return the CORS headers for an allowed origin; `*` allows all."""
    origin = environ.get("HTTP_ORIGIN", "")
    told = {"Vary": "Origin"} if allowed else {}
    if not origin or not (origin in allowed or "*" in allowed):
        return told
    return {
        **told,
        "Access-Control-Allow-Origin": origin,
        **(_ALLOWED if asks_first(environ) else {"Access-Control-Expose-Headers": _EXPOSED}),
    }
