from __future__ import annotations

import json
import threading
import time

import pytest

from recipeline.serving.logs.background import BackgroundLog, as_line


def wait_for(condition: object, seconds: float = 5) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_lines_are_written_in_order_by_a_thread_of_its_own() -> None:
    written: list[bytes] = []
    log = BackgroundLog(written.append, as_line, lambda _: None)
    for number in range(100):
        log.add({"n": number})
    wait_for(lambda: written)
    log.close()
    assert [json.loads(line)["n"] for line in b"".join(written).splitlines()] == list(range(100))


def test_a_log_that_cannot_keep_up_drops_lines_and_counts_them_but_never_waits() -> None:
    stuck, dropped = threading.Event(), list[int]()
    log = BackgroundLog(lambda _: stuck.wait(10), as_line, dropped.append, capacity=10)
    log.add({"first": 1})
    wait_for(lambda: log._waiting == 0)
    began = time.monotonic()
    for number in range(25):
        log.add({"n": number})
    log.add([{"n": 1}] * 7, lines=7)
    assert time.monotonic() - began < 1
    assert sum(dropped) == 15 + 7
    stuck.set()
    log.close()


def test_a_full_disk_drops_lines_and_counts_them() -> None:
    dropped: list[int] = []

    def fail(_: bytes) -> None:
        raise OSError(28, "No space left on device")

    log = BackgroundLog(fail, as_line, dropped.append)
    log.add({"n": 1})
    log.flush()
    log.close()
    assert sum(dropped) == 1


def test_a_folder_that_cannot_be_written_is_told_once_a_minute_and_not_only_counted(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: bytes) -> None:
        raise PermissionError(13, "Permission denied", "/var/log/wines")

    dropped = list[int]()
    log = BackgroundLog(refuse, bytes, dropped.append)
    log.close()  # its thread would flush by the clock of the machine
    for seconds in (0, 0, 61):
        now = time.monotonic() + seconds
        with monkeypatch.context() as patch:
            patch.setattr("recipeline.serving.logs.background.time.monotonic", lambda now=now: now)
            log.add(b"line\n")
            log.flush()
    assert sum(dropped) == 3
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert all("log_lines_dropped: [Errno 13] Permission denied: '/var/log/wines'" in text for text in said)
