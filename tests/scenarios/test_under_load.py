"""The service under load: new versions, killed workers, slow clients, ends."""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import mlflow.sklearn
import numpy as np
import orjson
import pandas as pd
import pytest

from benchmarks.load import Answer, Broken, Load, Report, ask, build_request, free_port
from recipeline.config.profile import Service as Settings
from tests.conftest import NAME, MakeProject, Project, forget_mlflow
from tests.faults import in_fork
from tests.processes import Command

WORKERS, CLIENTS, RATE = 2, 6, 150
#: Every so many seconds the service asks the registry; a change must be served within this time.
SERVED_WITHIN = 5.0
#: For so long a service that is told to end says so first.
DRAIN_SECONDS = Settings().drain_seconds
ROWS = 50
pytestmark = pytest.mark.xdist_group("under load")


@dataclass(frozen=True)
class Versions:
    """A project of two former Productions, rows, and the answers of each."""

    project: Project
    rows: list[dict[str, float]]
    expected: dict[str, np.ndarray]

    def wrong(self, answers: list[Answer]) -> list[object]:
        """Return the answers that are not what the version that they name answers."""
        found = list[object]()
        for answer in answers:
            body = answer.body
            right = self.expected[body["model"]["version"]][answer.request]
            if not np.allclose(body["predictions"], [right], rtol=1e-6):
                found.append((answer.request, body, right))
        return found


@dataclass
class Server:
    """A running service."""

    process: Command
    port: int
    log: Path

    def requests(self, rows: list[dict[str, float]]) -> list[bytes]:
        """Return a request for each row."""
        return [build_request(self.port, "/predict", orjson.dumps(row)) for row in rows]

    def workers(self) -> list[int]:
        """Return the processes that answer."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return sorted(int(pid) for task in tasks for pid in task.read_text().split())

    def listening(self) -> int:
        """Return how many workers listen: each has a socket of its own."""
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        fields = (line.split() for line in lines)
        return sum(words[1].endswith(f":{self.port:04X}") and words[3] == "0A" for words in fields)

    def wait(self, seconds: float = 20) -> None:
        """Wait until all workers listen."""
        assert eventually(lambda: self.listening() == WORKERS or self.process.poll() is not None, seconds), self.said()
        assert self.process.poll() is None, self.said()

    def said(self) -> str:
        """Return the end of what it wrote, its access log left out."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(line for line in lines if not line.startswith("{"))[-3000:]


def eventually(holds: Callable[[], bool], seconds: float) -> bool:
    """Wait until something holds; return whether it does."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture(scope="module")
def versions(make_project: MakeProject, wines: pd.DataFrame) -> Versions:
    """Two versions, made by the chain."""
    project = make_project(wines)
    project.write_profile(service={"workers": WORKERS})
    for model, promote in (("dt", "auto"), ("lr", "always")):
        assert in_fork(partial(project.ok, "main", model=model, promote=promote)) == 0
    assert project.versions() == {"1": "Archived", "2": "Production"}
    features = wines.drop(columns="quality").astype(float).head(ROWS)
    models = {version: mlflow.sklearn.load_model(f"models:/{NAME}/{version}") for version in ("1", "2")}
    forget_mlflow()
    expected = {version: np.asarray(model.predict(features)) for version, model in models.items()}
    assert not np.isclose(expected["1"], expected["2"], rtol=1e-4).any()
    rows = [dict(zip(features.columns, values, strict=True)) for values in features.to_numpy().tolist()]
    return Versions(project, rows, expected)


@contextmanager
def started(versions: Versions, folder: Path) -> Iterator[Server]:
    """Start a service, and end it."""
    port, log, project = free_port(), folder / "service.log", versions.project
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    process = Command(
        "recipeline",
        "serve",
        *("--port", str(port), "--recipe", str(project.recipe_path), "--profile", str(project.profile_path)),
        environment=environment | {"XDG_CACHE_HOME": str(folder)},
        stdout=log,
        stderr=log,
    )
    server = Server(process, port, log)
    try:
        server.wait(60)
        yield server
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def shared(versions: Versions, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that no test breaks."""
    with started(versions, tmp_path_factory.mktemp("service")) as server:
        yield server


@pytest.fixture
def server(versions: Versions, tmp_path: Path) -> Iterator[Server]:
    """A service of one's own."""
    with started(versions, tmp_path) as server:
        yield server


def loaded(server: Server, versions: Versions, during: Callable[[Load], object]) -> Report:
    """Ask while `during` works; return what became of the requests.

    Every answer is kept.
    """
    load = Load(server.port, server.requests(versions.rows), clients=CLIENTS, rate=RATE, keep_every=1)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(load.run, 600)
        try:
            during(load)
        finally:
            load.stop()
        return running.result()


# --- versions change -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A version put into Production: when its command began and returned."""

    version: str
    begun: float
    done: float


def change_versions(versions: Versions, load: Load, *, seconds: float, every: float) -> list[Change]:
    """Roll back and forth between two versions; wait for the last one."""
    changes, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        begun = time.perf_counter()
        version = {"1": "2", "2": "1"}[str(versions.project.production().version)]
        versions.project.ok("rollback", version=version)
        changes.append(Change(version, begun, time.perf_counter()))
        time.sleep(max(0.0, begun + every - time.perf_counter()))
    eventually(lambda: len({version_of(answer) for answer in load.report.answers[-RATE:]}) == 1, SERVED_WITHIN)
    return changes


def version_of(answer: Answer) -> str:
    """Return the version that an answer names."""
    return str(answer.body["model"]["version"])


def assert_changes_are_served(versions: Versions, server: Server, *, seconds: float, every: float) -> None:
    """No answer is wrong, late or missing, and each change is served soon."""
    changes: list[Change] = []
    report = loaded(
        server, versions, lambda load: changes.extend(change_versions(versions, load, seconds=seconds, every=every))
    )
    assert set(report.statuses) == {200}
    assert report.broken == []
    assert versions.wrong(report.answers) == []
    assert Counter(map(version_of, report.answers)).keys() == {"1", "2"}
    for change, after in pairwise([*changes, Change("", np.inf, np.inf)]):
        term = [answer for answer in report.answers if change.done < answer.sent < after.begun]
        served = next((answer.sent for answer in term if version_of(answer) == change.version), np.inf)
        stale = [answer.sent - change.done for answer in term if version_of(answer) != change.version]
        # A change that came after a moment may have been overtaken by the next one.
        assert served < change.done + SERVED_WITHIN or after.begun - change.done < SERVED_WITHIN
        assert max(stale, default=0) < SERVED_WITHIN


def test_a_change_of_production_is_served_within_5_seconds_and_no_request_is_lost(versions: Versions, shared: Server) -> None:
    assert_changes_are_served(versions, shared, seconds=4, every=2.5)


@pytest.mark.full
def test_a_minute_of_changes_every_3_seconds_gives_no_wrong_and_no_lost_answer(versions: Versions, shared: Server) -> None:
    assert_changes_are_served(versions, shared, seconds=60, every=3)


# --- workers are killed --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kill:
    """A worker that was killed."""

    pid: int
    at: float


def kill_workers(server: Server, choose: Callable[[list[int]], int], *, times: int, every: float) -> list[Kill]:
    """Kill a worker every so many seconds, as soon as all are there again."""
    kills = []
    for _ in range(times):
        server.wait()
        begun, pid = time.perf_counter(), choose(server.workers())
        kills.append(Kill(pid, begun))
        os.kill(pid, signal.SIGKILL)
        assert eventually(partial(is_gone, server, pid), 5)
        time.sleep(max(0.0, begun + every - time.perf_counter()))
    server.wait()
    return kills


def is_gone(server: Server, pid: int) -> bool:
    """Whether a worker is no longer there."""
    return pid not in server.workers()


def assert_kills_are_survived(
    versions: Versions, server: Server, choose: Callable[[list[int]], int], *, times: int, every: float
) -> None:
    """Assert that only requests of a killed worker are lost; workers return."""
    kills: list[Kill] = []
    report = loaded(server, versions, lambda _: kills.extend(kill_workers(server, choose, times=times, every=every)))
    assert len(kills) == times
    assert set(report.statuses) == {200}
    assert versions.wrong(report.answers) == []
    assert not [broken for broken in report.broken if not any(was_under_way(broken, kill) for kill in kills)]
    assert max(
        Counter(kill for kill in kills for broken in report.broken if was_under_way(broken, kill)).values(), default=0
    ) <= (CLIENTS)
    assert not {kill.pid for kill in kills} & set(server.workers())


def was_under_way(broken: Broken, kill: Kill) -> bool:
    """Whether a lost request was sent before the kill or the reset.

    The reset: the system takes down the worker's connections.
    """
    return 0 < broken.sent < kill.at + 0.5 and kill.at < broken.at < kill.at + 2


def test_a_killed_worker_costs_the_requests_that_it_had_taken_and_no_other(versions: Versions, server: Server) -> None:
    assert_kills_are_survived(versions, server, random.Random(1).choice, times=1, every=1.5)


def test_a_worker_that_is_killed_again_as_soon_as_it_is_back_comes_back_again(versions: Versions, server: Server) -> None:
    assert_kills_are_survived(versions, server, max, times=2, every=0.5)


@pytest.mark.full
def test_a_minute_of_kills_every_5_seconds_loses_only_requests_of_the_killed(versions: Versions, server: Server) -> None:
    assert_kills_are_survived(versions, server, random.Random(2).choice, times=12, every=5)


# --- the end -------------------------------------------------------------------------------------------------------------


def send_slowly(server: Server, row: dict[str, float], *, seconds: float, begun: Callable[[], object] = lambda: None) -> bytes:
    """Send a body slowly, byte by byte; return the answer, "" for none."""
    text = server.requests([row])[0]
    head = text.index(b"\r\n\r\n") + 4
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(text[:head])
        begun()
        with suppress(BrokenPipeError):  # it is refused before all of it is sent
            for place in range(head, len(text)):
                connection.sendall(text[place : place + 1])
                time.sleep(seconds / (len(text) - head))
        return connection.recv(65536)


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.full)])
def test_a_service_told_to_end_answers_until_the_drain_is_over_and_exits(
    versions: Versions, server: Server, number: signal.Signals
) -> None:
    told: list[float] = []
    ended: list[float] = []
    slow: list[bytes] = []

    def end(_: Load) -> None:
        begun = threading.Event()
        thread = threading.Thread(
            target=lambda: slow.append(send_slowly(server, versions.rows[0], seconds=0.8, begun=begun.set))
        )
        thread.start()
        begun.wait(5)
        time.sleep(0.3)
        told.append(time.perf_counter())
        server.process.send_signal(number)
        server.process.wait(timeout=20)
        ended.append(time.perf_counter())
        thread.join()

    report = loaded(server, versions, end)
    assert server.process.returncode == 128 + number
    assert DRAIN_SECONDS < ended[0] - told[0] < DRAIN_SECONDS + 10
    assert slow[0].startswith(b"HTTP/1.1 200 ")
    assert set(report.statuses) == {200}
    assert versions.wrong(report.answers) == []
    # Until the drain is over every request is answered; from then on connections are refused, or closed unread. What counts is
    # when a request was sent, or its connection refused: on a busy machine that is later than it was due.
    assert [broken for broken in report.broken if (broken.sent or broken.at) < told[0] + DRAIN_SECONDS] == []


# --- slow clients --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [100, pytest.param(8, marks=pytest.mark.full)])
def test_clients_that_send_their_bodies_byte_by_byte_do_not_stop_the_others(
    versions: Versions, shared: Server, count: int
) -> None:
    seconds = 3
    with ThreadPoolExecutor(count) as pool:
        slow = [pool.submit(send_slowly, shared, versions.rows[0], seconds=seconds) for _ in range(count)]
        time.sleep(0.5)
        report = loaded(shared, versions, lambda _: time.sleep(2))
        still_sending = not any(client.done() for client in slow)
        answers = [client.result() for client in slow]
    assert set(report.statuses) == {200}
    assert report.broken == []
    assert report.milliseconds(0.9) < 1000 * seconds / 2  # behind a slow client they would wait until it has sent all
    assert Counter(answer[:12] for answer in answers) == {b"HTTP/1.1 200": count}
    assert still_sending


def test_one_request_is_answered_as_the_version_in_production_does(versions: Versions, shared: Server) -> None:
    answer = ask(shared.port, shared.requests(versions.rows)[0])
    assert answer.status == 200
    assert versions.wrong([answer]) == []
