"""The abilities of a server that versions are transferred to."""

from __future__ import annotations

import re
from contextlib import suppress

import requests
from mlflow.exceptions import MlflowException

from recipeline.data.origin.uris import redact
from recipeline.errors import UnavailableError
from recipeline.tracking._compat import NO_ANSWER
from recipeline.tracking.connection.failures import is_missing
from recipeline.tracking.connection.store import Store

#: The versions of MLflow that this library works with: from the first, below the second.
SUPPORTED = ((3, 17), (4, 0))

_SECONDS = 10


def require_abilities(store: Store, model_name: str) -> None:
    """Raise UnavailableError for a server that lacks what a transfer needs.

    A server of another version of MLflow may not know logged models, and one of another make no aliases. A database is compared
    with the installed MLflow when it is opened.
    """
    found = _version_of(store.uri)
    if found and not SUPPORTED[0] <= tuple(map(int, re.findall(r"\d+", found)[:2])) < SUPPORTED[1]:
        (first, then), (end, _) = SUPPORTED
        raise UnavailableError(
            f"The server {redact(store.uri)} has MLflow {found}; versions are transferred to MLflow {first}.{then} or later, "
            f"below {end}.",
            fix="Upgrade the server, or name another one.",
        )
    try:
        store.client.get_model_version_by_alias(model_name, "champion")
    except MlflowException as error:
        if not is_missing(error):
            raise
        if NO_ANSWER in str(error):  # not "there is none", but "there is no such address"
            raise UnavailableError(
                f"The server {redact(store.uri)} does not know aliases, which Production is kept by.",
                fix="Name an MLflow server, or its database.",
            ) from None


def _version_of(uri: str) -> str:
    """Return the version that a server tells; empty if there is none."""
    if not uri.startswith(("http://", "https://")):
        return ""
    with suppress(requests.RequestException):
        answer = requests.get(f"{uri.rstrip('/')}/version", timeout=_SECONDS)
        found = re.match(r"(\d{1,6}\.\d{1,6})([.\w+-]{0,40})\s*$", answer.text)  # whoever answers there
        if answer.ok and found:
            return found[0].strip()
    return ""
