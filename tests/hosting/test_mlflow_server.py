from __future__ import annotations

import http.server
import threading
from pathlib import Path

import pytest

from recipeline.hosting import mlflow_server, processes
from recipeline.hosting.state import ServerFolder, _free_ports


def test_no_secret_is_on_the_command_line_and_no_setting_of_a_client_reaches_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN", "AWS_PROFILE", "PGHOST", "MLFLOW_RUN_ID"):
        monkeypatch.setenv(name, "the client's")
    given: dict[str, object] = {}
    monkeypatch.setattr(processes, "start", lambda *words, **more: given.update(command=words[2], **more))
    folder = ServerFolder(tmp_path)
    folder.make()
    secrets = folder.secrets()
    mlflow_server.start(folder, folder.ports(), secrets, 3)
    assert isinstance(given["command"], list)
    words, environment = " ".join(given["command"]), given["environment"]
    assert isinstance(environment, dict)
    assert "--workers 3" in words
    assert not [value for value in vars(secrets).values() if value in words]
    assert "the client's" not in environment.values()
    assert environment["PGPASSWORD"] == secrets.postgres_password
    assert secrets.postgres_password not in environment["MLFLOW_BACKEND_STORE_URI"]


def test_a_server_is_ready_when_it_answers_well() -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        status = 503

        def do_GET(self) -> None:
            self.send_response(self.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    port = _free_ports(1)[0]
    assert not mlflow_server.is_ready(port)
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert not mlflow_server.is_ready(port)
        Handler.status = 200
        assert mlflow_server.is_ready(port)
        server.shutdown()
