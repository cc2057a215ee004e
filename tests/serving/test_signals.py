"""Signals to a service of its own, forked and without a store: fast."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import json
import os
import pickle
import re
import signal
import socket
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import requests
from joblib import cpu_count

from recipeline.cli.environment import open_settings
from recipeline.config.profile import Service as Settings
from recipeline.errors import UnavailableError
from recipeline.escape import is_unseen
from recipeline.serving.model.copies import _SERVED, mark_served
from recipeline.serving.server import Serving, serve
from recipeline.serving.signals import ENDING, IGNORED, Lifeline
from recipeline.tracking.connection.store import Store
from tests.conftest import NAME
from tests.faults import in_fork
from tests.serving.helpers import free_port

pytestmark = pytest.mark.xdist_group("signals")

WORKERS = 2


class Forked:
    """A service of `WORKERS` workers that serves the last good copy."""

    def __init__(self, copies: Path, folder: Path, **settings: object) -> None:
        self.port, self.temporary, self.log = free_port(), folder / "temporary", folder / "service.log"
        self.temporary.mkdir(exist_ok=True)
        self._serving = Serving(NAME, Settings(**{"workers": WORKERS, "drain_seconds": 0.5} | settings), no_store, copies, None)
        self._session = requests.Session()
        gc.collect()
        self.pid = os.fork()
        if not self.pid:
            self._serve()
        self.process = psutil.Process(self.pid)
        self.code: int | None = None

    def _serve(self) -> None:
        """Be the service, in the fork."""
        code = 1
        try:
            os.setpgid(0, 0)
            faulthandler.disable()
            with self.log.open("ab") as log:
                os.dup2(log.fileno(), 2)
            # Not those of pytest, which keep what is written and warned of.
            sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115 - a number
            warnings.resetwarnings()
            for unseen in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
                warnings.simplefilter("ignore", unseen)  # as Python does by itself
            warnings.showwarning = lambda *words: print(warnings.formatwarning(*words[:4]), file=sys.stderr)
            tempfile.tempdir = str(self.temporary)
            for number in ENDING:
                signal.signal(number, signal.SIG_DFL)
            code = 128 + serve(self._serving, "127.0.0.1", self.port)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
        os._exit(code)

    def workers(self) -> list[psutil.Process]:
        return sorted(self.process.children(), key=lambda worker: int(worker.pid))

    def listening(self) -> int:
        """Return how many sockets listen at the port."""
        return sum(it.laddr.port == self.port and it.status == "LISTEN" for it in psutil.net_connections("tcp"))

    def ask(self, path: str = "/readyz", row: object = None) -> requests.Response:
        """Ask on a connection of its own."""
        url = f"http://127.0.0.1:{self.port}{path}"
        return requests.post(url, json=row, timeout=5) if row else requests.get(url, timeout=5)

    def folders(self) -> list[str]:
        return [path.name for path in self.temporary.iterdir()]

    def has_ended(self) -> bool:
        """Whether the parent is gone; keep its exit code, or minus the signal."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code is not None


def no_store() -> Store:
    raise UnavailableError("The store is away.")


def wait_for(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


Start = Callable[..., Forked]


@pytest.fixture
def copies(copy: Path) -> Path:
    """The folder of a copy that was served."""
    mark_served(copy)
    return copy.parent


@pytest.fixture
def start(copies: Path, tmp_path: Path) -> Iterator[Start]:
    """Start services, and end them after the test."""
    with contextlib.ExitStack() as stack:

        def make(**settings: object) -> Forked:
            service = Forked(copies, tmp_path, **settings)
            stack.callback(end, service)
            expected = cpu_count() if settings.get("workers") == -1 else WORKERS
            wait_for(lambda: service.listening() == expected or service.has_ended(), 20)
            assert not service.has_ended(), service.log.read_text()
            return service

        yield make


def end(service: Forked) -> None:
    if not service.has_ended():
        for process in (*service.workers(), service.process):
            process.kill()
        os.waitpid(service.pid, 0)


def test_it_starts_answers_and_counts_rows_without_the_calls_that_macos_does_not_have(
    start: Start, row: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, names in (
        (os, ("sched_getaffinity", "posix_fallocate", "posix_fadvise", "memfd_create", "pidfd_open", "eventfd")),
        (signal, ("sigtimedwait", "sigwaitinfo")),
    ):
        for name in names:
            monkeypatch.delattr(module, name)
    service = start(workers=-1)
    assert service.ask("/predict", row).status_code == 200
    wait_for(lambda: "self_watch_rows 1.0" in service.ask("/metrics").text)
    wait_for(lambda: service.ask("/readyz").status_code == 200)


def test_what_its_workers_are_given_can_be_sent_to_a_process_that_is_not_forked() -> None:
    """macOS begins a new interpreter for each."""
    settled = open_settings("recipe.yaml", "local")
    serving = Serving(NAME, settled.profile.service, settled.open_store, Path("copies"), None, ("token",))
    sent = pickle.loads(pickle.dumps(serving))
    assert (sent.settings, sent.tokens, sent.open_store.__self__) == (serving.settings, serving.tokens, settled)


def test_signals_that_mean_nothing_to_the_service_change_nothing_whoever_gets_them(start: Start) -> None:
    service = start()
    workers = service.workers()
    for number in sorted(IGNORED):
        os.kill(service.pid, number)
    for number in sorted(IGNORED | ENDING):
        for worker in workers:
            worker.send_signal(number)
    time.sleep(0.3)
    assert service.workers() == workers
    assert {service.ask().status_code for _ in range(8)} == {200}


def test_a_worker_that_is_not_forked_ignores_the_same_signals(tmp_path: Path) -> None:
    """Ignored signals are inherited by forks; a new interpreter has defaults."""

    def work() -> None:
        for number in IGNORED:
            signal.signal(number, signal.SIG_DFL)
        lifeline = Lifeline()
        os.dup(lifeline.ends[1].fileno())  # the parent's end, which stays open
        lifeline.follow(tmp_path, within=1)
        assert {signal.getsignal(number) for number in IGNORED} == {signal.SIG_IGN}

    assert in_fork(work) == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGABRT, marks=pytest.mark.full)])
def test_the_workers_end_with_their_parent_and_leave_neither_port_nor_folder(
    start: Start, number: int, row: dict[str, float]
) -> None:
    service = start()
    workers = service.workers()
    with socket.create_connection(("127.0.0.1", service.port)) as idle, requests.Session() as kept:
        kept.post(f"http://127.0.0.1:{service.port}/predict", json=row, timeout=5)
        os.kill(service.pid, number)
        wait_for(service.has_ended)
        wait_for(lambda: not any(worker.is_running() for worker in workers), 5)
        assert idle.recv(1) == b""
    assert service.code == -number
    assert service.listening() == 0
    assert service.folders() == []


def test_a_worker_that_is_killed_is_replaced_and_a_request_of_it_is_all_that_is_lost(start: Start) -> None:
    service = start()
    first, second = service.workers()
    first.kill()
    wait_for(lambda: len(service.workers()) == WORKERS and service.workers()[0] == second and service.listening() == WORKERS)
    assert service.ask().status_code == 200


def test_the_folder_of_a_service_of_which_nothing_lives_is_removed_by_the_next_one_and_no_other(start: Start) -> None:
    killed = start()
    others = killed.temporary / "recipeline-service-of-someone-else"
    others.mkdir()
    workers = killed.workers()
    killed.process.suspend()  # it must not see its workers die
    for process in (*workers, killed.process):
        process.kill()
    wait_for(killed.has_ended)
    left = set(killed.folders()) - {others.name}
    assert len(left) == 1
    running, other = start(), start()
    assert len(running.folders()) == 3
    assert not left & set(running.folders())
    assert {service.ask().status_code for service in (running, other)} == {200}


@pytest.mark.parametrize(("number", "to_all"), [(signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGINT, True)])
def test_until_the_drain_is_over_it_is_not_ready_and_every_request_is_answered(
    start: Start, row: dict[str, float], number: int, to_all: bool
) -> None:
    """A manager tells the parent (Kubernetes, Docker) or all (systemd).

    A terminal also tells all processes.
    """
    service = start(drain_seconds=1)
    began = time.monotonic()
    (os.killpg if to_all else os.kill)(service.pid, number)
    wait_for(lambda: service.ask().status_code == 503, 0.3)
    assert service.ask().json()["status"] == "draining"
    answers, refused_after = list[requests.Response](), 0.0
    while not refused_after:
        try:
            answers.append(service.ask("/predict", row))
        except requests.ConnectionError:
            refused_after = time.monotonic() - began
    assert {(answer.status_code, answer.headers["Connection"]) for answer in answers} == {(200, "close")}
    assert 1 <= refused_after < 5
    wait_for(service.has_ended)
    assert service.code == 128 + number
    assert service.folders() == []
    with pytest.raises(requests.ConnectionError):
        service.ask()
    others = [
        line for line in service.log.read_text().splitlines() if not re.match(r"\{|[-\d]+ [:,\d]+ [A-Z]+ service: ", line)
    ]
    assert others == []  # no warning of a library


def test_nothing_that_a_terminal_acts_upon_is_in_the_log_whoever_sends_it(
    start: Start, copies: Path, row: dict[str, float]
) -> None:
    (odd := copies / "9-\x1b]0;owned\x07\x9b31m\u202e").mkdir()
    mark_served(odd)
    os.utime(odd / _SERVED, ns=(later := time.time_ns() + 10**9, later))  # the last that was served, by any clock
    service = start()
    for path in ("/%1b%5b31m", "/%C2%9B31m", "/%E2%80%AEevil", "/%7f", "/naïve", "/last"):
        assert service.ask(path).status_code == 404
    assert service.ask("/predict", row).status_code == 200
    # Each worker writes its own lines, when it comes to it.
    wait_for(lambda: sum(line.startswith("{") for line in service.log.read_text().splitlines()) == 7)
    said = service.log.read_text()
    assert "is skipped" in said
    assert not [char for char in said if char != "\n" and is_unseen(char)]
    paths = [json.loads(line)["path"] for line in said.splitlines() if line.startswith("{")]
    assert {"/\x1b[31m", "/\x9b31m", "/\u202eevil", "/\x7f", "/naïve"} <= set(paths)


@pytest.mark.parametrize("numbers", [(signal.SIGTERM, signal.SIGINT), (signal.SIGQUIT,)])
def test_a_second_signal_or_quit_ends_it_without_a_drain(start: Start, numbers: tuple[int, ...]) -> None:
    service = start(drain_seconds=60)
    for number in numbers:
        os.kill(service.pid, number)
        time.sleep(0.2)
    wait_for(service.has_ended, 5)
    assert service.code == 128 + numbers[-1]
    assert service.folders() == []
