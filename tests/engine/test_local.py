from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

import pytest

from recipeline.engine.local import LocalWorkers
from recipeline.engine.workers import Call
from recipeline.errors import UnavailableError, UsageError
from tests.conftest import ROOT
from tests.engine.calls import end_process, priority_late, process_id, refuse, square_late


@pytest.mark.parametrize("n_jobs", [1, 2, -1])
def test_results_come_in_the_order_of_the_calls(n_jobs: int) -> None:
    calls = [(square_late, (number,)) for number in range(5)]
    assert list(LocalWorkers(n_jobs).map(calls)) == [0, 1, 4, 9, 16]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_unordered_results_are_all_there(n_jobs: int) -> None:
    calls = [(square_late, (number,)) for number in range(5)]
    assert sorted(LocalWorkers(n_jobs).map(calls, ordered=False)) == [0, 1, 4, 9, 16]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_what_a_call_raises_is_raised_by_the_iterator_with_its_words(n_jobs: int) -> None:
    results = LocalWorkers(n_jobs).map([(refuse, (number,)) for number in range(4)])
    with pytest.raises(UsageError, match=r"2 is not a number that is liked\. Got 2 instead\.") as error:
        list(results)
    assert error.value.exit_code == 2


def test_one_worker_is_this_process_and_two_are_others() -> None:
    assert set(LocalWorkers(1).map([(process_id, ())] * 3)) == {os.getpid()}
    assert os.getpid() not in set(LocalWorkers(2).map([(process_id, ())] * 3))


def test_workers_that_were_started_early_answer_as_others_do() -> None:
    workers = LocalWorkers(2, preload="json")
    workers.start()
    workers.start()
    assert list(workers.map([(square_late, (number,)) for number in range(4)])) == [0, 1, 4, 9]
    assert list(workers.map([])) == []


@pytest.mark.parametrize("is_started", [False, True])
def test_a_call_that_is_begun_is_made_by_a_process_that_was_started_else_here(is_started: bool) -> None:
    workers = LocalWorkers(2, preload="json")
    if is_started:
        workers.start()
    begun, refused = workers.begin((process_id, ())), workers.begin((refuse, (2,)))
    assert list(workers.map([(square_late, (number,)) for number in range(3)])) == [0, 1, 4]
    assert (begun() != os.getpid()) == is_started
    with pytest.raises(UsageError, match="2 is not a number that is liked"):
        refused()


class Unsent:
    """A value that cannot be packed, or not be unpacked by another process."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __reduce__(self) -> Any:
        if self.how == "packed":
            raise TypeError("cannot be packed")
        return _refuse_elsewhere, (os.getpid(),)


def _refuse_elsewhere(process: int) -> str:
    if os.getpid() != process:
        raise TypeError("cannot be unpacked")
    return "here"


@pytest.mark.parametrize("call", [(refuse, (2,)), (id, (Unsent("packed"),)), (id, (Unsent("unpacked"),)), (sys.exit, ())])
def test_a_begun_call_that_fails_leaves_the_calls_beside_it_alone(call: Call) -> None:
    """Neither does one whose result nobody asks for."""
    workers = LocalWorkers(2, preload="json")
    workers.start()
    begun, forgotten = workers.begin(call), workers.begin((square_late, (1,)))
    results = workers.map([(square_late, (number,)) for number in range(4)])
    del forgotten
    with suppress(Exception, SystemExit):
        begun()
    assert list(results) == [0, 1, 4, 9]


def test_a_begun_call_of_workers_that_have_ended_is_made_here_or_raises() -> None:
    workers = LocalWorkers(2, preload="json")
    workers.start()
    begun = workers.begin((time.sleep, (60,)))
    with pytest.raises(UnavailableError):
        list(workers.map([(end_process, ())]))
    with pytest.raises(RuntimeError):
        begun()
    assert workers.begin((refuse, (1,)))() == 1
    assert list(workers.map([(refuse, (1,))])) == [1]


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_process_that_is_killed_is_one_sentence_and_the_next_calls_have_others(number: signal.Signals, ordered: bool) -> None:
    """As the system does where memory is short, and a library that crashes."""
    workers = LocalWorkers(2, preload="json")
    workers.start()
    with pytest.raises(UnavailableError, match=rf"was ended .*{number.name}.*engine\.n_jobs") as caught:
        list(workers.map([(end_process, (number,)), *[(square_late, (3,))] * 3], ordered=ordered))
    assert caught.value.exit_code == 6
    assert list(workers.map([(square_late, (3,))])) == [9]


def test_workers_that_were_started_early_give_way_to_the_command() -> None:
    before = os.nice(0)
    for _ in range(2):  # the second time in processes that are there already
        workers = LocalWorkers(2, preload="json")
        workers.start()
        assert max(workers.map([(priority_late, ())] * 4)) == max(before, 10)
    assert os.nice(0) == before


def test_a_single_worker_needs_no_start() -> None:
    workers = LocalWorkers(1, preload="no_such_module")
    workers.start()
    assert list(workers.map([(square_late, (3,))])) == [9]


#: Starts workers, which print their numbers and have a lot to do, and is killed.
KILLED = """
import os, signal, time
from recipeline.engine.local import LocalWorkers
from tests.engine.calls import process_id_late
workers = LocalWorkers(2, preload="json")
workers.start()
print(*{*workers.map([(process_id_late, (0.5,))] * 2)}, flush=True)
begun = workers.begin((time.sleep, (600,)))
results = workers.map([(time.sleep, (600,))])
time.sleep(0.5)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_workers_of_a_command_that_was_killed_end_too_and_leave_its_output() -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED], cwd=ROOT, stdout=subprocess.PIPE, text=True) as command:
        try:
            printed, _ = command.communicate(timeout=60)  # until the last process that has it open has ended
        except subprocess.TimeoutExpired as error:
            for number in map(int, (error.stdout or b"").split()):
                os.kill(number, signal.SIGKILL)
            raise
    assert command.returncode == -signal.SIGKILL
    assert len(printed.split()) == 2
