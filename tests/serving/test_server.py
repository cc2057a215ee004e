from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from recipeline.errors import UnavailableError
from recipeline.serving import server as server_module
from recipeline.serving.server import Serving
from tests.conftest import Project
from tests.faults import in_fork
from tests.serving.helpers import Server, free_port

HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def serve_profile(project: Project, **service: Any) -> None:
    project.write_profile(service={"workers": 2, "drain_seconds": 0.5} | service)


@pytest.fixture
def row(trained: Project) -> dict[str, float]:
    champion = trained.production()
    run = trained.client.get_run(champion.tags["recipeline.evaluate_run_id"])
    path = Path(run.info.artifact_uri.removeprefix("file://")) / "model_info.json"
    found: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))["sample"]
    return found


def test_a_service_starts_answers_and_ends_with_the_code_of_its_signal(server: Server, row: dict[str, float]) -> None:
    state = server.wait().json()
    assert state["served"]["version"] == state["wanted"] == "1"
    session = requests.Session()
    assert session.post(f"{server.url}/predict", json=row, timeout=10).json()["model"]["version"] == "1"
    metrics = requests.get(f"{server.url}/metrics", timeout=10).text
    assert 'http_requests_total{path="/predict",status="200"} 1.0' in metrics
    server.process.send_signal(signal.SIGTERM)
    assert server.end_by_itself(20) == 143
    assert "Traceback" not in server.log.read_text()
    with pytest.raises(requests.ConnectionError):
        session.get(f"{server.url}/healthz", timeout=5)


def test_connections_that_are_idle_between_two_requests_keep_nobody_out(server: Server, row: dict[str, float]) -> None:
    server.wait()
    body = json.dumps(row).encode()
    head = HEAD % len(body)
    with contextlib.ExitStack() as stack:
        for _ in range(400):  # more than the threads of both workers
            client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            client.sendall(head + body)
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
        assert server.predict(row).status_code == 200


@pytest.mark.full
def test_a_client_that_never_sends_all_of_its_request_is_cut_off_at_the_end(server: Server) -> None:
    server.wait()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(HEAD % 9 + b"{")
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        assert server.end_by_itself(25) == 143


def test_the_metrics_of_all_workers_add_up_also_those_of_one_that_died(server: Server, row: dict[str, float]) -> None:
    server.wait()
    for _ in range(40):
        server.predict(row)  # a connection each, so that both workers are asked
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    time.sleep(0.1)
    server.wait()
    for _ in range(10):
        assert server.predict(row).status_code == 200
    text = requests.get(f"{server.url}/metrics", timeout=10).text
    assert 'http_requests_total{path="/predict",status="200"} 50.0' in text
    assert 'served_model_version{model="SmallModel"} 1.0' in text


def test_a_token_is_asked_for_where_the_environment_has_one(copied: Project, row: dict[str, float]) -> None:
    server = Server(copied, RECIPELINE_SERVICE_TOKENS="one, two")
    try:
        server.wait()
        assert server.predict(row).status_code == 401
        assert server.predict(row, Authorization="Bearer two").status_code == 200
        assert "two" not in server.log.read_text().replace("two workers", "")
    finally:
        server.end()


def test_a_service_on_an_empty_store_starts_and_says_what_to_do(project: Project) -> None:
    serve_profile(project, workers=1)
    server = Server(project)
    try:
        state = server.wait(503).json()
        assert state["advice"] == "No version of SmallModel is in Production: make pipeline"
        assert requests.get(f"{server.url}/healthz", timeout=5).status_code == 200
    finally:
        assert server.end(signal.SIGINT) == 130


def test_a_service_without_a_store_makes_none_says_so_and_follows_the_one_that_the_chain_makes(
    project: Project, empty_store: Path
) -> None:
    serve_profile(project, workers=1)
    database = project.folder / "mlflow.db"
    database.unlink()
    server = Server(project)
    try:
        state = server.wait(503).json()
        sentence = f"No MLflow store at {database}: there is no such file."
        assert state["registry"]["error"].startswith(sentence)
        assert "make pipeline" in state["registry"]["error"]
        assert server.log.read_text().count(f"the registry does not answer: {sentence}") == 1
        assert not list(project.folder.glob("mlflow.db*"))
        shutil.copy(empty_store, database)
        deadline = time.monotonic() + 30
        while (state := server.wait(503).json())["registry"]["error"]:
            assert time.monotonic() < deadline, state
            time.sleep(0.2)
        assert state["advice"] == "No version of SmallModel is in Production: make pipeline"
    finally:
        assert server.end(signal.SIGINT) == 130


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["--host", "0.0.0.0"], 2, "is reachable from other machines, and no tokens are set."),
        (["--port", "99999"], 2, "port must be a number from 1 to 65535. Got '99999' instead."),
        (["--host", "256.1.1.1", "--insecure", "on"], 6, "The service cannot listen on 256.1.1.1:"),
        (["--insecure", "maybe"], 2, "insecure must be on or off."),
    ],
)
def test_a_service_that_cannot_start_says_so_in_one_sentence(
    copied: Project, options: list[str], code: int, sentence: str
) -> None:
    server = Server(copied, *options)
    assert server.end_by_itself() == code
    assert sentence in server.log.read_text()
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("tokens", [",", " ", " , ,"])
def test_a_variable_of_tokens_that_holds_none_does_not_open_the_service(
    project: Project, monkeypatch: pytest.MonkeyPatch, tokens: str
) -> None:
    monkeypatch.setenv("RECIPELINE_SERVICE_TOKENS", tokens)
    done = project.run("serve")
    assert done.exit_code == 2
    assert "RECIPELINE_SERVICE_TOKENS is set and holds no token." in done.stderr


@pytest.mark.parametrize("tokens", ["schlüssel", "good, two words", os.fsdecode(b"\xff")])
def test_a_token_that_no_header_can_hold_is_refused_at_the_start(
    project: Project, monkeypatch: pytest.MonkeyPatch, tokens: str
) -> None:
    monkeypatch.setenv("RECIPELINE_SERVICE_TOKENS", tokens)
    done = project.run("serve")
    assert done.exit_code == 2
    assert "RECIPELINE_SERVICE_TOKENS must be letters, digits and signs of ASCII" in done.stderr
    assert tokens not in done.stderr


def test_a_port_that_is_taken_is_named(copied: Project) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = Server(copied, "--port", str(taken.getsockname()[1]))
        assert server.end_by_itself() == 6
    assert "cannot listen on 127.0.0.1:" in server.log.read_text()


HOOKS = """
import asyncio, os, sys
from flask import request

def add(app):
    inner = app.wsgi_app

    def outer(environ, start_response):
        if environ["PATH_INFO"].startswith("/outside"):
            start_response("1000 No", [])
            return [b""]
        return inner(environ, start_response)

    app.wsgi_app = outer

    @app.after_request
    def change(response):
        response.headers["X-Pid"] = str(os.getpid())
        wish = request.headers.get("X-Wish", "200")
        if wish == "exit":
            sys.exit(3)
        if wish == "cancel":
            raise asyncio.CancelledError
        response.status_code = int(wish)
        return response

def fail(app):
    raise LookupError("in a function that adds hooks")

def fill(app):
    with open(__file__ + ".calls", "a") as calls:
        calls.write(".")
    if os.path.exists(__file__ + ".bug"):
        raise LookupError("in a worker")
    if os.path.exists(__file__ + ".full"):
        raise OSError(28, "No space left on device")
    if os.path.exists(__file__ + ".later"):
        os.rename(__file__ + ".later", __file__ + ".full")
    if os.path.exists(__file__ + ".bugs"):
        os.rename(__file__ + ".bugs", __file__ + ".bug")
"""


def test_the_hooks_of_the_profile_run_and_end_no_worker(copied: Project, row: dict[str, float], tmp_path: Path) -> None:
    (tmp_path / "my_hooks.py").write_text(HOOKS, encoding="utf-8")
    serve_profile(copied, workers=1, hooks="my_hooks.add")
    server = Server(copied, PYTHONPATH=str(tmp_path))
    try:
        before = server.wait().headers["X-Pid"]
        for wish in ("exit", "cancel", "none", "1000", "99", "101"):
            found = server.predict(row, **{"X-Wish": wish, "X-Request-ID": f"r-{wish}"})
            assert (found.status_code, found.json()["request_id"]) == (500, f"r-{wish}")
        found = requests.get(f"{server.url}/outside%0ALINE", timeout=5)
        assert (found.status_code, found.json()["error_code"]) == (500, "INTERNAL_ERROR")
        found = server.predict(row)
        assert (found.status_code, found.headers["X-Pid"]) == (200, before)
        log = server.log.read_text()
        assert "request r-none failed" in log
        assert "invalid literal for int()" in log
        assert r"a request to '/outside\nLINE' failed" in log
    finally:
        server.end()


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (
            "my_hooks.fail",
            "The profile's service.hooks must be a function that takes the Flask application. Got 'my_hooks.fail'",
        ),
        pytest.param(
            "my_hooks.adds",
            "The profile's service.hooks must be the import path of an installed object.",
            marks=pytest.mark.full,
        ),
    ],
)
def test_hooks_that_cannot_be_added_end_the_command(copied: Project, tmp_path: Path, path: str, sentence: str) -> None:
    (tmp_path / "my_hooks.py").write_text(HOOKS, encoding="utf-8")
    serve_profile(copied, hooks=path)
    server = Server(copied, PYTHONPATH=str(tmp_path))
    assert server.end_by_itself() == 2
    log = server.log.read_text()
    assert sentence in log
    assert ("in a function that adds hooks" in log) == (path == "my_hooks.fail")


@pytest.mark.parametrize(
    ("when", "code", "sentence"),
    [
        ("later", 6, "A worker of the service cannot begin: No space left on device. Free space for temporary files, or name"),
        ("bugs", 1, "a worker of the service cannot begin: LookupError: in a worker; its traceback is above"),
    ],
)
def test_a_service_whose_workers_cannot_begin_ends_and_says_why(
    copied: Project, tmp_path: Path, when: str, code: int, sentence: str
) -> None:
    """The hooks are tried once before, without what they fail by in the workers."""
    hooks = tmp_path / "my_hooks.py"
    hooks.write_text(HOOKS, encoding="utf-8")
    Path(f"{hooks}.{when}").touch()
    serve_profile(copied, hooks="my_hooks.fill")
    server = Server(copied, PYTHONPATH=str(tmp_path))
    assert server.end_by_itself() == code
    log = server.log.read_text()
    assert log.count(sentence) == 1
    assert ("Traceback" in log) is (code == 1)
    assert len(Path(f"{hooks}.calls").read_text()) <= 3  # the trial and two workers


def test_a_worker_that_cannot_begin_while_others_have_is_tried_again_and_told_once(copied: Project, tmp_path: Path) -> None:
    hooks = tmp_path / "my_hooks.py"
    hooks.write_text(HOOKS, encoding="utf-8")
    serve_profile(copied, workers=1, hooks="my_hooks.fill")
    server = Server(copied, PYTHONPATH=str(tmp_path))
    try:
        server.wait()
        Path(f"{hooks}.full").touch()
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        deadline = time.monotonic() + 30
        while len(Path(f"{hooks}.calls").read_text()) < 6:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        Path(f"{hooks}.full").unlink()
        server.wait()
        assert server.log.read_text().count("cannot begin, and is tried again: No space left on device") == 1
    finally:
        assert server.end() == 143


def test_a_temporary_folder_with_too_little_room_for_the_workers_ends_the_service_before_they_begin(
    copied: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Serving] = []
    with monkeypatch.context() as patch:
        patch.setattr(server_module, "serve", lambda serving, *_: begun.append(serving) or 0)
        copied.run("serve")

    def work() -> None:
        signal.alarm(60)  # else it would begin workers for ever
        resource.setrlimit(resource.RLIMIT_FSIZE, (8, resource.RLIM_INFINITY))
        with pytest.raises(
            UnavailableError, match=r"cannot write temporary files: File too large\. Free space for them, or name"
        ):
            server_module.serve(begun[0], "127.0.0.1", free_port())

    assert in_fork(work) == 0
