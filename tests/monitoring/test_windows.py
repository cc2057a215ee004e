from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.errors import UsageError
from recipeline.monitoring.results import Baseline
from recipeline.monitoring.sample import Live
from recipeline.monitoring.windows import LiveRows, Window
from tests.monitoring.helpers import FEATURES
from tests.records import some

BASELINE = some(Baseline, {"features": {feature.name: {"edges": [0.0], "counts": [1, 1]} for feature in FEATURES}})


def new() -> Live:
    return Live(FEATURES, BASELINE, seed=0)


def rows(times: Sequence[float]) -> LiveRows:
    """Rows whose alcohol is their time."""
    known = np.array(times, dtype=float)
    nothing = np.full(len(known), np.nan)
    return LiveRows(np.column_stack([known, known]), nothing, nothing, known)


def windows(word: str, pieces: list[LiveRows]) -> list[tuple[float, list[float]]]:
    return [(time, live.kept[:, 0].tolist()) for time, live in Window.parse(word).split(pieces, new)]


def test_without_a_word_all_rows_are_one_window() -> None:
    assert windows("", [rows([1, 2]), rows([3])]) == [(3, [1, 2, 3])]
    assert windows("", []) == []


@given(st.lists(st.integers(1, 7), max_size=8), st.integers(1, 10))
def test_windows_by_count_hold_all_rows_in_order_whatever_the_pieces(sizes: list[int], count: int) -> None:
    starts = np.cumsum([0, *sizes])
    pieces = [rows(range(a, b)) for a, b in pairwise(starts)]
    found = [kept for _, kept in windows(str(count), pieces)]
    assert [row for kept in found for row in kept] == list(range(starts[-1]))
    assert all(len(kept) == count for kept in found[:-1])
    assert not found or 1 <= len(found[-1]) <= count


def test_windows_by_time_begin_with_the_hour_and_the_empty_ones_are_left_out() -> None:
    hour = 3600
    pieces = [rows([10, hour - 1, hour]), rows([hour + 5, 5 * hour])]
    assert windows("1h", pieces) == [(hour - 1, [10, hour - 1]), (hour + 5, [hour, hour + 5]), (5 * hour, [5 * hour])]


@given(st.lists(st.lists(st.integers(0, 600), min_size=1), min_size=1))
def test_a_row_is_of_the_window_of_its_own_time_in_whatever_order_rows_come(pieces: list[list[float]]) -> None:
    found = windows("1m", [rows(piece) for piece in pieces])
    assert [time for time, _ in found] == sorted(time for time, _ in found)
    assert all(len({row // 60 for row in kept}) == 1 and max(kept) == time for time, kept in found)
    assert sorted(row for _, kept in found for row in kept) == sorted(row for piece in pieces for row in piece)


@given(st.floats(1e5, 2e9), st.lists(st.floats(0, 1e5), min_size=1))
def test_the_last_hours_are_a_window_that_ends_now(now: float, ages: list[float]) -> None:
    window = Window.parse("last24h", now)
    found = [(time, kept.rows) for time, kept in window.split([rows([now - age for age in ages])], new)]
    deciding = [count for time, count in found if window.is_complete(count, time, now) and window.may_decide(time)]
    last = [age for age in ages if now - 86_400 <= now - age < now]
    assert deciding == ([len(last)] if last else [])


@pytest.mark.parametrize(
    ("word", "now", "complete"), [("1d", 86_399, False), ("1d", 86_400, True), ("2", 0, False), ("1", 0, True)]
)
def test_a_window_is_complete_where_no_later_row_can_be_of_it(word: str, now: float, complete: bool) -> None:
    assert Window.parse(word).is_complete(1, 5.0, now) is complete


@pytest.mark.parametrize(
    ("word", "window"),
    [("", Window()), ("500", Window(rows=500)), ("30m", Window(seconds=1800)), ("7d", Window(seconds=604_800))],
)
def test_a_window_is_a_number_of_rows_or_a_time(word: str, window: Window) -> None:
    assert Window.parse(word) == window


@pytest.mark.parametrize("word", ["0", "-5", "1w", "last5", "last", "ten", "1.5h", "1 h", "h"])
def test_anything_else_is_no_window(word: str) -> None:
    with pytest.raises(UsageError, match=r"window must be a number of rows, or of minutes, hours or days"):
        Window.parse(word)
