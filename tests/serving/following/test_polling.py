"""One poller for all workers: who it is, what it tells, and how often it asks."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.errors import UnavailableError
from recipeline.serving.failures import BUG
from recipeline.serving.following import polling
from recipeline.serving.following.polling import Board, Notice, Poller, name_holder
from tests.faults import in_fork


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path, 60)


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_is_posted_is_read_by_all_and_its_number_grows(board: Board, tmp_path: Path) -> None:
    other = Board(tmp_path, 60)
    assert (board.number, other.read()) == (0, None)
    board.post({"champion": "1 models:/m-1", "challenger": None})
    assert other.read() == Notice(1, {"champion": "1 models:/m-1", "challenger": None})
    board.post({}, "it is away")
    assert (other.number, other.read()) == (2, Notice(2, {}, "it is away"))
    other.wake()
    assert board.wakes == 1
    assert Board(tmp_path, 60).number == 2


def _lead(folder: Path, told: Any) -> None:
    board = Board(folder, 60)
    while not board.lead():
        time.sleep(0.02)
    told.send(os.getpid())
    time.sleep(60)


def test_one_process_polls_and_another_takes_its_place_when_it_is_killed(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    got, told = context.Pipe(duplex=False)
    workers = [context.Process(target=_lead, args=(tmp_path, told)) for _ in range(3)]
    for worker in workers:
        worker.start()
    try:
        seen = set()
        for _ in range(3):
            assert got.poll(10)
            first = got.recv()
            assert not got.poll(0.2)
            seen.add(first)
            os.kill(first, signal.SIGKILL)
        assert len(seen) == 3
    finally:
        for worker in workers:
            worker.kill()
            worker.join()


class Registry:
    """A registry that counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.holder: Any = SimpleNamespace(version=1, source="models:/m-1")
        self.error: Exception | None = None

    def open(self) -> Any:
        return SimpleNamespace(uri="http://registry", client=self)

    def answer(self) -> Any:
        self.asked.append(time.monotonic())
        if self.error:
            raise self.error
        return self.holder


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    found = Registry()
    reader = SimpleNamespace(holder=lambda _: found.answer())
    monkeypatch.setattr(polling, "Registry", lambda *_: reader)
    return found


@pytest.fixture
def make(registry: Registry, tmp_path: Path) -> Iterator[Callable[..., Poller]]:
    """Make a poller of the service's folder; all are stopped at the end."""
    made: list[Poller] = []

    def make(seconds: float = 60, aliases: tuple[str, ...] = ("champion",)) -> Poller:
        made.append(Poller(Board(tmp_path, seconds), registry.open, "M", aliases))
        return made[-1]

    yield make
    for poller in made:
        poller.stop()


def test_each_alias_is_asked_once_for_all_workers(registry: Registry, make: Callable[..., Poller], board: Board) -> None:
    for _ in range(4):
        make(aliases=("champion", "challenger")).start()
    wait_for(lambda: board.number == 1)
    time.sleep(0.3)
    assert len(registry.asked) == 2
    assert board.read() == Notice(1, {"champion": "1 models:/m-1", "challenger": "1 models:/m-1"})
    assert name_holder(registry.holder) == "1 models:/m-1"
    assert name_holder(None) is None


def test_a_wake_lets_the_registry_be_asked_at_once_and_many_wakes_are_few_questions(
    registry: Registry, make: Callable[..., Poller], board: Board
) -> None:
    make().start()
    wait_for(lambda: board.number == 1)
    time.sleep(0.6)
    began = time.monotonic()
    board.wake()
    wait_for(lambda: board.number == 2)
    assert time.monotonic() - began < 1
    for _ in range(200):
        board.wake()
        time.sleep(0.005)
    time.sleep(0.7)
    assert 3 <= board.number <= 7
    assert len(registry.asked) == board.number


def test_a_wake_while_the_registry_is_asked_is_not_lost(
    registry: Registry, make: Callable[..., Poller], board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    poller = make()
    first = poller.poll

    def slowly() -> None:
        if not registry.asked:
            board.wake()
        first()

    monkeypatch.setattr(poller, "poll", slowly)
    poller.start()
    wait_for(lambda: board.number == 2)


def test_failures_are_told_and_make_the_questions_rarer_until_it_answers(
    registry: Registry, make: Callable[..., Poller], board: Board
) -> None:
    poller = make(10)
    assert 8 <= poller.wait_seconds() <= 12
    for count, longest in enumerate([20, 40, 60, 60, 60], start=1):
        registry.error = UnavailableError("It is away.") if count < 5 else KeyError("a bug")
        poller.poll()
        assert (notice := board.read())
        assert notice.error == ("It is away." if count < 5 else BUG)
        assert 0.8 * longest <= poller.wait_seconds() <= 1.2 * longest
    registry.error = None
    poller.poll()
    assert board.read() == Notice(6, {"champion": "1 models:/m-1"})
    assert poller.wait_seconds() <= 12


@given(st.floats(0.1, 60))
def test_services_that_start_together_do_not_ask_together(seconds: float) -> None:
    nothing: Any = None
    with TemporaryDirectory() as folder:
        poller = Poller(Board(Path(folder), seconds), nothing, "M", ())
    waits = {poller.wait_seconds() for _ in range(50)}
    assert len(waits) > 40
    assert all(0.8 * seconds <= it <= 1.2 * seconds for it in waits)


CHARS = st.characters(exclude_categories=())  # halves of characters too


@given(holder=st.none() | st.text(CHARS), error=st.text(CHARS))
def test_whatever_is_posted_is_read_by_all(holder: str | None, error: str) -> None:
    with TemporaryDirectory() as folder:
        Board(Path(folder), 60).post({"champion": holder}, error)
        assert Board(Path(folder), 60).read() == Notice(1, {"champion": holder}, error)


def test_the_one_that_polls_is_lost_after_the_longest_time_that_it_may_need(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, longest = time.monotonic(), 6 * 1.2 * 60 + 2 * 120
    for notice in (None, Notice(1, {}, "it is away")):
        for age, is_lost in ((0, False), (longest - 9, False), (longest + 9, True)):
            monkeypatch.setattr(polling.time, "monotonic", lambda age=age: began + age)
            assert board.is_lost(notice) is is_lost
        monkeypatch.undo()


@pytest.mark.parametrize("name", ["lead", "post"])
@pytest.mark.parametrize("error", [OSError(24, "Too many open files"), TypeError("a bug")], ids=repr)
def test_nothing_ends_the_poller_and_whatever_it_is_is_told(
    make: Callable[..., Poller],
    board: Board,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    error: Exception,
) -> None:
    failed = list[int]()

    def fail(*_: Any) -> None:
        failed.append(1)
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Board, name, fail)
        make(0.05).start()
        wait_for(lambda: len(failed) >= 2)
    wait_for(lambda: board.number > 0)
    assert any(record.exc_info and record.exc_info[1] is error for record in caplog.records)


def test_a_poller_that_cannot_tell_what_it_found_gives_way_to_another(
    make: Callable[..., Poller], board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "_LEAD_SECONDS", 0.02)
    first, second = make(60), make(60)
    failed = list[int]()

    def fail(*_: Any) -> None:
        failed.append(1)
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(first._board, "post", fail)
    first.start()
    wait_for(lambda: len(failed) == 1)
    second.start()
    wait_for(lambda: board.number == 1)
    assert len(failed) == 1


def test_a_registry_that_does_not_answer_is_logged_once_until_it_says_something_else(
    registry: Registry, make: Callable[..., Poller], caplog: pytest.LogCaptureFixture
) -> None:
    poller = make()
    away, elsewhere = UnavailableError("It is away."), UnavailableError("It is elsewhere.")
    for error in (away, away, elsewhere, elsewhere, None, elsewhere):
        registry.error = error
        poller.poll()
    found = [record.getMessage() for record in caplog.records]
    assert found == [f"the registry does not answer: {it}" for it in ("It is away.", "It is elsewhere.", "It is elsewhere.")]


def test_a_board_takes_the_room_of_its_notices_before_any_is_written(board: Board, tmp_path: Path) -> None:
    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        with pytest.raises(OSError, match="File too large"):
            board.require_room()

    before = sorted(tmp_path.iterdir())
    board.require_room()
    assert in_fork(work) == 0
    assert sorted(path for path in tmp_path.iterdir() if path.name != "trial") == before


def test_a_full_disk_does_not_end_the_poller(
    registry: Registry, make: Callable[..., Poller], board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        make(0.05).start()
        wait_for(lambda: len(registry.asked) >= 3)
        assert board.number == 0
    wait_for(lambda: board.number > 0)
