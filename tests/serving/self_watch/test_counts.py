from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.serving.self_watch.counts import Counts, read_counts


def in_child(work: Any, *, end: bool = True) -> int:
    """Do something in a process of its own, which is then killed; return its ID."""
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        work()
        os.write(told, b".")
        signal.pause()
    os.read(ready, 1)
    if end:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return pid


def test_the_counts_of_all_processes_add_up_and_those_of_a_killed_one_stay(tmp_path: Path) -> None:
    mine = Counts(tmp_path, 2, half=1000)
    mine.add(np.array([1, 2]), 3)
    in_child(lambda: Counts(tmp_path, 2, half=1000).add(np.array([10, 20]), 30))
    rows, counts = read_counts(tmp_path, 2)
    assert (rows, counts.tolist()) == (33, [11, 22])


def test_the_next_process_goes_on_where_one_ended_and_nothing_is_counted_twice(tmp_path: Path) -> None:
    for _ in range(3):
        in_child(lambda: Counts(tmp_path, 2, half=1000).add(np.array([1, 2]), 3))
    assert len(list(tmp_path.glob("*.counts"))) == 1
    rows, counts = read_counts(tmp_path, 2)
    assert (rows, counts.tolist()) == (9, [3, 6])


def test_a_file_that_a_process_holds_is_not_taken_by_another_one(tmp_path: Path) -> None:
    pid = in_child(lambda: Counts(tmp_path, 2, half=1000), end=False)
    try:
        mine = Counts(tmp_path, 2, half=1000)
        assert len(list(tmp_path.glob("*.counts"))) == 2
        mine.close()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_disk_that_has_room_for_a_part_only_is_an_error_and_counts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda *_: 1)
        with pytest.raises(OSError, match="No space left"):
            Counts(tmp_path, 3, 10)
    counts = Counts(tmp_path, 3, 10)
    counts.add(np.array([1, 2, 3]), 1)
    assert read_counts(tmp_path, 3)[0] == 1
    counts.close()


def test_only_the_last_rows_count(tmp_path: Path) -> None:
    mine = Counts(tmp_path, 2, half=100)
    for _ in range(100):
        mine.add(np.array([10, 0]), 10)
    for _ in range(20):
        mine.add(np.array([0, 10]), 10)
    rows, counts = read_counts(tmp_path, 2)
    assert (rows, counts.tolist()) == (200, [0, 200])


def test_the_window_is_of_all_processes_and_what_an_idle_one_counted_is_forgotten_too(tmp_path: Path) -> None:
    pid = in_child(lambda: Counts(tmp_path, 2, half=100).add(np.array([50, 0]), 50), end=False)
    try:
        mine = Counts(tmp_path, 2, half=100)
        mine.add(np.array([0, 50]), 50)
        mine.add(np.array([0, 60]), 60)
        assert read_counts(tmp_path, 2)[1].tolist() == [50, 110]
        mine.add(np.array([0, 40]), 40)
        mine.add(np.array([0, 10]), 10)
        assert read_counts(tmp_path, 2)[1].tolist() == [0, 110]
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_files_of_processes_that_ended_stay_for_a_window_and_are_then_removed(tmp_path: Path) -> None:
    children = [in_child(lambda: Counts(tmp_path, 2, half=100).add(np.array([1, 0]), 1), end=False) for _ in range(3)]
    mine = Counts(tmp_path, 2, half=100)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    mine.add(np.array([0, 97]), 97)
    mine.add(np.array([0, 100]), 100)
    assert read_counts(tmp_path, 2)[1].tolist() == [3, 197]
    mine.add(np.array([0, 10]), 10)
    assert list(tmp_path.glob("*.counts")) == [mine.path]
    assert read_counts(tmp_path, 2)[1].tolist() == [0, 110]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 30)), max_size=30))
def test_the_window_is_the_last_rows_whoever_counted_them(added: list[tuple[int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        workers = [Counts(Path(folder), 1, half=50) for _ in range(3)]
        for number, rows in added:
            workers[number].add(np.array([rows]), rows)
        found, counts = read_counts(Path(folder), 1)
        for worker in workers:
            worker.close()
    total = sum(rows for _, rows in added)
    assert found == counts.tolist()[0]
    assert found == total if total <= 50 else 50 < found < 2 * (50 + 30)
    sums = np.cumsum([0, *(rows for _, rows in reversed(added))])
    assert found in sums  # none is missing in between


def test_a_process_that_is_killed_at_any_moment_doubles_nothing(tmp_path: Path) -> None:
    def work() -> None:
        mine = Counts(tmp_path, 1, half=7)
        os.write(told, b".")
        while True:
            mine.add(np.array([1]), 1)

    for number in range(20):
        ready, told = os.pipe()
        pid = os.fork()
        if pid == 0:
            work()
        os.read(ready, 1)
        time.sleep(0.001 * number)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        rows, counts = read_counts(tmp_path, 1)
        assert 0 <= rows <= 14
        assert counts[0] - rows in (0, 1)
    assert len(list(tmp_path.glob("*.counts"))) == 1


@pytest.mark.parametrize("content", [b"", b"torn", b"\xff" * 1000, b"\xff" * 64, b"\x7f" * 64])
def test_a_file_that_is_cut_off_or_broken_is_left_out_and_made_anew_by_the_next_process(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "torn.counts").write_bytes(content)
    assert read_counts(tmp_path, 2)[0] == 0
    Counts(tmp_path, 2, half=100).add(np.array([1, 1]), 1)
    assert read_counts(tmp_path, 2)[0] == 1
    assert [path.name for path in tmp_path.glob("*.counts")] == ["torn.counts"]
