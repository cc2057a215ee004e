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
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from recipeline.config.recipe import Recipe
from recipeline.data.origin import uris
from recipeline.data.origin.paths import local_path
from recipeline.data.origin.sources import Source, fetch_download, read_source
from recipeline.data.origin.uris import NoConnectionError, redact, scrub
from recipeline.errors import DataError, RecipelineError, UnavailableError
from recipeline.escape import is_remote
from recipeline.tracking.connection.failures import unwritable
from tests.conftest import ROOT, Project, as_recipe, small_recipe
from tests.data.server import WINES, body, content_of, download, serving, trickle


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


def test_an_absolute_path_and_a_file_uri_are_taken_as_they_are(tmp_path: Path, recipe: Recipe) -> None:
    path = tmp_path / "my wines.csv"
    path.write_bytes(WINES)
    for data in (str(path), path.as_uri()):
        source = read_source(data, recipe, folder=tmp_path / "elsewhere", cache=tmp_path)
        assert (source.kind, source.origin, content_of(source)) == ("file", str(path), WINES)


def test_an_unknown_home_folder_is_a_data_error(tmp_path: Path, recipe: Recipe) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_source("~nobody-of-that-name/a.csv", recipe, folder=tmp_path, cache=tmp_path)


def test_an_http_uri_is_read_and_its_secrets_are_not_kept(tmp_path: Path, recipe: Recipe) -> None:
    with serving(body(WINES)) as (url, asked):
        address = url.replace("http://", "http://me:secret@") + "?token=secret"
        source = read_source(address, recipe, folder=tmp_path, cache=tmp_path)
    assert content_of(source) == WINES
    assert source.kind == "file"
    assert source.origin == url.replace("http://", "http://***@")
    assert asked == ["/wines.csv?token=secret"]


def test_the_scheme_of_an_http_uri_may_be_in_capitals(tmp_path: Path, recipe: Recipe) -> None:
    with serving(body(WINES)) as (url, _):
        assert content_of(read_source(url.replace("http", "HTTP"), recipe, folder=tmp_path, cache=tmp_path)) == WINES


def test_a_uri_that_only_pandas_can_read_is_read_as_it_is(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in of fsspec, which users install for rows in such a place."""
    content = gzip.compress(WINES)  # what is hashed is what is there, so pandas must not unpack it

    def open_file(uri: str, mode: str) -> Any:
        if (uri, mode) != ("shelf://wines/a.csv.gz", "rb"):
            raise FileNotFoundError(uri)
        return SimpleNamespace(open=lambda: io.BytesIO(content), close=lambda: None)

    monkeypatch.setitem(sys.modules, "fsspec", SimpleNamespace(__version__="2099.1.0", __name__="fsspec", open=open_file))
    source = read_source("shelf://wines/a.csv.gz", recipe, folder=tmp_path, cache=tmp_path)
    assert (source.kind, source.origin, content_of(source)) == ("file", "shelf://wines/a.csv.gz", content)
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
    assert content_of(source) == project.data.read_bytes()


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


#: Halves of secrets, told by what no address has; between them is what ends a user, a host or a path.
SECRETS = st.lists(st.sampled_from("/?#@:;%&=+ é"), min_size=0, max_size=4).map(lambda marks: f"Zq7x{''.join(marks)}Kw9v")


@given(
    st.sampled_from(["https", "http", "s3", "postgresql+psycopg", "ftp", "mlflow-artifacts", "HTTPS"]),
    st.sampled_from(["/", "//", "///"]),
    st.sampled_from(["", "user", "a@b", "12"]),
    SECRETS,
    st.sampled_from(["host", "host.example:81", "[::1]:5000"]),
    st.sampled_from(["", "/", "/a/b.csv", "/a@b.csv", "/x;v=1"]),
    st.one_of(st.just(""), st.tuples(st.sampled_from(["?key=", ";token=", "#", "?a=1&sig="]), SECRETS).map("".join)),
)
def test_no_part_of_a_secret_outlives_redacting(
    scheme: str, slashes: str, user: str, password: str, host: str, path: str, end: str
) -> None:
    uri = f"{scheme}:{slashes}{user}:{password}@{host}{path}{end}"
    assert not [half for half in ("Zq7x", "Kw9v") if half in redact(uri)]
    assert redact(uri).startswith(f"{scheme}:/")
    assert redact(redact(uri)) == redact(uri)
    said = f"cannot read {uri}: no route to {user}:{password}@{host}, password {password}, {unquote(password)}"
    for half in ("Zq7x", "Kw9v"):
        assert half not in scrub(said, uri)


@given(st.sampled_from(["?key=", ";token=", "#", "?a=1&sig="]), SECRETS)
def test_no_part_of_a_token_behind_the_path_outlives_redacting(mark: str, token: str) -> None:
    for half in ("Zq7x", "Kw9v"):
        assert half not in redact(f"https://host.example/a.csv{mark}{token}")
        assert half not in redact(f"s3://bucket/a.csv{mark}{token}")


@pytest.mark.parametrize("password", ["Zq7x/Kw9v", "Zq7x?Kw9v", "Zq7x#Kw9v", "Zq7x@Kw9v"])
def test_no_door_shows_the_password_of_an_address(tmp_path: Path, password: str) -> None:
    url = f"http://user:{password}@127.0.0.1:9/a.csv;token=Zq7x?sig=Kw9v"
    content = small_recipe()
    content["data"]["download"] = {"name": "odd", "url": url, "sha256": "0" * 64}
    said = []
    for data in (url, "odd", "auto", url.replace("//", "/", 1), url.replace("http", "s3")):
        try:
            said.append(read_source(data, as_recipe(content), folder=tmp_path, cache=tmp_path).notice)
        except RecipelineError as error:
            said.append(str(error))
    said.append(Source("odd", url, []).origin)
    said.append(unwritable(url, f"could not connect to {url}").sentence)
    assert all(said)
    assert not [words for words in said if "Zq7x" in words or "Kw9v" in words]


def test_redirects_without_end_are_unavailable_and_not_without_a_connection(tmp_path: Path) -> None:
    with serving(body(b"", status=302, Location="/wines.csv")) as (url, _), pytest.raises(UnavailableError) as error:
        fetch_download(download(url), tmp_path)
    assert not isinstance(error.value, NoConnectionError)
    assert "TooManyRedirects" in error.value.sentence


def test_redacting_removes_the_password_of_a_database() -> None:
    assert redact("postgresql+psycopg://u:p@ss@db:5432/mlflow") == "postgresql+psycopg://***@db:5432/mlflow"


SLASHLESS = st.builds(
    lambda scheme, slash, user, word, rest: (f"{scheme}:{slash}{user}:{word}@{rest}", word),
    st.sampled_from(["http", "https", "HTTP", "s3", "ftp", "postgresql", "mysql+pymysql", "mssql+pyodbc"]),
    st.sampled_from(["", "/", "//"]),
    st.text("abcXYZ09._-", min_size=1),
    st.text("abcXYZ09._-!$%&*+=,/;?#:@", min_size=3).map(lambda word: f"Zq7x{word}Kw9v"),
    st.sampled_from(["h", "h:80", "h/db", "h/db?a=b"]),
)


@given(SLASHLESS)
def test_an_address_whose_slashes_were_forgotten_is_no_path_and_shows_no_password(found: tuple[str, str]) -> None:
    uri, word = found
    assert is_remote(uri)
    shown = [redact(uri), scrub(f"no '{uri}/health', no '{uri}'", uri), unwritable(uri, f"Invalid URL '{uri}'").sentence]
    assert not [text for text in shown if "Zq7x" in text or "Kw9v" in text or word in text]


@pytest.mark.parametrize(
    "path",
    ["a.csv", "a:b.csv", "a@b.csv", "rows/a:b@c.csv", "c:/a@b:c.csv", "12:30.csv", "models:/a@champion", "file:/a:b@c.csv"],
)
def test_a_path_with_a_colon_or_an_at_is_one_and_is_shown(path: str) -> None:
    assert redact(path) == path
    assert is_remote(path) is path.startswith("models:/")


def test_a_path_is_where_its_folder_says_and_a_uri_of_another_place_is_none(tmp_path: Path) -> None:
    assert local_path("a.csv", tmp_path) == tmp_path / "a.csv"
    assert local_path("/a.csv", tmp_path) == Path("/a.csv")
    assert local_path("file:///a%20b.csv", tmp_path) == Path("/a b.csv")
    assert local_path("s3://bucket/a.csv", tmp_path) is None
    assert local_path("c:/a.csv", tmp_path) == tmp_path / "c:/a.csv"  # a letter is no scheme


# --- why there is no connection, by real sockets -------------------------------------------------------------------------


@contextmanager
def listening(reply: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Give the port of a server that deals so with each connection.

    Each in a thread of its own.
    """
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
    """Return a server that reads a request, says `parts`, and hangs up later."""

    def reply(peer: socket.socket) -> None:
        peer.recv(65536)
        for part in parts:
            peer.sendall(part)
        time.sleep(then)

    return reply


@pytest.fixture(scope="session")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's TLS settings with a certificate that nobody trusts."""
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
            outer.reason = found
        found = outer
    assert uris._reason(found) == error[1]
