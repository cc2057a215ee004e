"""A worker that cannot begin is told to its parent, in the words of its failure."""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

import pytest

from recipeline.errors import DataError, UnavailableError
from recipeline.serving.following.beginnings import Beginnings, Failure, explain, find_failure
from tests.faults import in_fork

FULL = OSError(errno.ENOSPC, "No space left on device", "/tmp/a")


def fail(error: Exception) -> NoReturn:
    raise error


def test_the_parent_reads_how_many_have_begun_and_why_others_have_not() -> None:
    beginnings = Beginnings()
    assert beginnings.read() == (0, [])
    assert [in_fork(lambda: beginnings.begin(lambda: "an app")) for _ in range(2)] == [0, 0]
    assert in_fork(lambda: beginnings.begin(lambda: fail(FULL))) != 0
    assert in_fork(lambda: beginnings.begin(lambda: fail(LookupError("two\nlines")))) != 0
    found = [Failure("No space left on device, at '/tmp/a'", is_full=True), Failure("LookupError: two lines", is_bug=True)]
    assert beginnings.read() == (2, found)
    assert beginnings.read() == (0, [])


def test_a_worker_that_fails_as_expected_leaves_no_traceback_and_a_bug_its_own() -> None:
    beginnings = Beginnings()
    with pytest.raises(SystemExit):
        beginnings.begin(lambda: fail(UnavailableError("It is away.", fix="Wait.")))
    with pytest.raises(LookupError):
        beginnings.begin(lambda: fail(LookupError("a bug")))
    assert beginnings.read()[1] == [Failure("It is away. Wait."), Failure("LookupError: a bug", is_bug=True)]


def test_a_failure_of_any_length_is_one_line() -> None:
    beginnings = Beginnings()
    for words in ("x" * 10_000, "größer " * 1000, os.fsdecode(b"\xff") * 2000):
        beginnings.tell(Failure(words))
    begun, failures = beginnings.read()
    assert (begun, len(failures)) == (0, 3)
    assert all(100 < len(it.words) < 1001 for it in failures)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (
            FULL,
            UnavailableError,
            r"cannot begin: No space left on device, at '/tmp/a'\. Free space for temporary files, or name",
        ),
        (
            OSError(errno.EACCES, "Permission denied", "/tmp/a"),
            UnavailableError,
            r"denied, at '/tmp/a'\. Correct it, and start",
        ),
        (
            DataError("The log is damaged."),
            UnavailableError,
            r"^A worker of the service cannot begin: The log is damaged\. Corr",
        ),
        (LookupError("a bug"), RuntimeError, "cannot begin: LookupError: a bug; its traceback is above"),
    ],
)
def test_a_service_none_of_whose_workers_can_begin_ends_with_the_sentence(
    error: Exception, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        raise explain(error).as_error()


@pytest.mark.parametrize("code", [0, 3, "words"])
def test_a_worker_that_exits_before_it_begins_is_a_bug_that_the_parent_hears_of(
    code: int | str, capfd: pytest.CaptureFixture[str]
) -> None:
    beginnings = Beginnings()
    assert in_fork(lambda: beginnings.begin(lambda: sys.exit(code))) != 0
    assert beginnings.read() == (0, [Failure(f"SystemExit: {code}", is_bug=True)])
    assert "Traceback" in capfd.readouterr().err


def wait() -> None:
    time.sleep(1000)


def begin_to_wait() -> None:
    threading.Thread(target=wait).start()


@pytest.mark.parametrize("work", [lambda: None, lambda: 3, begin_to_wait], ids=["ends", "returns", "has a thread that goes on"])
def test_work_that_returns_has_no_failure_whatever_it_leaves_behind(work: Callable[[], object]) -> None:
    assert find_failure(work, 600) == ""


@pytest.mark.parametrize(
    ("work", "seconds", "reason", "is_told"),
    [
        (lambda: fail(LookupError("a bug")), 600, "which failed; its traceback is above", True),
        (lambda: sys.exit(0), 600, "which failed; its traceback is above", True),
        (lambda: os._exit(0), 600, "which ended its process (exit code 0)", False),
        (lambda: os.kill(os.getpid(), 9), 600, "which ended its process (exit code -9)", False),
        (wait, 0.5, "which did not return within 0.5 s", False),
    ],
    ids=["raises", "exits", "ends the process", "is killed", "hangs"],
)
def test_work_that_does_not_return_fails_for_a_reason(
    capfd: pytest.CaptureFixture[str], work: Callable[[], object], seconds: float, reason: str, is_told: bool
) -> None:
    assert find_failure(work, seconds) == reason
    assert ("Traceback" in capfd.readouterr().err) is is_told
