from __future__ import annotations

import http.server
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.utils.rest_utils import MlflowHostCreds, http_request
from urllib3 import PoolManager
from urllib3.exceptions import MaxRetryError
from urllib3.util import Retry

from recipeline.errors import UnavailableError
from recipeline.tracking.connection import patience
from recipeline.tracking.connection.patience import AnnouncedRetry, at_most, parting, patience_of, repetitions
from recipeline.tracking.connection.store import Store
from recipeline.tracking.new_run import create_run
from recipeline.tracking.runs import open_run
from tests.tracking.helpers import WHO

UNTIL = r"The MLflow server http://127\.0\.0\.1:\d+ {problem}, trying again until \d\d:\d\d:\d\d\."


@dataclass
class Answers:
    """A server that answers as it is told, the last status for ever."""

    statuses: list[int]
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[float] = field(default_factory=list)
    uri: str = ""


@contextmanager
def serving(answers: Answers, port: int = 0) -> Iterator[Answers]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers.asked.append(time.monotonic())
            self.send_response(answers.statuses[min(len(answers.asked), len(answers.statuses)) - 1])
            for name, value in answers.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        answers.uri = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield answers
        finally:
            server.shutdown()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Announced waits; pauses take a tenth of their time."""
    lines: list[str] = []
    monkeypatch.setattr(patience, "_tell", lines.append)
    monkeypatch.setattr(patience, "_announced", {})
    monkeypatch.setattr(patience, "_FIRST_PAUSE", 0.05)
    monkeypatch.setattr(patience, "_LONGEST_PAUSE", 0.2)
    patience.install(lines.append)
    return lines


def ask(uri: str, retries: int = 7, factor: float = 1) -> Any:
    return http_request(MlflowHostCreds(uri), "/api", "GET", max_retries=retries, backoff_factor=factor, timeout=5)


@given(st.integers(0, 10), st.floats(0, 30))
def test_the_time_is_that_of_mlflows_own_pauses(retries: int, factor: float) -> None:
    mlflows = Retry(total=retries, backoff_factor=factor, backoff_max=120)
    waited = 0.0
    for _ in range(retries):
        mlflows = mlflows.increment("GET", "/", error=ConnectionError())
        waited += mlflows.get_backoff_time()
    assert patience_of(retries, factor) == pytest.approx(waited)


def test_four_minutes_are_mlflows_defaults() -> None:
    assert 240 <= patience_of(7, 2) <= 250


@given(st.lists(st.booleans(), max_size=30))
def test_a_pause_is_short_and_never_reaches_beyond_the_end(errors: list[bool]) -> None:
    retry = AnnouncedRetry(total=7, backoff_factor=2, status_forcelist=[500])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patience, "_tell", lambda _: None)
        for _ in errors:
            retry = retry.increment("GET", "/", error=ConnectionError())
            assert 0 < retry.get_backoff_time() <= 6
    assert len(retry.history) == len(errors)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_a_server_that_is_not_well_is_told_at_once_and_asked_again_soon(heard: list[str], status: int) -> None:
    with serving(Answers([status, status, status, 200])) as answers:
        assert ask(answers.uri).status_code == 200
    assert len(answers.asked) == 4
    assert answers.asked[-1] - answers.asked[0] < 3
    assert len(heard) == 1
    assert re.fullmatch(UNTIL.format(problem=rf"answers {status} [\w -]+"), heard[0])


@pytest.mark.usefixtures("heard")
def test_requests_that_were_sent_again_are_counted_by_thread() -> None:
    before = repetitions()
    elsewhere: list[int] = []
    with serving(Answers([503, 503, 200])) as answers:
        ask(answers.uri)
        assert repetitions() == before + 2
        ask(answers.uri)
        assert repetitions() == before + 2
    other = threading.Thread(target=lambda: elsewhere.append(repetitions()))
    other.start()
    other.join()
    assert elsewhere == [0]


def test_a_server_that_comes_back_is_found_within_seconds(heard: list[str]) -> None:
    port, answers = free_port(), Answers([200])
    done: list[int] = []
    asking = threading.Thread(target=lambda: done.append(ask(f"http://127.0.0.1:{port}").status_code))
    asking.start()
    deadline = time.monotonic() + 10
    while not heard:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.5)
    with serving(answers, port):
        asking.join(timeout=10)
        assert done == [200]
    assert len(heard) == 1
    assert re.fullmatch(UNTIL.format(problem="does not answer"), heard[0])


def test_many_threads_that_find_the_same_server_away_say_it_once(heard: list[str]) -> None:
    with serving(Answers([503] * 8 + [200])) as answers:
        threads = [threading.Thread(target=ask, args=(answers.uri,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)
    assert len(heard) == 1


@pytest.mark.parametrize(("retries", "attempts"), [(0, 1), (1, 2), (3, None)])
def test_one_that_stays_away_is_given_up_when_mlflow_would(heard: list[str], retries: int, attempts: int | None) -> None:
    with serving(Answers([503])) as answers:
        began = time.monotonic()
        with pytest.raises(MlflowException, match="too many 503 error responses"):
            ask(answers.uri, retries, 0.5)
        took = time.monotonic() - began
    expected = patience_of(retries, 0.5)
    assert expected <= took < expected + 5
    assert len(answers.asked) == attempts or (attempts is None and len(answers.asked) > 4)
    assert len(heard) == (1 if expected else 0)


def test_what_is_polled_is_asked_twice_at_most_and_not_announced(heard: list[str]) -> None:
    with serving(Answers([503])) as answers, at_most(0):
        began = time.monotonic()
        with pytest.raises(MlflowException, match="503"):
            ask(answers.uri)
        assert time.monotonic() - began < 2
    assert len(answers.asked) == 2
    assert heard == []
    with serving(Answers([503, 503, 503, 200])) as answers:
        assert ask(answers.uri).status_code == 200


@pytest.mark.parametrize("limit", [0, 1])
def test_a_server_that_asks_for_a_longer_pause_is_not_waited_for_beyond_the_end(heard: list[str], limit: float) -> None:
    with serving(Answers([503], {"Retry-After": "21600"})) as answers, at_most(limit):
        began = time.monotonic()
        with pytest.raises(MlflowException, match="503"):
            ask(answers.uri)
        assert limit <= time.monotonic() - began < limit + 2
    assert len(heard) == (1 if limit else 0)


def test_a_pause_that_a_server_asks_for_is_kept_within_the_time(heard: list[str]) -> None:
    with serving(Answers([503, 200], {"Retry-After": "1"})) as answers:
        assert ask(answers.uri).status_code == 200
    assert answers.asked[1] - answers.asked[0] >= 1
    assert len(heard) == 1


def test_no_attempt_begins_after_the_time_that_was_announced(heard: list[str]) -> None:
    retry = AnnouncedRetry(total=7, backoff_factor=2).increment("GET", "/", error=ConnectionError())
    assert retry._until is not None
    retry._until -= patience_of(7, 2)  # the first attempt hung as long
    with pytest.raises(MaxRetryError):
        retry.increment("GET", "/", error=ConnectionError())
    assert heard == []  # without a pool there is no server to name


def test_of_limits_within_each_other_the_shortest_holds() -> None:
    with at_most(2), at_most(30):
        assert patience._LIMIT.get() == 2
        with at_most(0):
            assert patience._LIMIT.get() == 0
    assert patience._LIMIT.get() is None


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (KeyboardInterrupt(), 2),
        (SystemExit(143), 2),
        (UnavailableError("The store is away."), 2),
        (MlflowException("API request to http://away failed with exception x"), 2),
        (ValueError("of the step's own"), 30),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_failure_is_noted_without_waiting_long_for_a_server_that_is_away(error: BaseException, seconds: float) -> None:
    with parting(error, "http://away"):
        assert patience._LIMIT.get() == seconds


@pytest.mark.usefixtures("heard")
def test_a_server_that_is_silent_to_the_first_note_of_a_failure_is_asked_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_LAST_SHORT", 0.1)
    error, away, asked = UnavailableError("The store is away."), f"http://127.0.0.1:{free_port()}", list[int]()
    with pytest.raises(MlflowException), at_most(0.1):
        ask(away)  # no note of a failure
    with serving(Answers([503])) as answers:
        for _ in range(2):  # one that answers is asked each time
            before = len(answers.asked)
            with pytest.raises(MlflowException), parting(error, answers.uri):
                ask(answers.uri)
            assert len(answers.asked) > before
    with pytest.raises(MlflowException, match="API request"), parting(error, away):
        ask(away)
    for uri in (away, f"{away}/", f"{away.replace('//', '//name:word@')}/path"):
        with pytest.raises(MlflowException, match="The MLflow server does not answer"), parting(error, uri):
            asked.append(1)
    for other in ("sqlite:///a.db", answers.uri, "http://127.0.0.1", "databricks", "http://[::1"):
        with parting(error, other):
            asked.append(2)
    monkeypatch.setattr(patience, "_silent_until", dict.fromkeys(patience._silent_until, time.monotonic()))
    with parting(error, away):
        asked.append(3)
    assert asked == [2] * 5 + [3]


@pytest.mark.usefixtures("heard")
def test_a_failure_of_one_server_is_noted_in_a_store_that_answers(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the target of `promote --to` goes away: the run is the source's."""
    monkeypatch.setattr(patience, "_LAST_SHORT", 0.1)
    target = MlflowClient(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(MlflowException), open_run(store.client, "promote", store.experiment("toy"), WHO) as run, at_most(0.1):
        create_run(target, "0", {}, lambda *_: None)
    found = store.client.get_run(run.id)
    assert (found.info.status, found.data.tags["recipeline.exit_code"]) == ("FAILED", "1")


@pytest.mark.parametrize(
    ("uri", "server"),
    [("HTTPS://Mlflow.example", "https://mlflow.example:443"), ("http://[::1]/ml", "http://::1:80")],
)
def test_a_server_has_the_name_that_its_connections_have(uri: str, server: str) -> None:
    pool = PoolManager().connection_from_url(uri)
    assert patience._server_of(uri) == server == f"{pool.scheme}://{pool.host}:{pool.port}"


@pytest.mark.parametrize("status", [200, 302, 404, 409])
def test_any_other_answer_is_an_answer(heard: list[str], status: int) -> None:
    with serving(Answers([status, 200], {"Location": "/elsewhere"} if status == 302 else {})) as answers:
        assert ask(answers.uri).status_code == (200 if status == 302 else status)
    assert len(answers.asked) == (2 if status == 302 else 1)
    assert heard == []


def test_each_request_of_a_session_has_its_own_time(heard: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_ONE_OUTAGE", 0.0)
    with serving(Answers([503, 200, 503, 503, 503, 200])) as answers:
        assert ask(answers.uri, 3, 0.5).status_code == 200
        time.sleep(patience_of(3, 0.5) + 0.1)
        assert ask(answers.uri, 3, 0.5).status_code == 200
    assert len(answers.asked) == 6
    assert len(heard) == 2


def test_an_object_store_that_is_not_well_is_told_once(heard: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    with serving(Answers([503, 503, 200])) as answers:
        settings = Config(retries={"mode": "standard", "total_max_attempts": 5})
        client = boto3.client("s3", endpoint_url=answers.uri, region_name="us-east-1", config=settings)
        client.get_object(Bucket="a", Key="b")
    assert len(answers.asked) == 3
    assert heard == ["The object store does not answer, trying again for about a minute."]
