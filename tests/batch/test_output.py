"""The output folder, here and in an object store: files are whole or not there."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import IO

import pyarrow as pa
import pytest

from recipeline.batch.output import LocalFolder, OutputFolder, StoredFolder
from recipeline.data import writers
from recipeline.data.origin.stores import objects
from recipeline.data.origin.stores.objects import StoreFolder
from recipeline.data.writers import Layout, open_sink
from recipeline.errors import UnavailableError
from tests.data.origin.stores.test_objects import MemoryBucket


@pytest.fixture(params=["here", "store"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OutputFolder:
    bucket = MemoryBucket()
    monkeypatch.setattr(objects, "_open", lambda *_: bucket)
    return LocalFolder(tmp_path) if request.param == "here" else StoredFolder(StoreFolder("s3://x/out/"))


def test_files_are_written_found_and_deleted(folder: OutputFolder) -> None:
    assert folder.read("a/b.json") is None
    assert folder.create("a/b.json", b"1")
    assert not folder.create("a/b.json", b"22")
    assert folder.read("a/b.json") == b"1"
    folder.write("a/b.json", b"333")
    with folder.writing("c d/[e].csv") as path:
        path.write_bytes(b"rows")
    with folder.writing("none.csv"):
        pass
    assert folder.sizes() == {"a/b.json": 3, "c d/[e].csv": 4}
    assert folder.sizes("a/") == {"a/b.json": 3}
    folder.delete("a/b.json")
    folder.delete("a/b.json")
    assert folder.sizes() == {"c d/[e].csv": 4}
    assert pickle.loads(pickle.dumps(folder)).label == folder.label


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".a[1].csv.77.part", ".a1.csv.77.part", ".a[1].csv.keep"):
        (tmp_path / name).touch()
    with LocalFolder(tmp_path).writing("a[1].csv"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a1.csv.77.part", ".a[1].csv.keep"]


def test_two_processes_that_write_the_same_file_do_not_take_it_from_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in containers, where both have the same number."""
    monkeypatch.setattr(os, "getpid", lambda: 7)
    layout = Layout("a", ",", pa.schema([("a", pa.int64())]))
    rows = [pa.RecordBatch.from_pydict({"a": [place]}) for place in range(3)]
    folders = LocalFolder(tmp_path), LocalFolder(tmp_path)
    with folders[0].writing("a.csv") as first, open_sink(first, layout) as write:
        write(rows[0])
        with folders[1].writing("a.csv") as second, open_sink(second, layout) as write_too:
            write_too(rows[0])
            write(rows[1])
            write_too(rows[1])
        assert first.read_bytes() == b"a\n0\n1\n"
        write(rows[2])
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert first.read_bytes() == b"a\n0\n1\n2\n"


def test_an_unfinished_file_that_is_removed_before_it_is_locked_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = writers._lock

    def late(file: IO[bytes]) -> bool:
        monkeypatch.undo()
        writers.remove_unfinished(tmp_path / "a.csv")
        return lock(file)

    monkeypatch.setattr(writers, "_lock", late)
    with writers.open_sink(tmp_path / "a.csv", Layout("a", ",", pa.schema([("a", pa.int64())]))):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_file_is_its_writers_until_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = Path.replace

    def late(path: Path, target: Path) -> Path:
        writers.remove_unfinished(target)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", late)
    with writers.open_sink(tmp_path / "a.csv", Layout("a", ",", pa.schema([("a", pa.int64())]))):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_file_system_without_links_makes_a_file_once_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", cannot)
    folder = LocalFolder(tmp_path)
    assert folder.create("a", b"1")
    assert not folder.create("a", b"2")
    assert folder.read("a") == b"1"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    folder = LocalFolder(tmp_path)
    for act in (lambda: folder.write("a/b", b""), lambda: folder.create("a/b", b""), lambda: folder.writing("a/b").__enter__()):
        with pytest.raises(UnavailableError, match="output cannot be written to"):
            act()
