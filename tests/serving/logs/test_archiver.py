"""The archive: each line is once in folder and archive, after any fault.

None is lost without a word.
"""

from __future__ import annotations

import gzip
import io
import json
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from pyarrow import fs

from recipeline.monitoring.live.log_files import Archive, find_files
from recipeline.monitoring.live.log_format import STAMP
from recipeline.monitoring.live.prediction_log import PredictionLog
from recipeline.serving.logs import archiver as module
from recipeline.serving.logs.archiver import Archiver, put
from recipeline.serving.logs.files import RotatingFiles
from recipeline.serving.prometheus import ArchiveMetrics
from tests.monitoring.helpers import FEATURES, entry

#: Later than the beginning of any file of the tests: a Tuesday of 2096 at 07:06:40.
NOW = 4_000_000_000.0


def stamped(number: int) -> bytes:
    """Return a line as the service writes it, of a second of its own."""
    line = json.loads(entry(NOW + number, str(number), alcohol=number))
    return STAMP + json.dumps(line, separators=(",", ":")).encode()[1:] + b"\n"


class Killed(BaseException):
    """A kill, which no handler of an exception sees."""


class Place:
    """A folder, its archive, and the workers of a service that come and go."""

    def __init__(self, root: Path, workers: int = 2, **options: Any) -> None:
        self.log, self.store, self.options = root / "log", root / "store", options
        self.metrics, self.dropped = ArchiveMetrics(CollectorRegistry()), list[int]()
        self.files = [self._files() for _ in range(workers)]
        self.written = 0

    def _files(self) -> RotatingFiles:
        return RotatingFiles(self.log, max_bytes=self.options.get("max_bytes", 400))

    def write(self, worker: int, lines: int) -> None:
        for _ in range(lines):
            self.files[worker].write(stamped(self.written))
            self.written += 1

    def kill(self, worker: int) -> None:
        """Release the locks, as the kernel does."""
        if self.files[worker]._held >= 0:
            os.close(self.files[worker]._held)
        self.files[worker] = self._files()

    def archiver(self, worker: int = 0, **options: Any) -> Archiver:
        opened = fs.LocalFileSystem(), str(self.store)
        parts = self.files[worker], str(self.store), lambda: opened, self.metrics, self.dropped.append
        return Archiver(*parts, **options)

    def find(self) -> list[Any]:
        return find_files(self.log, Archive(fs.LocalFileSystem(), str(self.store)), 0.0, NOW + 1e6)

    def read(self, found: list[Any] | None = None) -> tuple[list[float], int]:
        live = PredictionLog(self.find() if found is None else found, FEATURES, "2", now=NOW + 1e6)
        rows = [float(value) for piece in live.pieces() for value in piece.values[:, 0]]
        assert live.left_out == 0
        return rows, live.repeated


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def breaking(how: str) -> Callable[[Any, str, Iterator[bytes]], None]:
    """Return a `put` that fails or is killed at a moment."""

    def broken(filesystem: Any, path: str, chunks: Iterator[bytes]) -> None:
        if how == "away":
            raise OSError("no connection")
        if how == "truncated":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_bytes(b"".join(chunks)[:-20])
            raise OSError("the connection broke off")
        if how == "killed before":
            next(chunks)
            raise Killed
        put(filesystem, path, chunks)
        raise Killed

    return broken


FAULTS = ("away", "truncated", "killed before", "killed after")
#: What happens, to which worker, and how many lines it writes, or whether the files were found before it and are read after it.
operations = st.one_of(
    st.tuples(st.just("write"), st.integers(0, 1), st.integers(1, 5)),
    st.tuples(st.sampled_from(["finish", "kill", "move", *FAULTS]), st.integers(0, 1), st.integers(0, 1)),
)


def check(done: list[tuple[str, int, int]]) -> None:
    """Do it, and read folder and archive after each part of it."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        place = Place(Path(name))
        place.write(0, 1)
        for what, worker, more in done:
            found = place.find()
            if what == "write":
                place.write(worker, more)
            elif what == "finish":
                place.files[worker].finish()
            elif what == "kill":
                place.kill(worker)
            else:
                patch.setattr(module, "put", put if what == "move" else breaking(what))
                try:
                    place.archiver(worker).move()
                except Killed:
                    place.kill(worker)
            assert place.read() == ([float(number) for number in range(place.written)], 0)
            if what != "write" and more:
                assert place.read(found) == ([float(number) for number in range(place.written)], 0)
        patch.setattr(module, "put", put)
        for worker in (0, 1):
            place.files[worker].finish()
            place.archiver(worker).move()
        assert not [path for path in place.log.iterdir() if path.name.startswith("predictions-")]
        assert place.read() == ([float(number) for number in range(place.written)], 0)


@settings(max_examples=5, deadline=None)
@given(st.lists(operations, max_size=12))
@example([("finish", 0, 1), ("move", 1, 1)])
@example([("kill", 0, 1), ("away", 1, 1), ("truncated", 1, 1), ("killed before", 1, 1), ("killed after", 1, 1), ("move", 0, 1)])
@example([("write", 0, 5), ("truncated", 1, 0), ("write", 0, 5), ("killed after", 0, 1)])
def test_each_line_is_read_once_whatever_the_moment_of_a_rotation_a_failure_or_a_kill(done: list[tuple[str, int, int]]) -> None:
    check(done)


@pytest.mark.full
@settings(max_examples=500, deadline=None)
@given(st.lists(operations, max_size=20))
def test_each_line_is_read_once_in_many_orders(done: list[tuple[str, int, int]]) -> None:
    check(done)


def test_names_in_the_archive_tell_hour_first_and_last_line_and_its_bytes_are_reproducible(place: Place) -> None:
    place.write(0, 2)
    place.files[0].finish()
    (local,) = place.log.iterdir()
    content = local.read_bytes()
    place.archiver().move()
    (path,) = place.store.rglob("*.gz")
    assert path.parent.name == "2096-10-02T07"
    assert path.name.startswith("predictions-20961002T070640Z-20961002T070641Z-")
    assert gzip.decompress(path.read_bytes()) == content
    before = path.read_bytes()
    local.write_bytes(content)
    place.archiver().move()
    assert [file.read_bytes() for file in place.store.rglob("*.gz")] == [before]


def test_only_the_files_of_a_time_are_opened(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for hour in range(0, 5 * 3600, 3600):
        place.written = hour
        place.write(0, 1)
        place.files[0].finish()
    place.archiver().move()
    archive = Archive(fs.LocalFileSystem(), str(place.store))
    opened = list[str]()
    monkeypatch.setattr(Archive, "_opener", lambda _, path: lambda: opened.append(path) or io.FileIO(path))
    files = find_files(place.log, archive, NOW + 2 * 3600, NOW + 3 * 3600)
    live = PredictionLog(files, FEATURES, "2", now=NOW + 3 * 3600, since=NOW + 2 * 3600)
    assert [time for piece in live.pieces() for time in piece.times] == [NOW + 2 * 3600, NOW + 3 * 3600]
    assert [path.split("/")[-2] for path in opened] == ["2096-10-02T09", "2096-10-02T10"]


def test_an_archive_that_is_away_for_a_while_is_told_and_gets_everything_afterwards(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    place.write(0, 9)
    monkeypatch.setattr(module, "put", breaking("away"))
    archiver = place.archiver(pause_seconds=0.01)
    with caplog.at_level(logging.WARNING, "service"):
        archiver.start()
        wait(lambda: place.metrics.failures._value.get() >= 3)
    assert "files of the prediction log wait for the archive" in caplog.text
    assert "no connection" in caplog.text
    monkeypatch.setattr(module, "put", put)
    place.write(0, 1)
    wait(lambda: place.metrics.files._value.get() >= 1)
    archiver.close()
    assert list(place.log.iterdir()) == []
    assert place.read() == ([float(number) for number in range(10)], 0)


def wait(until: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_slow_archive_keeps_nobody_from_writing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(module, "put", lambda *given: (asked.set(), go_on.wait(10), put(*given)))
    place.write(0, 5)
    archiver = place.archiver(pause_seconds=0.01)
    archiver.start()
    assert asked.wait(5)
    began = time.monotonic()
    place.write(0, 50)
    assert time.monotonic() - began < 2
    go_on.set()
    archiver.close()
    assert place.read() == ([float(number) for number in range(55)], 0)


def test_what_exceeds_the_disk_is_deleted_oldest_first_counted_and_told(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "put", breaking("away"))
    place.write(0, 20)
    place.write(1, 1)
    archiver = place.archiver(disk_bytes=1000)
    with caplog.at_level(logging.ERROR, "service"):
        archiver.move()
    rows, _ = place.read()
    assert sum(place.dropped) + len(rows) == 21
    assert sum(path.stat().st_size for path in place.log.glob("predictions-*")) <= 1000
    assert rows[-1] == 20
    assert rows[:-1] == [float(number) for number in range(sum(place.dropped), 20)]
    assert "was deleted before it was archived" in caplog.text


def test_files_of_an_earlier_version_take_no_line_of_this_one_from_the_disk(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.log.mkdir()
    (place.log / HOSTILE[0]).write_bytes(stamped(0) * 100)
    monkeypatch.setattr(module, "put", breaking("away"))
    place.write(0, 9)
    place.files[0].finish()
    place.archiver(disk_bytes=5000).move()
    assert (place.dropped, len(place.read()[0])) == ([], 9)


def test_a_file_that_another_worker_moves_meanwhile_ends_no_round(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write(0, 9)
    place.files[0].finish()
    archiver, lstat = place.archiver(), Path.lstat

    def late(path: Path) -> os.stat_result:
        monkeypatch.undo()
        place.archiver().move()
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", late)
    archiver.move()
    assert place.read() == ([float(number) for number in range(9)], 0)
    assert place.metrics.failures._value.get() == 0


def test_lines_on_both_sides_of_a_step_of_the_clock_are_found(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that starts in 1970 and is told the time then has a file of each."""
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() - 50 * 365 * 86_400)
    place.files[0].write(stamped(0).replace(b'"time":4000000000.0', b'"time":1.0'))
    monkeypatch.setattr(time, "time", clock)
    place.written = 1
    place.write(0, 2)
    place.files[0].finish()
    place.archiver().move()
    archive = Archive(fs.LocalFileSystem(), str(place.store))
    assert place.read(find_files(place.log, archive, NOW - 3600, NOW + 1e6)) == ([1.0, 2.0], 0)


@pytest.mark.parametrize("name", ["log", "log/old"])
def test_an_archive_in_the_folder_of_the_log_is_read_once(place: Place, name: str) -> None:
    place.store = place.log.parent / name
    place.write(0, 5)
    place.files[0].finish()
    place.write(0, 1)
    place.archiver().move()
    assert len(list(place.store.glob("*/*.gz"))) >= 1
    assert place.read() == ([float(number) for number in range(6)], 0)


def test_one_file_that_fails_does_not_keep_the_others(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write(0, 12)
    place.files[0].finish()
    bad = sorted(place.log.iterdir())[0].name.rpartition("-")[0]

    def put_most(filesystem: Any, path: str, chunks: Iterator[bytes]) -> None:
        if path.endswith("-0000.jsonl.gz"):
            raise OSError("refused")
        put(filesystem, path, chunks)

    monkeypatch.setattr(module, "put", put_most)
    place.archiver().move()
    assert [path.name.rpartition("-")[0] for path in place.log.iterdir()] == [bad]


def test_an_archive_that_is_away_for_days_is_asked_once_a_minute_and_at_once_again_when_it_is_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write(0, 3)
    monkeypatch.setattr(module, "put", breaking("away"))
    archiver = place.archiver()
    pauses = [(archiver.move(), archiver.pause_seconds)[1] for _ in range(1100)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (2, 60)
    monkeypatch.setattr(module, "put", put)
    archiver.move()
    assert archiver.pause_seconds == 1


HOSTILE = [
    "predictions-20251130T080000Z-4711-0000.jsonl",  # of version 0.4.0: nobody knows whether it is finished
    "predictions-20251130T080000Z-x-1-00000000-0000.jsonl.gz",
    "predictions-20251130T080000Z-..%2f..-1-00000000-0000.jsonl",
    "predictions-20251130T080000Z-x\ny-1-00000000-0000.jsonl",
    "predictions-20251130T080000Z-\u202e-1-00000000-0000.jsonl",
    "notes.txt",
]


def test_files_of_other_names_links_and_pipes_stay_where_they_are(place: Place) -> None:
    place.log.mkdir()
    for name in HOSTILE:
        (place.log / name).write_bytes(stamped(0))
    (place.log / "predictions-20251130T080000Z-x-1-00000000-0001.jsonl").symlink_to("/etc/hostname")
    os.mkfifo(place.log / "predictions-20251130T080000Z-x-1-00000000-0002.jsonl")
    (place.log / "predictions-20251130T080000Z-x-1-00000000-0003.jsonl").mkdir()
    (place.log / "predictions-20251130T080000Z-x-1-00000000-0004.jsonl").touch()
    place.archiver().move()
    assert len(list(place.log.iterdir())) == len(HOSTILE) + 3
    assert not place.store.exists()
    assert place.metrics.failures._value.get() == 0


def test_objects_of_other_names_in_the_archive_are_not_opened(place: Place) -> None:
    place.write(0, 1)
    place.files[0].finish()
    place.archiver().move()
    for name in ("2096-10-02T07", "2096-13-40T99", "..x", "2096-10-02T07/more"):
        (place.store / name).mkdir(exist_ok=True)
        (place.store / name / "predictions-x.jsonl.gz").write_bytes(b"no log")
        (place.store / name / "predictions-99999999T999999Z-20251130T080001Z-x-1-00000000-0000.jsonl.gz").write_bytes(b"")
    assert place.read() == ([0.0], 0)


@pytest.mark.parametrize("host", ["../../etc", "a b;c", "ü", "", "-.-", "x" * 300, "20251130T080000Z-20251130T080001Z"])
def test_a_host_of_any_name_is_archived_and_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: host)
    place = Place(tmp_path)
    place.write(0, 3)
    assert len(list(place.log.iterdir())) == 2
    place.files[0].finish()
    place.archiver().move()
    assert list(place.log.iterdir()) == []
    assert place.read() == ([0.0, 1.0, 2.0], 0)


def test_two_services_with_the_same_names_archive_into_one_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pods: the same host name, the same process number, the same second."""
    monkeypatch.setattr("socket.gethostname", lambda: "pod")
    here, there = Place(tmp_path / "a", workers=1), Place(tmp_path / "b", workers=1)
    there.store, there.written = here.store, 100
    for _ in range(2):
        here.write(0, 5)
        there.write(0, 5)
    for place in (here, there):
        place.files[0].finish()
        place.archiver().move()
    assert here.read() == ([float(number) for number in (*range(10), *range(100, 110))], 0)


class HalfStore(fs.FileSystemHandler):
    """A store that takes everything and has half of it."""

    def get_file_info(self, paths: list[str]) -> list[Any]:
        return [fs.FileInfo(path, fs.FileType.File, size=3) for path in paths]

    def open_output_stream(self, *_: Any) -> Any:
        return pa.PythonFile(io.BytesIO(), mode="w")

    def normalize_path(self, path: str) -> str:
        return path

    def _not_asked(self, *_: Any) -> Any:
        raise NotImplementedError

    get_type_name = get_file_info_selector = create_dir = delete_dir = delete_dir_contents = _not_asked
    delete_root_dir_contents = delete_file = move = copy_file = _not_asked
    open_input_stream = open_input_file = open_append_stream = _not_asked


def test_a_file_of_which_the_store_has_a_part_stays(place: Place) -> None:
    place.write(0, 1)
    place.files[0].finish()
    parts = place.files[0], "s3://bucket", lambda: (fs.PyFileSystem(HalfStore()), "bucket"), place.metrics, place.dropped.append
    Archiver(*parts).move()
    assert place.metrics.failures._value.get() == 1
    assert place.read() == ([0.0], 0)
