from __future__ import annotations

import io
import threading
from collections.abc import Generator
from typing import Any

import pytest

from recipeline.data.origin.prefetch import read_ahead, write_behind
from recipeline.errors import DataError, UnavailableError


def test_what_reading_ahead_raises_is_raised_after_what_came_before() -> None:
    def items() -> Any:
        yield 1
        raise DataError("broken")

    ahead = read_ahead(items())
    assert next(ahead) == 1
    with pytest.raises(DataError, match="broken"):
        next(ahead)


def test_what_writing_behind_raises_is_raised_at_the_end_at_the_latest() -> None:
    def fail(_: object) -> None:
        raise UnavailableError("full")

    with pytest.raises(UnavailableError, match="full"), write_behind(fail) as write_later:
        write_later(1)
    kept = io.StringIO()
    with write_behind(kept.write) as keep_later:
        for word in "abc":
            keep_later(word)
    assert kept.getvalue() == "abc"


def test_the_next_item_is_being_made_while_one_is_used() -> None:
    begun = [threading.Event(), threading.Event()]

    def items() -> Generator[int, None, None]:
        for number, event in enumerate(begun):
            event.set()
            yield number

    ahead = read_ahead(items())
    assert next(ahead) == 0
    assert begun[1].wait(5)
    assert list(ahead) == [1]


def test_whoever_stops_reading_ends_what_is_read() -> None:
    closed = []

    def items() -> Generator[int, None, None]:
        try:
            yield from range(1000)
        finally:
            closed.append(True)

    for number in read_ahead(items()):
        if number == 3:
            break
    assert closed == [True]


def test_after_a_block_that_failed_nothing_is_written_any_more() -> None:
    written, kept = list[int](), []

    def fail() -> None:
        with write_behind(written.append) as write_later:
            kept.append(write_later)
            write_later(1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    known = list(written)
    with pytest.raises(RuntimeError):  # its thread has ended
        kept[0](2)
    assert written == known
