"""A real browser for tests of pages, and a server for it to ask."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright
from werkzeug.serving import make_server

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_PATIENCE_MS = 20_000
#: What a browser says of every answer that is an error; the tests are about what the page makes of it.
_ANSWERS = "Failed to load resource: the server responded with a status of "


def find_chromium() -> str | None:
    """Return the path of a Chromium: what CHROMIUM says, else one of the path's."""
    named = os.environ.get("CHROMIUM", "")
    return named if named and os.access(named, os.X_OK) else next(filter(None, map(shutil.which, _NAMES)), None)


needs_chromium = pytest.mark.skipif(
    find_chromium() is None, reason="needs a browser: apt-get install chromium, or name one in the environment as CHROMIUM"
)


@contextmanager
def start_chromium() -> Iterator[Browser]:
    """Run a browser without a window."""
    expect.set_options(timeout=_PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """Answer with `app` on a free port; yield the address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Tab:
    """An open page of the service, and what it did that it must not do."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(_PATIENCE_MS)
        self.page.on("console", self._listen)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", self._watch)

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(
            (_ANSWERS, "Failed to load resource: net::ERR_")
        ):
            self.complaints.append(f"{message.type}: {message.text}")

    def _watch(self, request: Request) -> None:
        self.requests.append(request)
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and f"{parts.scheme}://{parts.netloc}" != self.address:
            self.complaints.append(f"asked {request.url}")


@contextmanager
def open_tab(context: BrowserContext, address: str, path: str) -> Iterator[Tab]:
    """Open a page; at its end it has logged no error and asked no other host."""
    tab = Tab(context.new_page(), address)
    tab.page.goto(address + path)
    yield tab
    tab.page.close()
    assert not tab.complaints
