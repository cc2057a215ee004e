"""Slow, large and endless bodies, against a service in a process of its own."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recipeline.serving.http.answers import Refusal
from recipeline.serving.http.gateway import Arrivals, Body
from tests.conftest import Project
from tests.serving.helpers import Server

SECONDS, MAX_MB = 1.5, 1

pytestmark = pytest.mark.xdist_group("gateway")  # whose tests share a service


@pytest.fixture(scope="module")
def server(_trained: Path, wines: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = Project(_trained, wines)
    project.folder = tmp_path_factory.mktemp("gateway")
    project.profile_path = project.folder / "gateway.yaml"
    service = {"workers": 1, "drain_seconds": 0, "body_seconds": SECONDS, "max_body_mb": MAX_MB, "max_rows": 1000}
    project.write_profile(service=service)
    server = Server(project, RECIPELINE_SERVICE_TOKENS="secret")
    server.wait()
    yield server
    server.end()


def head(path: str, kind: str, *lines: str) -> bytes:
    first = [f"POST {path} HTTP/1.1", "Host: localhost", "Authorization: Bearer secret", f"Content-Type: {kind}"]
    return "".join(f"{line}\r\n" for line in (*first, *lines, "")).encode()


def status_of(client: socket.socket) -> int:
    return int(client.recv(65536).split(b" ", 2)[1])


def send_until_answered(clients: list[socket.socket], part: bytes) -> None:
    """Send a part of a body to each client, again and again until it has its answer."""
    waiting, deadline = clients, time.monotonic() + 60 * SECONDS
    while waiting:
        assert time.monotonic() < deadline, f"{len(waiting)} clients are not cut off"
        time.sleep(SECONDS / 3)
        answered, _, _ = select.select(waiting, [], [], 0)
        waiting = [client for client in waiting if client not in answered]
        for client in waiting:
            with contextlib.suppress(ConnectionError):  # it is being answered
                client.sendall(part)


def ask(server: Server, path: str, body: bytes | None = None, **headers: str) -> int:
    asked = urllib.request.Request(f"{server.url}{path}", body, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        json.loads(error.read())
        return error.code


BEARER = {"Authorization": "Bearer secret"}


@pytest.mark.parametrize(
    ("length", "more"),
    [
        pytest.param("Content-Length: 1000", b"", id="that stop", marks=pytest.mark.full),
        pytest.param("Content-Length: 1000", b" ", id="that go on by a byte"),
        pytest.param("Transfer-Encoding: chunked", b"", id="in chunks, that stop"),
        pytest.param("Transfer-Encoding: chunked", b"1\r\n \r\n", id="in chunks, that go on by a byte", marks=pytest.mark.full),
    ],
)
def test_slow_bodies_keep_nobody_waiting_and_are_cut_off_in_time(server: Server, length: str, more: bytes) -> None:
    is_chunked = "chunked" in length
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20)) for _ in range(400)]
        begun = time.monotonic()
        for client in clients:
            client.sendall(head("/predict", "application/json", length) + (b"1\r\n{\r\n" if is_chunked else b"{"))
        for path, headers in (("/healthz", {}), ("/readyz", {}), ("/model", BEARER)):
            asked = time.monotonic()
            assert ask(server, path, None, **headers) == 200
            assert time.monotonic() - asked < 20 * SECONDS  # behind 400 bodies, one by one, they would wait for 600 s
        if more:
            send_until_answered(clients, more)
        assert {status_of(client) for client in clients} == {408}
        assert time.monotonic() - begun < SECONDS + 3
        for client in clients:  # and the connection is closed, also where the client does not close it
            with contextlib.suppress(ConnectionResetError):
                while client.recv(65536):
                    pass


@pytest.mark.parametrize("kind", ["application/json", "text/csv", "text/plain"])
@pytest.mark.parametrize("path", ["/predict", "/invocations"])
def test_a_body_of_unknown_length_above_the_limit_is_refused_whole(server: Server, path: str, kind: str) -> None:
    expected = 413 if kind == "application/json" or (kind, path) == ("text/csv", "/invocations") else 415
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(head(path, kind, "Transfer-Encoding: chunked"))
        for _ in range(MAX_MB + 2):
            client.sendall(b"100000\r\n" + b"1,2\n" * (1 << 18) + b"\r\n")
        client.sendall(b"0\r\n\r\n")
        assert status_of(client) == expected


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/predict", BEARER, 413),
        ("/invocations", BEARER | {"Content-Type": "text/csv"}, 413),
        ("/predict", BEARER | {"Content-Type": "text/plain"}, 415),
        ("/predict", {}, 401),
        ("/nothing", BEARER, 404),
        ("/healthz", {}, 405),
    ],
)
def test_a_client_that_sends_all_before_it_reads_can_read_why_it_is_refused(
    server: Server, path: str, headers: dict[str, str], status: int
) -> None:
    assert ask(server, path, b"1,2\n" * (5 << 18), **headers) == status


def test_a_client_that_asks_first_is_refused_before_it_sends(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(head("/predict", "application/json", "Content-Length: 99999999", "Expect: 100-continue"))
        assert status_of(client) == 413


def test_a_body_that_ends_before_its_length_is_not_predicted(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(head("/invocations", "text/csv", "Content-Length: 1000") + b"a,b\n1,2\n")
        client.shutdown(socket.SHUT_WR)
        assert status_of(client) == 400


class Exchanged:
    """An exchange that notes how it was cut off."""

    def __init__(self) -> None:
        self.cut = threading.Event()
        self.answers: list[int] = []

    def response_iter(self, status: int, *_: Any) -> None:
        self.answers.append(status)
        self.cut.set()

    def read(self, _: int) -> bytes:
        assert self.cut.wait(10)
        return b"a part"


def test_the_one_that_waits_longest_makes_room_for_one_more() -> None:
    arrivals, waiting, results = Arrivals(60, places=2), [Exchanged() for _ in range(3)], list[int]()

    def wait(exchange: Any) -> None:
        try:
            Body(arrivals, exchange, exchange).read(100)
        except Refusal as refused:
            results.append(refused.status)

    threads = [threading.Thread(target=wait, args=(exchange,)) for exchange in waiting]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    assert waiting[0].cut.wait(10)
    assert [exchange.answers for exchange in waiting] == [[408], [], []]
    arrivals.cut_late(time.monotonic() + 59)
    assert [exchange.answers for exchange in waiting] == [[408], [], []]
    arrivals.cut_late(time.monotonic() + 61)
    for thread in threads:
        thread.join(10)
    assert results == [408] * 3
    assert [exchange.answers for exchange in waiting] == [[408]] * 3


def test_a_body_that_comes_in_time_is_left_alone() -> None:
    from io import BytesIO

    arrivals, exchange = Arrivals(60, places=1), Exchanged()
    body = Body(arrivals, exchange, BytesIO(b"abcdef"))
    assert (body.read(4), body.ended, body.read(4), body.ended) == (b"abcd", False, b"ef", True)
    arrivals.cut_late(time.monotonic() + 61)
    assert exchange.answers == []
