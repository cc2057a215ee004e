"""Names of the log's files: unique, with times, and nothing else is taken for one."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import fs

from recipeline.monitoring.live.log_files import (
    Archive,
    LogFile,
    Writer,
    archived_name,
    find_beside,
    find_files,
    find_log,
    read_times,
    unique_of,
)
from recipeline.monitoring.live.log_format import STAMP


@given(st.text(max_size=80), st.integers(1, 2**31), st.floats(0, 4e9), st.floats(0, 86_400))
def test_a_name_in_the_archive_has_the_same_unique_part_and_one_folder(
    host: str, process: int, first: float, seconds: float
) -> None:
    writer = Writer(host, process)
    names = [writer.next_name() for _ in range(3)]
    assert len({unique_of(name) for name in names} - {""}) == 3
    made = archived_name(names[0], (first, first + seconds))
    folder, _, name = made.partition("/")
    assert len(folder) == 13
    assert "/" not in name
    assert name.endswith(f"{unique_of(names[0])}.jsonl.gz")


def test_two_writers_of_one_name_and_number_differ() -> None:
    assert unique_of(Writer("pod", 1).next_name()) != unique_of(Writer("pod", 1).next_name())


@pytest.mark.parametrize(
    "name",
    [
        "predictions-20251130T080000Z-4711-0000.jsonl",
        "predictions-20251130T080000Z-h-1-00000000-0000.jsonl.gz",
        "predictions-20251130T080000Z-a/b-1-00000000-0000.jsonl",
        ".predictions-20251130T080000Z-h-1-00000000-0000.jsonl",
        "",
    ],
)
def test_other_names_have_no_unique_part(name: str) -> None:
    assert unique_of(name) == ""


times = st.lists(st.floats(0, 4e9).map(lambda value: round(value, 3)), min_size=1, max_size=30)


@given(times, st.integers(0, 90_000))
def test_the_times_of_lines_are_found_whatever_their_length_and_what_they_quote(found: list[float], length: int) -> None:
    more = {"features": {"time": 9e9, "text": '{"format":1,"time":1' + "x" * length}}
    lines = b"".join(STAMP + json.dumps({"time": it, **more}, separators=(",", ":")).encode()[1:] + b"\n" for it in found)
    assert read_times(io.BytesIO(lines)) == (min(found), max(found))


@pytest.mark.parametrize(
    "lines", [b"", b"\n", b"{}\n", b"\xff" * 99, STAMP + b'"time":"now"}\n', STAMP + b'"time":99999999999999}\n']
)
def test_lines_without_a_time_have_none(lines: bytes) -> None:
    assert read_times(io.BytesIO(lines)) is None


def test_a_file_that_is_gone_is_asked_of_the_archive_and_an_older_one_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "predictions-20251130T080000Z-h-1-00000000-0000.jsonl"
    with pytest.raises(FileNotFoundError):
        LogFile.of(path).open()
    moved = LogFile("x", lambda: io.BytesIO(b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0"), True)
    assert LogFile.of(path, lambda: moved).open().read() == b""


def test_an_archive_that_is_not_there_yet_has_no_files(tmp_path: Path) -> None:
    assert find_files(tmp_path / "log", Archive(fs.LocalFileSystem(), str(tmp_path / "none")), 0, 9e9) == []


def test_an_archive_that_does_not_answer_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        find_files(tmp_path, Archive(fs.LocalFileSystem(), str(tmp_path / "file")), 0, 9e9)


def test_the_files_of_a_folder_are_those_of_the_log_at_any_depth(tmp_path: Path) -> None:
    for name in ("predictions-a.jsonl", "predictions-b.jsonl.gz", "a/predictions-c.jsonl", "notes.txt", ".predictions-d.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    log = find_log(tmp_path)
    assert [path.name for path in log] == ["predictions-c.jsonl", "predictions-a.jsonl", "predictions-b.jsonl.gz"]
    assert find_beside(tmp_path, log) == [tmp_path / "notes.txt"]
