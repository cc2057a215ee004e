"""A server that answers as a test likes, and downloads from it."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from recipeline.config.recipe import Recipe
from recipeline.config.table import Download
from recipeline.data.origin.sources import Source
from tests.conftest import as_recipe, small_recipe

WINES = b"alcohol;quality\n9.4;5\n"
Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(answer: Answer) -> Iterator[tuple[str, list[str]]]:
    """Give the address of a server that answers so, and its list of requests."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            with suppress(OSError):
                answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/wines.csv", asked
    finally:
        server.shutdown()
        server.server_close()


def body(content: bytes, *, length: int | None = None, status: int = 200, **headers: str) -> Answer:
    """Return an answer with this body, of the length it says it has."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(content)

    return answer


def trickle(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "100000")
    request.end_headers()
    for _ in range(200):
        request.wfile.write(b"x")
        request.wfile.flush()
        time.sleep(0.05)


def download(url: str, content: bytes = WINES) -> Download:
    return Download(name="uci", url=url, sha256=hashlib.sha256(content).hexdigest())


def with_data(**data: Any) -> Recipe:
    return as_recipe(small_recipe() | {"data": data})


def with_download(url: str, content: bytes = WINES) -> Recipe:
    return with_data(download=download(url, content).model_dump(), synthetic="custom.red_wine.draw")


def content_of(source: Source) -> bytes:
    """Return the bytes of a source of one file."""
    (file,) = source.files
    return file.path.read_bytes()
