from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from recipeline.errors import UnavailableError
from recipeline.hosting import processes
from recipeline.hosting.state import ServerFolder

#: A process with a child; both ignore SIGTERM if they are told to.
PARENT = """
import signal, subprocess, sys, time
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[ServerFolder]:
    made = ServerFolder(tmp_path / ".server")
    made.make()
    yield made
    processes.stop(made, "it", how=signal.SIGKILL, seconds=1)


def start(folder: ServerFolder, *words: str, code: str = PARENT, port: int | None = None) -> psutil.Process:
    ports = [port] if port else []
    return processes.start(folder, "it", [sys.executable, "-c", code, *words], environment=os.environ, ports=ports)


def child_of(folder: ServerFolder) -> psutil.Process:
    """Return the child, once there is one."""
    deadline = time.monotonic() + 20
    while not (lines := [line for line in processes.log_of(folder, "it").read_text().splitlines() if "child" in line]):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return psutil.Process(int(lines[-1].split()[1]))


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_process_is_found_again_and_ended_with_its_children(folder: ServerFolder) -> None:
    assert processes.find(folder, "it") is None
    started = start(folder)
    child = child_of(folder)
    found = processes.find(folder, "it")
    assert found == started
    assert os.getsid(started.pid) == started.pid != os.getsid(0)
    assert processes.log_of(folder, "it").stat().st_mode & 0o777 == 0o600
    assert processes.stop(folder, "it", how=signal.SIGTERM, seconds=10)
    assert is_gone(started)
    assert is_gone(child)
    assert processes.find(folder, "it") is None
    assert not processes.stop(folder, "it", how=signal.SIGTERM, seconds=1)


def test_a_process_that_does_not_end_is_killed(folder: ServerFolder) -> None:
    started = start(folder, "stubborn")
    child_of(folder)
    assert processes.stop(folder, "it", how=signal.SIGTERM, seconds=0.2)
    assert is_gone(started)


def test_what_a_killed_process_left_running_ends_at_the_next_start(folder: ServerFolder) -> None:
    started = start(folder)
    child = child_of(folder)
    started.kill()
    deadline = time.monotonic() + 10
    while processes.find(folder, "it"):
        assert time.monotonic() < deadline
    assert not is_gone(child)
    start(folder)
    assert is_gone(child)


def test_another_process_with_the_same_id_is_neither_found_nor_ended(folder: ServerFolder) -> None:
    started = start(folder)
    record = folder.read("it.pid.json")
    folder.write("it.pid.json", {"pid": os.getpid(), "started": record["started"] + 3600})
    assert processes.find(folder, "it") is None
    assert not processes.stop(folder, "it", how=signal.SIGKILL, seconds=1)
    assert psutil.pid_exists(os.getpid())
    folder.write("it.pid.json", record)
    assert processes.find(folder, "it") == started


@pytest.fixture
def other() -> Iterator[psutil.Process]:
    """A process with a child, in its own session, none of the server's."""
    popen = subprocess.Popen(["sh", "-c", "sleep 600 & echo; wait"], start_new_session=True, stdout=subprocess.PIPE)
    assert popen.stdout
    popen.stdout.readline()
    leader = psutil.Process(popen.pid)
    family = [leader, *leader.children()]
    yield leader
    for process in family:
        if process.is_running():
            process.kill()
    popen.stdout.close()
    popen.wait()


@pytest.mark.parametrize("how", [processes.end_session, lambda *it: processes.stop(*it, how=signal.SIGKILL, seconds=1)])
def test_after_a_new_boot_the_session_that_has_the_id_now_goes_on(
    folder: ServerFolder, other: psutil.Process, how: Callable[[ServerFolder, str], object]
) -> None:
    child = other.children()[0]
    assert os.getsid(child.pid) == other.pid
    folder.write("it.pid.json", {"pid": other.pid, "started": other.create_time() - 86_400})
    how(folder, "it")
    assert not is_gone(other)
    assert not is_gone(child)


def test_after_a_new_boot_the_children_of_a_session_that_lost_its_leader_go_on(
    folder: ServerFolder, other: psutil.Process
) -> None:
    child, record = other.children()[0], {"pid": other.pid, "started": other.create_time() - 86_400}
    other.kill()
    other.wait()
    assert not psutil.pid_exists(other.pid)
    folder.write("it.pid.json", record)
    processes.end_session(folder, "it")
    assert not is_gone(child)


def test_a_port_that_is_taken_is_one_sentence_and_nothing_is_started(folder: ServerFolder) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"Another program listens on port {port} of this machine"):
            start(folder, port=port)
    assert processes.find(folder, "it") is None


@pytest.mark.parametrize(
    ("code", "problem", "lines"),
    [
        ("print('one'); print('the disk is full'); raise SystemExit(1)", "ended while it started", ["one", "the disk is full"]),
        ("import time; print('slow', flush=True); time.sleep(600)", "was not ready after 1 s", ["slow"]),
    ],
)
def test_one_that_does_not_become_ready_is_one_sentence_with_the_end_of_its_log(
    folder: ServerFolder, code: str, problem: str, lines: list[str]
) -> None:
    started, log = start(folder, code=code), processes.log_of(folder, "it")
    with pytest.raises(UnavailableError, match=problem) as raised:
        processes.wait_until(lambda: False, started, log, name="It", seconds=1)
    assert list(raised.value.details) == lines
    assert str(log) in raised.value.sentence
