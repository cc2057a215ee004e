"""The quota: about so many rows, drawn with equal chances per second.

Lines say which.
"""

from __future__ import annotations

import json
import os
import random
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipeline.serving.logs.rate import DrawnRecord, Quota, RowCounts
from tests.faults import in_fork


class Clock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = 100.25

    def __call__(self) -> float:
        return self.now


class Told:
    """Rows of seconds, in memory of a test."""

    def __init__(self) -> None:
        self.rows: dict[int, int] = {}

    def tell(self, second: int, rows: int) -> None:
        self.rows[second] = self.rows.get(second, 0) + rows

    def total(self, second: int) -> int:
        return self.rows.get(second, 0)


def quota(rate: float, kept: list[Any], counts: Any, clock: Callable[[], float], **options: Any) -> Quota:
    made = Quota(rate, lambda record, _: kept.append(record), counts, lambda _: None, clock=clock, **options)
    made._closing.set()  # the test is its thread
    made._thread.join()
    made._closing.clear()
    return made


def ask(one: Quota, drawn: float, rows: int = 1, record: Any = b'{"n":0}\n') -> bool:
    second = one.count(drawn, rows)
    if second is not None:
        one.hold(second, drawn, record, rows)
    return second is not None


requests = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 50), st.integers(0, 2)), max_size=60)


@settings(max_examples=60)
@given(requests, st.floats(0.5, 300), st.sampled_from([1.0, 0.25]))
def test_those_of_all_workers_are_kept_that_drew_less_than_rate_over_rows(
    asked: list[tuple[float, int, int]], rate: float, sample: float
) -> None:
    """In whatever order, by whichever worker: none was forgotten too early."""
    kept, counts, clock = list[Any](), Told(), Clock()
    quotas = [quota(rate, kept, counts, clock, sample=sample) for _ in range(3)]
    for number, (drawn, rows, worker) in enumerate(asked):
        ask(quotas[worker], drawn, rows, json.dumps({"n": number}).encode() + b"\n")
    clock.now += 1
    for one in quotas:
        one.settle()
    assert kept == []  # others may not have told their rows yet
    clock.now += 1
    for one in quotas:
        one.settle()
    share = min(rate / max(sum(rows for _, rows, _ in asked), 1), 1.0)
    lines = [json.loads(it.as_lines() if isinstance(it, DrawnRecord) else it) for it in kept]
    assert sorted(line["n"] for line in lines) == [number for number, (drawn, *_) in enumerate(asked) if drawn < share]
    assert {line.get("drawn", 1) for line in lines} <= {share * sample}


def test_workers_that_answer_unequal_shares_keep_the_rate_together_and_weights_add_up_to_the_rows(tmp_path: Path) -> None:
    kept, clock, draw = list[Any](), Clock(), random.Random(3)
    first, second = RowCounts(tmp_path), _of(tmp_path, "rows-other")
    quotas = [quota(100, kept, counts, clock) for counts in (first, second)]
    seconds = 20
    for _ in range(seconds):
        for _ in range(900):
            ask(quotas[0], draw.random())
        for _ in range(100):
            ask(quotas[1], draw.random())
        clock.now += 1
        for one in quotas:
            one.settle()
    clock.now += 2
    for one in quotas:
        one.settle()
    weights = [1 / json.loads(it.as_lines())["drawn"] for it in kept]
    assert 0.9 < len(kept) / (100 * seconds) < 1.1
    assert 0.9 < sum(weights) / (1000 * seconds) < 1.1


def _of(folder: Path, name: str) -> RowCounts:
    """Return the counts of another process."""
    made = RowCounts(folder)
    made._own = os.open(folder / name, os.O_RDWR | os.O_CREAT)
    return made


def test_a_quiet_second_is_logged_whole_and_says_nothing(tmp_path: Path) -> None:
    kept, clock = list[Any](), Clock()
    one = quota(10, kept, RowCounts(tmp_path), clock)
    assert all(ask(one, 0.99) for _ in range(10))
    clock.now += 2
    one.settle()
    assert kept == [b'{"n":0}\n'] * 10


def test_a_request_that_cannot_be_kept_is_told_at_once_and_what_is_held_is_bounded(tmp_path: Path) -> None:
    dropped, clock = list[int](), Clock()
    one = Quota(1000, lambda *_: None, RowCounts(tmp_path), dropped.append, capacity=50, clock=clock)
    assert one.count(0.5, 1999) is not None
    assert one.count(0.5, 1) is None
    second = one.count(0.1, 40)
    assert second is not None
    one.hold(second, 0.1, b"", 40)
    one.hold(second, 0.1, b"", 40)
    assert dropped == [40]
    one.close()


def test_at_the_end_what_is_held_is_settled(tmp_path: Path) -> None:
    kept = list[Any]()
    one = Quota(10, lambda record, _: kept.append(record), RowCounts(tmp_path), lambda _: None)
    assert ask(one, 0.1)
    one.close()
    assert kept == [b'{"n":0}\n']


def test_a_record_of_the_second_before_is_drawn_with_the_rows_of_its_own(tmp_path: Path) -> None:
    kept, clock = list[Any](), Clock()
    one = quota(10, kept, RowCounts(tmp_path), clock)
    second = one.count(0.4, 20)
    clock.now += 1
    for _ in range(10):
        assert one.count(0.99, 1) is not None
    assert second is not None
    one.hold(second, 0.4, b'{"n":1}\n', 20)
    clock.now += 1
    one.settle()
    assert [it.as_lines() for it in kept] == [b'{"n":1,"drawn":0.5}\n']


@pytest.mark.parametrize("torn", [b"", b"\0" * 5, b"\xff" * 200])
def test_a_file_of_another_worker_that_says_nothing_of_the_second_counts_nothing(tmp_path: Path, torn: bytes) -> None:
    counts = RowCounts(tmp_path)
    (tmp_path / "rows-1").write_bytes(torn)
    counts.tell(7, 5)
    assert (counts.total(7), counts.total(8), counts.total(15)) == (5, 0, 0)


def test_a_full_disk_costs_the_others_the_number_of_rows_and_no_request_its_answer_and_weight(tmp_path: Path) -> None:
    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        kept, counts, clock = list[Any](), RowCounts(tmp_path), Clock()
        one = quota(10, kept, counts, clock)
        for _ in range(20):
            for number in range(40):
                ask(one, number / 40)
            clock.now += 1
            one.settle()
        clock.now += 2
        one.settle()
        assert [json.loads(it.as_lines())["drawn"] for it in kept] == [0.25] * 200
        assert RowCounts(tmp_path).total(100) == 0

    assert in_fork(work) == 0
