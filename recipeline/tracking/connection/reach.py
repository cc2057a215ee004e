"""The first question to a store: a single attempt, and nothing is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import requests
import sqlalchemy

from recipeline.data.origin.uris import redact
from recipeline.errors import UsageError
from recipeline.tracking.connection.failures import unwritable

_SECONDS = 10

_UNREADABLE = "its URI has a host or a port that cannot be read"

#: The databases of MLflow that are asked over a network.
_DATABASES = frozenset({"postgresql", "mysql", "mssql"})


def ask_once(uri: str) -> None:
    """Ask the store at `uri` a single time, if it is not on this machine.

    MLflow's own clients ask again for minutes, in silence, before they say that a server or a database is down. Any answer
    shows that a server is reachable; permissions and certificates are left to MLflow's client.

    Raises
    ------
    UnavailableError : the URI cannot be read. Its host and port are not told: they may be parts of an unescaped password.
    requests.RequestException, sqlalchemy.exc.SQLAlchemyError : there was no answer.
    UsageError : the driver of the database is not installed.
    """
    try:
        parts = urlsplit(uri)
        _ = parts.port
        if is_database := parts.scheme.partition("+")[0] in _DATABASES:
            sqlalchemy.make_url(uri)
    except (ValueError, sqlalchemy.exc.ArgumentError):
        raise unwritable(uri, _UNREADABLE) from None
    if parts.scheme in ("http", "https"):
        if not parts.hostname:  # its slashes were forgotten
            raise unwritable(uri, _UNREADABLE)
        with suppress(requests.exceptions.SSLError):
            requests.get(f"{uri.rstrip('/')}/health", timeout=_SECONDS)
    if is_database:
        with missing_driver(uri):
            engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool)
            engine.connect().close()


@contextmanager
def missing_driver(uri: str) -> Iterator[None]:
    """Raise UsageError where the block needs a driver that is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(
            f"The driver of the store {redact(uri)} is not installed: no module '{error.name}'.",
            fix="Install it into .venv, or name another one, as in postgresql+psycopg://.",
        ) from None
