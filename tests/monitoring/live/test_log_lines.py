"""Lines of many files: in order with few files open, each once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.monitoring.live.log_files import LogFile
from recipeline.monitoring.live.log_format import LoggedRow
from recipeline.monitoring.live.log_lines import AnsweredBy, DrawnLines, SeenLines, find_request, in_order
from recipeline.records import to_plain

files = st.lists(st.lists(st.integers(0, 100), max_size=6).map(sorted), max_size=8)


def never() -> Any:
    raise AssertionError("not asked for")


@given(files)
def test_sorted_files_are_read_in_the_order_of_time_and_opened_when_it_is_their_time(found: list[list[int]]) -> None:
    logs = {LogFile(str(number), never, False, times[0] if times else 0.0): times for number, times in enumerate(found)}
    opened, closed, most = set[str](), set[str](), [0]

    def read(log: LogFile) -> Any:
        opened.add(log.name)
        for time in logs[log]:
            yield {"time": time, "of": log.name}
        closed.add(log.name)

    seen = list[int]()
    for entry in in_order(list(logs), read):
        seen.append(entry["time"])
        most[0] = max(most[0], len(opened - closed))
        assert all(times[0] <= entry["time"] for log, times in logs.items() if log.name in opened and times)
    assert seen == sorted(time for times in found for time in times)


def test_a_thousand_files_one_after_the_other_are_open_one_at_a_time() -> None:
    logs = [LogFile(str(number), never, False, float(number * 10)) for number in range(1000)]
    opened = [0, 0]

    def read(log: LogFile) -> Any:
        opened[0] += 1
        opened[1] = max(opened)
        yield {"time": log.first + 5}
        opened[0] -= 1

    assert len(list(in_order(logs, read))) == 1000
    assert opened == [0, 1]


@given(st.lists(st.lists(st.integers(0, 40), min_size=1), max_size=10), st.integers(1, 30))
def test_a_key_is_new_once_while_it_is_remembered(pieces: list[list[int]], most: int) -> None:
    seen, everything = SeenLines(most), SeenLines(10**6)
    before = list[int]()
    for piece in pieces:
        new = seen.take_new(np.array(piece))
        assert [piece[place] for place in everything.take_new(np.array(piece))] == [
            key for place, key in enumerate(piece) if key not in before and key not in piece[:place]
        ]
        taken = [piece[place] for place in new]
        assert len(set(taken)) == len(taken)
        recent = {*before[len(before) - most :]} if most < len(before) else {*before}
        assert not recent & {*taken}
        before += [key for key in piece if key not in before or key in taken]


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=50))
def test_lines_stand_for_the_requests_that_were_not_drawn(shares: list[float]) -> None:
    drawn = DrawnLines()
    drawn.add([{"drawn": share} if share < 1 else {} for share in shares])
    assert drawn.rows == pytest.approx(sum(1 / share for share in shares))
    assert drawn.effective <= drawn.lines * (1 + 1e-9)
    assert DrawnLines().effective == 0


def test_a_line_that_is_json_and_no_object_is_passed_over(tmp_path: Path) -> None:
    """A log that others have joined may have a list of requests in it."""
    line = LoggedRow(time=5.0, request_id="a", version="3", row=0, features={})
    path = tmp_path / "predictions-1.jsonl"
    path.write_text("\n".join(['"a"', '["a"]', "null", json.dumps(to_plain(line)), '{"request_id": "a"}', '{"a']))
    assert find_request([LogFile.of(path)], "a", 0.0, 9.0) == [AnsweredBy("3", 1, 5.0)]
