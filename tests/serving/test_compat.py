"""Undocumented parts of Granian, Flask and pyarrow in use."""

from __future__ import annotations

import atexit
import importlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from flask import Flask

from recipeline.serving._compat import end_setup, leave_s3_open
from tests.conftest import ROOT
from tests.faults import in_fork
from tests.serving.helpers import free_port

SERVER = """
import sys, threading
from granian.constants import HTTPModes, Interfaces
from granian.server.mp import MPServer
from recipeline.serving._compat import cut_off, hand_over

def run(exchange, scope):
    if scope["PATH_INFO"] == "/late":
        threading.Timer(0.2, cut_off, (exchange, 408, b"late")).start()
    body = scope["wsgi.input"].read(1000)
    if scope["PATH_INFO"] == "/model":
        return exchange.response_bytes(200, [], scope["HTTP_HOST"].encode())
    exchange.response_bytes(200, [], b"%d of %s" % (len(body), scope["REMOTE_ADDR"].encode()))
    print(len(body), flush=True)

def load():
    hand_over(run)
    return print

if __name__ == "__main__":
    settings = {"interface": Interfaces.WSGI, "http": HTTPModes.http1, "blocking_threads": 2, "log_enabled": False}
    server = MPServer("", port=int(sys.argv[1]), **settings)
    server.serve(target_loader=load, wrap_loader=False)
"""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    number = free_port()
    with subprocess.Popen([sys.executable, "-c", SERVER, str(number)], cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", number)) == 0:
                    break
            time.sleep(0.1)
        yield number
        process.terminate()


def ask(port: int, path: str, length: int) -> bytes:
    """Return the answers to a body of three bytes that says another length."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\nabc".encode())
        return b"".join(iter(lambda: client.recv(1000), b""))


def test_a_function_is_handed_each_request_and_answers_it(port: int) -> None:
    assert ask(port, "/", 3).endswith(b"3 of 127.0.0.1")


def test_who_is_cut_off_is_answered_and_disconnected_and_its_thread_goes_on(port: int) -> None:
    for _ in range(5):  # of two threads none is left behind
        found = ask(port, "/late", 10)
        assert found.startswith(b"HTTP/1.1 408 ")
        assert found.endswith(b"late")
    assert ask(port, "/", 3).endswith(b"3 of 127.0.0.1")


@pytest.mark.parametrize(
    ("target", "host", "seen"),
    [
        ("/model", "Host: a.example:80\r\n", b"a.example:80"),
        ("http://b.example/model", "", b"b.example"),
        ("http://b.example/model", "Host: a.example\r\n", b"a.example"),  # browsers and proxies send the same name twice
        ("/model", "Host: a.example\r\nHost: b.example\r\n", b"a.example,b.example"),
        ("/model", "", b""),
    ],
)
def test_a_host_is_that_of_the_header_else_that_of_the_address(port: int, target: str, host: str, seen: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(f"GET {target} HTTP/1.1\r\n{host}Connection: close\r\n\r\n".encode())
        found = b"".join(iter(lambda: client.recv(1000), b""))
    assert found.rpartition(b"\r\n\r\n")[2] == seen


def test_after_the_end_of_the_setup_flask_takes_no_hooks() -> None:
    app = Flask("app")
    app.before_request(lambda: None)
    end_setup(app)
    registrars: list[Any] = [app.before_request, app.after_request, app.teardown_request, partial(app.add_url_rule, "/", "/")]
    for register in registrars:
        with pytest.raises(AssertionError, match="first request"):
            register(lambda: None)
    assert app.test_client().get("/").status_code == 404


def test_pyarrow_shuts_s3_down_by_a_function_that_can_be_taken_back() -> None:
    def work() -> None:
        called = list[int]()
        atexit._clear()
        atexit.register(called.append, 1)
        sys.modules.pop("pyarrow.fs", None)
        importlib.import_module("pyarrow.fs")
        assert atexit._ncallbacks() == 2
        leave_s3_open()
        atexit._run_exitfuncs()
        assert called == [1]

    assert in_fork(work) == 0
