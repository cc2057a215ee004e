"""A server that lacks what a transfer needs is refused before any write."""

from __future__ import annotations

import http.server
import json
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from recipeline.errors import UnavailableError
from recipeline.tracking.connection.abilities import SUPPORTED, require_abilities
from recipeline.tracking.connection.client import RegistryClient
from recipeline.tracking.connection.store import Store
from tests.conftest import ROOT


@contextmanager
def server(version: str, *, knows_aliases: bool = True, status: int = 200) -> Iterator[Store]:
    """Run a server that tells a version, and that has no model."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/version":
                self._answer(status, version)
            elif knows_aliases:
                self._answer(404, json.dumps({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no model"}))
            else:
                self._answer(404, "<h1>Not Found</h1>")

        def _answer(self, code: int, text: str) -> None:
            self.send_response(code)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        uri = f"http://ann:secret@127.0.0.1:{listening.server_port}"
        yield Store(uri, RegistryClient(tracking_uri=uri), None)
        listening.shutdown()


@pytest.mark.parametrize("version", ["2.22.0", "3.5.0rc1", "4.0.0", "1.30.1", "2.9-beta"])
def test_a_server_of_another_version_is_named_without_its_password(version: str) -> None:
    with server(version) as store, pytest.raises(UnavailableError, match=f"has MLflow {version}; ") as raised:
        require_abilities(store, "Toy")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("version", "status"),
    [("3.17.0", 200), ("3.99.1", 200), ("<html>", 200), ("2.0", 401), ("", 200), ("1.2 of\nanother", 200)],
)
def test_a_server_that_fits_or_does_not_tell_is_taken(version: str, status: int) -> None:
    with server(version, status=status) as store:
        require_abilities(store, "Toy")


def test_a_server_without_aliases_is_one_sentence() -> None:
    with server("3.17.0", knows_aliases=False) as store, pytest.raises(UnavailableError, match="does not know aliases"):
        require_abilities(store, "Toy")


def test_a_database_is_taken(store: Store) -> None:
    require_abilities(store, "Toy")


def test_the_versions_are_those_that_the_library_depends_on() -> None:
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    (least, then), (end, _) = SUPPORTED
    assert f"mlflow>={least}.{then},<{end}" in needs
