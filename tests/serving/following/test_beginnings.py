"""A worker that cannot begin is told to its parent, in the words of its failure."""

from __future__ import annotations

import errno
import os
from typing import NoReturn

import pytest

from recipeline.errors import DataError, UnavailableError
from recipeline.serving.following.beginnings import Beginnings, Failure, explain
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
