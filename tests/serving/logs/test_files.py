"""Files of the log: no line is lost or cut, and no process takes another one's."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.monitoring.live.log_files import is_log, unique_of
from recipeline.serving.logs.files import RotatingFiles, own


@given(st.integers(1, 200), st.lists(st.lists(st.binary(max_size=80).map(lambda line: line.replace(b"\n", b"")), min_size=1)))
def test_no_file_is_larger_than_the_profile_says_and_no_line_is_lost_or_cut(max_bytes: int, writes: list[list[bytes]]) -> None:
    """A file of a single line may be larger."""
    with tempfile.TemporaryDirectory() as name:
        files = RotatingFiles(Path(name), max_bytes=max_bytes, keep_days=1)
        for lines in writes:
            files.write(b"".join(line + b"\n" for line in lines))
        contents = [path.read_bytes() for path in sorted(Path(name).iterdir())]
        assert b"".join(contents) == b"".join(line + b"\n" for lines in writes for line in lines)
        assert all(len(content) <= max_bytes or content.index(b"\n") == len(content) - 1 for content in contents)
        assert all(contents)


def test_a_line_of_which_the_disk_takes_a_part_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.FileIO):
        def write(self, content: bytes) -> int:  # type: ignore[override]
            return super().write(content[:3])

    files = RotatingFiles(tmp_path, max_bytes=100, keep_days=1)
    files.write(b"first\n")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda path, mode, **_: Full(path, mode))
        with pytest.raises(OSError, match="No space left"):
            files.write(b"second\n")
    files.write(b"third\n")
    assert next(tmp_path.iterdir()).read_bytes() == b"first\nthird\n"


def test_a_folder_that_is_removed_meanwhile_is_made_again(tmp_path: Path) -> None:
    files = RotatingFiles(tmp_path / "log", max_bytes=100, keep_days=1)
    files.write(b"first\n")
    shutil.rmtree(tmp_path / "log")
    files.write(b"second\n")
    assert next((tmp_path / "log").iterdir()).read_bytes() == b"second\n"


def test_processes_of_two_containers_that_share_a_folder_write_to_files_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They begin in the same second, and each container counts its processes from 1."""
    monkeypatch.setattr("time.gmtime", lambda *_: time.struct_time((2026, 11, 24, 10, 15, 0, 1, 328, 0)))
    here, there = (RotatingFiles(tmp_path, max_bytes=100, keep_days=1) for _ in range(2))
    for _ in range(3):
        here.write(b"here\n")
        there.write(b"there\n")
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == [b"here\n" * 3, b"there\n" * 3]


names = st.sampled_from(
    [
        "predictions-20200101T000000Z-1-0000.jsonl",
        "predictions-20200101T000000Z-1-0001.jsonl.gz",
        "predictions-20200101T000000Z-2.jsonl.gz",
        "predictions-20200101T000000Z-2.jsonl",
        "predictions-scored.csv",
        "predictions-20200101T000000Z-2.jsonl.gz.part",
        "notes.jsonl",
        "notes.txt",
    ]
)


@given(
    st.dictionaries(names, st.integers(0, 5)),
    st.sampled_from([0.5, 1.5, 4.5]),
    st.integers(1, 200),
    st.lists(st.binary(max_size=80)),
)
def test_files_of_the_log_are_deleted_when_they_are_old_compressed_ones_too_and_no_others(
    ages: dict[str, int], keep_days: float, max_bytes: int, lines: list[bytes]
) -> None:
    """And the size of a file holds beside that."""
    with tempfile.TemporaryDirectory() as name:
        folder, now = Path(name), time.time()
        for file, days in ages.items():
            (folder / file).touch()
            os.utime(folder / file, (now - 86_400 * days, now - 86_400 * days))
        files = RotatingFiles(folder, max_bytes=max_bytes, keep_days=keep_days)
        written = [line.replace(b"\n", b"") + b"\n" for line in [b"x", *lines]]
        files.write(b"".join(written))
        logs = {file for file in ages if file.startswith("predictions-") and is_log(Path(file))}
        found = {path.name for path in folder.iterdir()}
        assert found & set(ages) == {file for file, days in ages.items() if file not in logs or days < keep_days}
        new = [(folder / file).read_bytes() for file in sorted(found - set(ages))]
        assert b"".join(new) == b"".join(written)
        assert all(len(content) <= max_bytes or content.count(b"\n") == 1 for content in new)


def test_files_that_the_archive_gets_are_never_too_old_and_others_are(tmp_path: Path) -> None:
    names = "predictions-20200101T000000Z-4711-0000.jsonl", "predictions-20200101T000000Z-x-1-00000000-0000.jsonl"
    for file in names:
        (tmp_path / file).touch()
        os.utime(tmp_path / file, (0, 0))
    RotatingFiles(tmp_path, max_bytes=100, keep_days=1, is_archived=True).write(b"x\n")
    assert [(tmp_path / file).exists() for file in names] == [False, True]


# --- whose a file is --------------------------------------------------------------------------------------------------------


def test_a_file_is_its_writers_until_it_is_finished_or_the_process_ends(tmp_path: Path) -> None:
    files = RotatingFiles(tmp_path, max_bytes=100, keep_days=1)
    files.write(b"one\n")
    (path,) = tmp_path.iterdir()
    assert own(path) == -1
    assert unique_of(path.name)
    files.finish(only_old=True)
    assert own(path) == -1
    files.finish()
    taken = own(path)
    assert taken >= 0
    assert own(path) == -1
    files.write(b"two\n")
    assert len(list(tmp_path.iterdir())) == 2
    os.close(taken)


def test_a_file_that_is_old_is_finished_and_the_next_line_begins_another(tmp_path: Path) -> None:
    files = RotatingFiles(tmp_path, max_bytes=100, max_seconds=0.05)
    files.write(b"one\n")
    time.sleep(0.06)
    files.finish(only_old=True)
    files.write(b"two\n")
    time.sleep(0.06)
    files.write(b"three\n")
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == [b"one\n", b"two\n", b"three\n"]


def test_a_file_that_another_process_took_before_it_was_locked_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, touch = list[int](), Path.touch

    def touch_and_lose(path: Path, **options: bool) -> None:
        touch(path, **options)
        if not taken:
            taken.append(own(path))

    monkeypatch.setattr(Path, "touch", touch_and_lose)
    files = RotatingFiles(tmp_path, max_bytes=100, keep_days=1)
    files.write(b"one\n")
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == [b"", b"one\n"]
    os.close(taken[0])


def test_links_folders_and_pipes_are_no_files_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert [own(tmp_path / name) for name in ("link", "folder", "pipe", "nothing")] == [-1] * 4


def test_without_locks_lines_are_written_and_no_file_is_taken_as_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    RotatingFiles(tmp_path, max_bytes=100, keep_days=1).write(b"one\n")
    (path,) = tmp_path.iterdir()
    assert path.read_bytes() == b"one\n"
    with pytest.raises(OSError, match="No locks"):
        own(path)
