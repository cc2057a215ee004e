from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes

from custom.red_wine import draw
from recipeline.config.recipe import Recipe
from recipeline.config.table import Download
from recipeline.data import uris
from recipeline.data.sources import fetch_download, read_source
from recipeline.data.uris import NoConnectionError, redact
from recipeline.errors import DataError, UnavailableError, UsageError, causes
from tests.conftest import ROOT, Project, as_recipe, small_recipe

WINES = b"alcohol;quality\n9.4;5\n"
Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@contextmanager
def serving(answer: Answer) -> Iterator[tuple[str, list[str]]]:
    """Give the address of a server that answers so, and the list of what it was asked for."""
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


@pytest.fixture
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting between attempts."""
    monkeypatch.setattr(uris, "ATTEMPTS", 1)


@pytest.fixture
def closed() -> str:
    """An address where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/wines.csv"


def test_a_download_is_served_from_the_cache_when_the_server_is_gone(tmp_path: Path) -> None:
    with serving(body(WINES)) as (url, asked):
        assert fetch_download(download(url), tmp_path / "cache") == WINES
    assert fetch_download(download(url), tmp_path / "cache", seconds=1) == WINES
    assert len(asked) == 1


def test_the_cache_holds_the_whole_file_under_its_digest_and_nothing_else(tmp_path: Path) -> None:
    with serving(body(WINES)) as (url, _):
        fetch_download(download(url), tmp_path / "cache")
    (cached,) = (tmp_path / "cache").iterdir()
    assert cached.name == f"{hashlib.sha256(WINES).hexdigest()}.csv"
    assert cached.read_bytes() == WINES


@pytest.mark.parametrize("change", [b"", WINES[:-1], WINES + b"1;2\n", b"\xff"])
def test_a_tampered_cached_file_is_fetched_again(tmp_path: Path, change: bytes) -> None:
    with serving(body(WINES)) as (url, asked):
        fetch_download(download(url), tmp_path)
        (cached,) = tmp_path.iterdir()
        cached.write_bytes(change)
        assert fetch_download(download(url), tmp_path) == WINES
    assert len(asked) == 2
    assert cached.read_bytes() == WINES


def test_a_tampered_cached_file_is_not_used_without_a_network(tmp_path: Path, closed: str) -> None:
    pinned = download(closed)
    (tmp_path / f"{pinned.sha256}.csv").write_bytes(b"tampered")
    with pytest.raises(NoConnectionError):
        fetch_download(pinned, tmp_path, seconds=0.5)


def test_an_interrupted_body_is_never_cached(tmp_path: Path) -> None:
    cut = WINES[:-5]
    with serving(body(cut, length=len(WINES))) as (url, asked), pytest.raises(NoConnectionError, match="broke off"):
        fetch_download(download(url), tmp_path / "cache", seconds=5)
    assert len(asked) == uris.ATTEMPTS
    assert not (tmp_path / "cache").exists()


@pytest.mark.usefixtures("one_attempt")
def test_an_interrupted_body_is_not_taken_for_whole_even_where_the_digest_is_that_of_the_part(tmp_path: Path) -> None:
    cut = WINES[:-5]
    with serving(body(cut, length=len(WINES))) as (url, _), pytest.raises(NoConnectionError):
        fetch_download(download(url, cut), tmp_path, seconds=5)
    assert list(tmp_path.iterdir()) == []


def test_a_connection_that_breaks_off_once_is_tried_again(tmp_path: Path) -> None:
    answers = iter([body(WINES[:3], length=len(WINES)), body(WINES)])
    with serving(lambda request: next(answers)(request)) as (url, asked):
        assert fetch_download(download(url), tmp_path) == WINES
    assert len(asked) == 2


def test_a_wrong_digest_is_a_data_error_and_never_cached(tmp_path: Path) -> None:
    other = hashlib.sha256(b"other").hexdigest()
    with serving(body(b"other")) as (url, asked), pytest.raises(DataError, match=rf"Got {other} instead") as error:
        fetch_download(download(url), tmp_path)
    assert error.value.exit_code == 3
    assert download(url).sha256 in error.value.sentence
    assert list(tmp_path.iterdir()) == []
    assert len(asked) == 1


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_server_that_says_no_is_unavailable_and_not_without_a_connection(tmp_path: Path, status: int) -> None:
    with serving(body(b"no", status=status)) as (url, asked), pytest.raises(UnavailableError) as error:
        fetch_download(download(url), tmp_path)
    assert not isinstance(error.value, NoConnectionError)
    assert f"HTTP {status}" in error.value.sentence
    assert error.value.exit_code == 6
    assert len(asked) == 1


def test_a_compressed_body_is_unpacked_before_it_is_checked(tmp_path: Path) -> None:
    with serving(body(gzip.compress(WINES), Content_Encoding="gzip")) as (url, _):
        assert fetch_download(download(url), tmp_path) == WINES


def test_a_redirect_is_followed(tmp_path: Path) -> None:
    with serving(body(WINES)) as (there, _), serving(body(b"", status=302, Location=there)) as (url, _):
        assert fetch_download(download(url), tmp_path) == WINES


def test_a_refused_connection_is_no_connection(tmp_path: Path, closed: str) -> None:
    with pytest.raises(NoConnectionError) as error:
        fetch_download(download(closed), tmp_path)
    assert error.value.reason == "the connection was refused"
    assert error.value.exit_code == 6


# --- why there is no connection, by real sockets -------------------------------------------------------------------------


@contextmanager
def listening(reply: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Give the port of a server that deals so with each connection, each in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def deal(peer: socket.socket) -> None:
            with suppress(OSError), peer, context.wrap_socket(peer, server_side=True) if context else peer as spoken_to:
                reply(spoken_to)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=deal, args=listener.accept()[:1], daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def say(*parts: bytes, then: float = 0.0) -> Callable[[socket.socket], None]:
    """Return a server that reads a request, says `parts`, and hangs up `then` seconds later."""

    def reply(peer: socket.socket) -> None:
        peer.recv(65536)
        for part in parts:
            peer.sendall(part)
        time.sleep(then)

    return reply


@pytest.fixture(scope="session")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """What a server needs to speak TLS under a certificate that nobody trusts."""
    if not shutil.which("openssl"):
        pytest.skip("openssl makes the certificate")
    folder = tmp_path_factory.mktemp("tls")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(["openssl", *words.split(), *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def reason_of(url: str, seconds: float = 10.0) -> str:
    with pytest.raises(NoConnectionError) as error:
        uris.fetch(url, time.monotonic() + seconds, io.BytesIO())
    return error.value.reason


@pytest.mark.usefixtures("one_attempt")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_port_where_nobody_listens_refuses(closed: str, scheme: str) -> None:
    assert reason_of(closed.replace("http", scheme)) == "the connection was refused"


@pytest.mark.usefixtures("one_attempt")
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("name", ["no-such-host.invalid", "refused.proxy.certificate.timed-out.invalid"])
def test_a_name_that_is_none_cannot_be_resolved_whatever_it_says(
    scheme: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    assert reason_of(f"{scheme}://{name}/wines.csv", seconds=30) == "the name cannot be resolved"


@pytest.mark.usefixtures("one_attempt")
def test_a_certificate_that_nobody_signed_is_not_trusted(self_signed: ssl.SSLContext) -> None:
    with listening(say(), self_signed) as port:
        assert reason_of(f"https://127.0.0.1:{port}/refused/proxy/resolve.csv") == "its certificate is not trusted"


@pytest.mark.usefixtures("one_attempt")
@pytest.mark.parametrize("speech", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"certificate? refused. timed out", b""])
def test_a_server_that_speaks_no_tls_breaks_off(speech: bytes) -> None:
    with listening(say(speech)) as port:
        assert reason_of(f"https://127.0.0.1:{port}/wines.csv") == "the connection broke off"


@pytest.mark.usefixtures("one_attempt")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_never_answers_times_out(scheme: str) -> None:
    with listening(say(then=5)) as port:
        assert reason_of(f"{scheme}://127.0.0.1:{port}/wines.csv", seconds=0.3) == "it timed out"


@pytest.mark.usefixtures("one_attempt")
def test_a_server_that_stops_in_the_middle_of_the_body_times_out() -> None:
    with listening(say(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", then=5)) as port:
        assert reason_of(f"http://127.0.0.1:{port}/wines.csv", seconds=0.3) == "it timed out"


@pytest.mark.usefixtures("one_attempt")
@pytest.mark.parametrize(
    "speech",
    [
        b"",
        b"garbage: refused, proxy, certificate, timed out\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
    ids=["nothing", "garbage", "half a body", "half a chunk"],
)
def test_a_server_that_hangs_up_breaks_off_whatever_it_says(speech: bytes) -> None:
    with listening(say(speech)) as port:
        assert reason_of(f"http://127.0.0.1:{port}/wines.csv") == "the connection broke off"


@pytest.fixture
def through(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have everything fetched through the proxy at an address."""

    def choose(proxy: str) -> None:
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy)

    return choose


@pytest.mark.usefixtures("one_attempt")
@pytest.mark.parametrize("status", [b"403 Forbidden", b"407 Proxy Authentication Required", b"502 refused timed out"])
def test_a_proxy_that_says_no_does_not_let_it_through(status: bytes, through: Callable[[str], None]) -> None:
    with listening(say(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")) as port:
        through(f"http://127.0.0.1:{port}")
        assert reason_of("https://wines.example/wines.csv") == "the proxy does not let it through"


@pytest.mark.usefixtures("one_attempt")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there_is_told_by_what_is_wrong_with_it(
    scheme: str, closed: str, through: Callable[[str], None]
) -> None:
    through(closed.removesuffix("/wines.csv"))
    assert reason_of(f"{scheme}://wines.example/wines.csv") == "the connection was refused"
    through("http://no-such-proxy.invalid:3128")
    assert reason_of(f"{scheme}://wines.example/wines.csv", seconds=30) == "the name cannot be resolved"


errors = st.sampled_from(
    [
        (socket.gaierror(-2, "x"), "the name cannot be resolved"),
        (ConnectionRefusedError(111, "x"), "the connection was refused"),
        (requests.exceptions.ProxyError("x"), "the proxy does not let it through"),
        (ssl.SSLCertVerificationError("x"), "its certificate is not trusted"),
        (TimeoutError("x"), "it timed out"),
        (OSError(113, "refused, resolved, proxy, certificate, timed out, in time"), "the connection broke off"),
    ]
)
wraps = st.lists(st.sampled_from(["argument", "cause", "context", "reason"]), max_size=5)


@given(errors, wraps)
def test_the_reason_is_found_however_deep_it_is_wrapped_and_words_do_not_count(
    error: tuple[Exception, str], ways: list[str]
) -> None:
    found: BaseException = error[0]
    for way in ways:
        outer = requests.ConnectionError(found if way == "argument" else "refused, resolved, proxy, certificate, timed out")
        if way == "cause":
            outer.__cause__ = found
        elif way == "context":
            outer.__context__ = found
        elif way == "reason":
            outer.reason = found  # type: ignore[attr-defined]
        found = outer
    assert uris._reason(found) == error[1]


def test_errors_that_lead_to_each_other_in_a_circle_come_to_an_end() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__context__ = second, first
    assert list(causes(first)) == [first, second]


def test_a_server_that_never_answers_is_given_up_on_in_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/wines.csv"
        start = time.monotonic()
        with pytest.raises(NoConnectionError):
            fetch_download(download(url), tmp_path, seconds=1)
    assert time.monotonic() - start < 2


def test_a_body_that_trickles_in_is_given_up_on_in_time(tmp_path: Path) -> None:
    with serving(trickle) as (url, _):
        start = time.monotonic()
        with pytest.raises(NoConnectionError, match="no answer within 1 s"):
            fetch_download(download(url), tmp_path / "cache", seconds=1)
        assert time.monotonic() - start < 2
    assert not (tmp_path / "cache").exists()


def test_a_body_that_trickles_in_from_a_uri_is_given_up_on_too(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uris, "URI_SECONDS", 1.0)
    with serving(trickle) as (url, _):
        start = time.monotonic()
        with pytest.raises(NoConnectionError):
            read_source(url, recipe, folder=tmp_path, cache=tmp_path)
        assert time.monotonic() - start < 2


def test_a_cache_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    with serving(body(WINES)) as (url, _):
        assert fetch_download(download(url), tmp_path / "file" / "cache") == WINES
    assert (tmp_path / "file").read_text(encoding="utf-8") == "no folder"


def test_auto_takes_the_download_where_it_can(tmp_path: Path) -> None:
    with serving(body(WINES)) as (url, _):
        source = read_source("auto", with_download(url), folder=tmp_path, cache=tmp_path)
    assert (source.kind, source.origin, source.content, source.notice) == ("uci", url, WINES, "")
    assert source.sha256 == hashlib.sha256(WINES).hexdigest()
    assert not source.is_synthetic


@pytest.mark.usefixtures("one_attempt")
def test_auto_falls_back_to_synthetic_rows_without_a_connection_and_says_so(tmp_path: Path, closed: str) -> None:
    source = read_source("auto", with_download(closed), folder=tmp_path, cache=tmp_path)
    assert source.is_synthetic
    assert source.kind == "synthetic"
    assert "these are SYNTHETIC rows" in source.notice
    assert "the connection was refused" in source.notice
    pd.testing.assert_frame_equal(pd.read_csv(io.BytesIO(source.content)), draw(42))


@pytest.mark.parametrize(
    ("answer", "kind"), [(body(b"no", status=404), UnavailableError), (body(b"other"), DataError)], ids=["404", "digest"]
)
def test_auto_never_falls_back_when_the_server_answers(tmp_path: Path, answer: Answer, kind: type[Exception]) -> None:
    with serving(answer) as (url, _), pytest.raises(kind) as error:
        read_source("auto", with_download(url), folder=tmp_path, cache=tmp_path)
    assert not isinstance(error.value, NoConnectionError)


@pytest.mark.usefixtures("one_attempt")
def test_auto_fails_without_a_connection_where_the_recipe_has_no_synthetic_rows(tmp_path: Path, closed: str) -> None:
    recipe = with_data(download=download(closed).model_dump())
    with pytest.raises(NoConnectionError):
        read_source("auto", recipe, folder=tmp_path, cache=tmp_path)


@pytest.mark.usefixtures("one_attempt")
def test_the_name_of_the_download_never_falls_back(tmp_path: Path, closed: str) -> None:
    with pytest.raises(NoConnectionError):
        read_source("uci", with_download(closed), folder=tmp_path, cache=tmp_path)


def test_auto_takes_synthetic_rows_where_the_recipe_has_nothing_else(tmp_path: Path) -> None:
    source = read_source("auto", with_data(synthetic="custom.red_wine.draw"), folder=tmp_path, cache=tmp_path)
    assert source.is_synthetic
    assert "SYNTHETIC" in source.notice


@pytest.mark.parametrize("data", ["auto", "synthetic"])
def test_a_recipe_without_rows_of_its_own_needs_a_path(tmp_path: Path, data: str) -> None:
    with pytest.raises(UsageError, match="data=PATH"):
        read_source(data, with_data(), folder=tmp_path, cache=tmp_path)


def test_synthetic_rows_are_drawn_with_the_seed_of_the_recipe(tmp_path: Path, recipe: Recipe) -> None:
    other = recipe.model_copy(update={"random_state": 7})
    first, second = (read_source("synthetic", each, folder=tmp_path, cache=tmp_path) for each in (recipe, other))
    assert first.origin == "custom.red_wine.draw"
    assert pd.read_csv(io.BytesIO(first.content)).equals(draw(42))
    assert pd.read_csv(io.BytesIO(second.content)).equals(draw(7))


def test_a_loader_that_returns_a_bunch_gives_its_frame(tmp_path: Path) -> None:
    loader = {"path": "sklearn.datasets.load_diabetes", "params": {"as_frame": True, "scaled": False}}
    source = read_source("auto", with_data(loader=loader), folder=tmp_path, cache=tmp_path)
    assert (source.kind, source.origin, source.notice) == ("file", "sklearn.datasets.load_diabetes", "")
    expected = load_diabetes(as_frame=True, scaled=False).frame
    pd.testing.assert_frame_equal(pd.read_csv(io.BytesIO(source.content)), expected, check_dtype=False)


def test_a_loader_that_does_not_take_its_parameters_is_a_usage_error(tmp_path: Path) -> None:
    loader = {"path": "sklearn.datasets.load_diabetes", "params": {"frames": True}}
    with pytest.raises(UsageError, match=r"'data\.loader\.path' must take the parameters.*frames"):
        read_source("auto", with_data(loader=loader), folder=tmp_path, cache=tmp_path)


def test_a_path_is_relative_to_the_folder(tmp_path: Path, recipe: Recipe) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.csv").write_bytes(WINES)
    source = read_source("sub/a.csv", recipe, folder=tmp_path, cache=tmp_path)
    assert (source.kind, source.origin, source.content) == ("file", str(tmp_path / "sub" / "a.csv"), WINES)


def test_an_absolute_path_and_a_file_uri_are_taken_as_they_are(tmp_path: Path, recipe: Recipe) -> None:
    path = tmp_path / "my wines.csv"
    path.write_bytes(WINES)
    for data in (str(path), path.as_uri()):
        source = read_source(data, recipe, folder=tmp_path / "elsewhere", cache=tmp_path)
        assert (source.kind, source.origin, source.content) == ("file", str(path), WINES)


@pytest.mark.parametrize(("data", "words"), [("none.csv", "does not exist"), ("", "must be a file")])
def test_a_missing_file_and_a_directory_are_data_errors(tmp_path: Path, recipe: Recipe, data: str, words: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in (f"folder/{data}", (folder / data).as_uri()):
        with pytest.raises(DataError, match=words) as error:
            read_source(name, recipe, folder=tmp_path, cache=tmp_path)
        assert error.value.exit_code == 3


def test_a_path_through_a_file_is_a_data_error(tmp_path: Path, recipe: Recipe) -> None:
    (tmp_path / "a.csv").write_bytes(WINES)
    with pytest.raises(DataError, match="Not a directory"):
        read_source("a.csv/b.csv", recipe, folder=tmp_path, cache=tmp_path)


def test_an_unknown_home_folder_is_a_data_error(tmp_path: Path, recipe: Recipe) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_source("~nobody-of-that-name/a.csv", recipe, folder=tmp_path, cache=tmp_path)


def test_an_http_uri_is_read_and_its_secrets_are_not_kept(tmp_path: Path, recipe: Recipe) -> None:
    with serving(body(WINES)) as (url, asked):
        address = url.replace("http://", "http://me:secret@") + "?token=secret"
        source = read_source(address, recipe, folder=tmp_path, cache=tmp_path)
    assert source.content == WINES
    assert source.kind == "file"
    assert source.origin == url.replace("http://", "http://***@")
    assert asked == ["/wines.csv?token=secret"]


def test_the_scheme_of_an_http_uri_may_be_in_capitals(tmp_path: Path, recipe: Recipe) -> None:
    with serving(body(WINES)) as (url, _):
        assert read_source(url.replace("http", "HTTP"), recipe, folder=tmp_path, cache=tmp_path).content == WINES


def test_a_uri_that_only_pandas_can_read_is_read_as_it_is(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What pandas asks of fsspec stands in for it; users install it where their rows are in such a place."""
    content = gzip.compress(WINES)  # what is hashed is what is there, so pandas must not unpack it

    def open_file(uri: str, mode: str) -> Any:
        if (uri, mode) != ("shelf://wines/a.csv.gz", "rb"):
            raise FileNotFoundError(uri)
        return SimpleNamespace(open=lambda: io.BytesIO(content), close=lambda: None)

    monkeypatch.setitem(sys.modules, "fsspec", SimpleNamespace(__version__="2099.1.0", __name__="fsspec", open=open_file))
    source = read_source("shelf://wines/a.csv.gz", recipe, folder=tmp_path, cache=tmp_path)
    assert (source.kind, source.origin, source.content) == ("file", "shelf://wines/a.csv.gz", content)
    with pytest.raises(UnavailableError, match=r"shelf://wines/b\.csv"):
        read_source("shelf://wines/b.csv", recipe, folder=tmp_path, cache=tmp_path)


@pytest.mark.full
def test_rows_in_an_archive_are_ingested_where_fsspec_is_installed(project: Project) -> None:
    packages = project.folder / "packages"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(packages), "fsspec"]
    subprocess.run(install, check=True, capture_output=True)
    archive = project.folder / "shelf.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(project.data, "wines.csv")
    settings = ["--recipe", str(project.recipe_path), "--profile", str(project.profile_path)]
    done = subprocess.run(
        [sys.executable, "-m", "steps.ingest", *settings, "--data", f"zip://wines.csv::{archive}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    digest = hashlib.sha256(project.data.read_bytes()).hexdigest()
    assert project.first("ingest").data.tags["recipeline.data_digest"] == digest


def test_an_artifact_of_a_run_is_read(project: Project, recipe: Recipe) -> None:
    client = project.client
    run_id = client.create_run(client.create_experiment("a", (project.folder / "mlruns").as_uri())).info.run_id
    client.log_artifact(run_id, str(project.data))
    source = read_source(f"runs:/{run_id}/wines.csv", recipe, folder=project.folder, cache=project.folder)
    assert (source.kind, source.origin) == ("file", f"runs:/{run_id}/wines.csv")
    assert source.content == project.data.read_bytes()


def test_an_http_uri_that_is_not_there_is_unavailable(tmp_path: Path, recipe: Recipe) -> None:
    with serving(body(b"", status=404)) as (url, _), pytest.raises(UnavailableError, match="HTTP 404") as error:
        read_source(f"{url}?token=secret", recipe, folder=tmp_path, cache=tmp_path)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "uri", ["http://", "http://[::1/a.csv", "https://:99999999/a.csv", "nosuch://bucket/a.csv", "s3:/", "mlflow-artifacts:/"]
)
def test_a_uri_that_nothing_can_read_is_unavailable(tmp_path: Path, recipe: Recipe, uri: str) -> None:
    with pytest.raises(UnavailableError) as error:
        read_source(uri, recipe, folder=tmp_path, cache=tmp_path)
    assert "\n" not in error.value.sentence


word = st.text("abcXYZ019", min_size=1, max_size=8)


@given(word, word, word, word)
def test_redacting_removes_password_query_and_fragment(user: str, password: str, query: str, fragment: str) -> None:
    uri = f"https://{user}:{password}@host.example:81/folder/file.csv?key={query}#{fragment}"
    assert redact(uri) == "https://***@host.example:81/folder/file.csv"


@pytest.mark.parametrize(
    "uri", ["s3://bucket/a.csv", "https://host.example/a.csv", "sqlite:////data/mlflow.db", "/data/a.csv", "sqlite:///a@b.db"]
)
def test_redacting_leaves_a_uri_without_secrets_as_it_is(uri: str) -> None:
    assert redact(uri) == uri


def test_redirects_without_end_are_unavailable_and_not_without_a_connection(tmp_path: Path) -> None:
    with serving(body(b"", status=302, Location="/wines.csv")) as (url, _), pytest.raises(UnavailableError) as error:
        fetch_download(download(url), tmp_path)
    assert not isinstance(error.value, NoConnectionError)
    assert "TooManyRedirects" in error.value.sentence


def test_redacting_removes_the_password_of_a_database() -> None:
    assert redact("postgresql+psycopg://u:p@ss@db:5432/mlflow") == "postgresql+psycopg://***@db:5432/mlflow"
