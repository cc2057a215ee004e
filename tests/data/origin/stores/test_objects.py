"""Files of an object store, here one in memory: ranges, folders, sentences."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipeline.data.origin.stores import objects
from recipeline.data.origin.stores.objects import (
    Bucket,
    ChangedObjectError,
    ExistingObjectError,
    Found,
    MissingObjectError,
    StoredFile,
    StoreFolder,
    find_stored,
    is_store,
    spooled,
)
from recipeline.errors import DataError, UnavailableError, UsageError


class StoreError(Exception):
    """The client of the store fails."""


class MemoryBucket(Bucket):
    """Objects in memory; marks are numbers."""

    errors = (StoreError,)

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, int]] = {}
        self.reads: list[tuple[str, int, int]] = []
        self.fault: Exception | None = None

    def find(self, key: str) -> Found:
        if self.fault:
            raise self.fault
        if key not in self.objects:
            raise MissingObjectError
        content, mark = self.objects[key]
        return Found(key, len(content), str(mark))

    def walk(self, prefix: str) -> Iterator[Found]:
        return iter([self.find(key) for key in sorted(self.objects) if key.startswith(prefix)])

    def read(self, found: Found, start: int, count: int) -> bytes:
        self.reads.append((found.key, start, count))
        if self.find(found.key) != found:
            raise ChangedObjectError
        return self.objects[found.key][0][start : start + count]

    def upload(self, path: Path, key: str) -> None:
        self.write(path.read_bytes(), key, is_new=False)

    def delete(self, key: str) -> None:
        if key not in self.objects:
            raise MissingObjectError
        del self.objects[key]

    def write(self, content: bytes, key: str, *, is_new: bool) -> None:
        if is_new and key in self.objects:
            raise ExistingObjectError
        self.objects[key] = content, self.objects.get(key, (b"", 0))[1] + 1


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> MemoryBucket:
    made = MemoryBucket()
    monkeypatch.setattr(objects, "_open", lambda *_: made)
    return made


SIZES = st.lists(st.tuples(st.integers(0, 5000), st.integers(-1, 3000)), max_size=8)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=4000), SIZES)
def test_reads_from_any_place_give_the_bytes_of_the_object(content: bytes, reads: list[tuple[int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        made = MemoryBucket()
        patch.setattr(objects, "_open", lambda *_: made)
        patch.setattr(objects, "_LEAST_BYTES", 64)
        made.write(content, "a/b.csv", is_new=True)
        [(_, file)] = find_stored("s3://x/a/b.csv")
        with file.open("rb") as stream:
            for place, count in reads:
                stream.seek(place)
                assert stream.read(count) == (content[place:] if count < 0 else content[place : place + count])
                assert stream.tell() >= place or not content[place:]


def test_an_object_or_the_tables_below_it_are_found_by_name(bucket: MemoryBucket) -> None:
    for key in ("in/a.csv", "in/b/c.parquet", "in/_SUCCESS", "in/.x/d.csv", "in/", "inside.csv"):
        bucket.write(b"x", key, is_new=True)
    assert [name for name, _ in find_stored("s3://x/in")] == ["a.csv", "b/c.parquet"]
    assert find_stored("s3://x/in/a.csv") == [("", StoredFile("s3://x/in/a.csv", Found("in/a.csv", 1, "1")))]
    assert [file.uri for _, file in find_stored("s3://x/in/")] == ["s3://x/in/a.csv", "s3://x/in/b/c.parquet"]
    for key, words in (("in/notes.txt", "CSV and Parquet files only"), ("in/day=1/a.csv", "all columns in its files")):
        bucket.write(b"x", key, is_new=True)
        with pytest.raises(DataError, match=words):
            find_stored("s3://x/in")
        bucket.delete(key)
    with pytest.raises(DataError, match=r"No CSV or Parquet file at s3://x/nowhere\."):
        find_stored("s3://x/nowhere")


def test_an_object_that_changes_or_goes_is_not_read_on(bucket: MemoryBucket) -> None:
    bucket.write(b"x" * 100, "a.csv", is_new=True)
    [(_, file)] = find_stored("s3://x/a.csv")
    bucket.write(b"y" * 100, "a.csv", is_new=False)
    with file.open() as stream, pytest.raises(DataError, match=r"s3://x/a\.csv was changed while it was read\. Try again\."):
        stream.read()


def test_a_folder_has_files_by_name_written_whole(bucket: MemoryBucket) -> None:
    folder = StoreFolder("s3://x/out/")
    assert folder.read("a.json") is None
    assert folder.create("a.json", b"1")
    assert not folder.create("a.json", b"2")
    folder.write("empty", b"")
    assert (folder.read("a.json"), folder.read("empty")) == (b"1", b"")
    with suppress(ZeroDivisionError), spooled(folder, "p/b.csv") as path:
        path.write_bytes(b"half")
        raise ZeroDivisionError
    with spooled(folder, "p/c.csv") as path:
        path.write_bytes(b"whole")
    with spooled(folder, "p/d.csv"):
        pass
    assert sorted(bucket.objects) == ["out/a.json", "out/empty", "out/p/c.csv"]
    assert [name for name, _ in folder.walk("p/")] == ["p/c.csv"]
    folder.delete("p/c.csv")
    folder.delete("p/c.csv")
    assert [name for name, _ in StoreFolder("s3://x").walk()] == ["out/a.json", "out/empty"]


def test_a_store_that_sends_less_than_it_is_asked_for_is_no_end_of_a_file(
    bucket: MemoryBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.write(b"a\n1\n2\n", "rows.csv", is_new=True)
    [(_, file)] = find_stored("s3://x/rows.csv")
    for sent in (b"", b"a\n1\n", b"a\n1\n2\n3\n"):
        monkeypatch.setattr(MemoryBucket, "read", lambda *_, sent=sent: sent)
        with pytest.raises(UnavailableError, match=rf"the store sent {len(sent)} instead of 6 bytes"), file.open() as opened:
            opened.read()


def test_a_small_object_that_is_written_meanwhile_is_read_again(bucket: MemoryBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the manifest's files are, by machines with the same shard."""
    bucket.write(b"1", "in/a.json", is_new=True)
    find, often = MemoryBucket.find, [2]

    def change(self: MemoryBucket, key: str) -> Found:
        found = find(self, key)
        if often[0]:
            often[0] -= 1
            self.write(b"2", key, is_new=False)
        return found

    monkeypatch.setattr(bucket, "find", change.__get__(bucket))
    monkeypatch.setattr(bucket, "read", lambda found, *_: MemoryBucket.read(bucket, found, 0, 1))
    assert StoreFolder("s3://x/in/").read("a.json") == b"2"
    often[0] = 1000
    with pytest.raises(UnavailableError, match=r"a\.json changes all the time"):
        StoreFolder("s3://x/in/").read("a.json")


def test_a_stored_file_goes_to_another_process(bucket: MemoryBucket) -> None:
    bucket.write(b"abc", "a.csv", is_new=True)
    [(_, file)] = find_stored("s3://x/a.csv")
    assert pickle.loads(pickle.dumps(file)).open().read() == b"abc"


def test_what_a_client_raises_is_one_sentence(bucket: MemoryBucket) -> None:
    for fault in (StoreError("no such\n bucket."), OSError("no network")):
        bucket.fault = fault
        with pytest.raises(UnavailableError, match=r"a\.csv cannot be read or written: no (such bucket|network)\. Check"):
            find_stored("s3://x/a.csv")


def test_a_store_whose_package_is_missing_says_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(_: str) -> None:
        raise ModuleNotFoundError("no", name="boto3")

    objects._open.cache_clear()
    monkeypatch.setattr(objects.importlib, "import_module", lacks)
    with pytest.raises(UsageError, match=r'need the package boto3, which is not installed\. Type: make setup EXTRAS="gcs"'):
        find_stored("gs://x/a.csv")


def test_other_uris_are_not_those_of_a_store() -> None:
    assert [is_store(uri) for uri in ("s3://a/b", "S3://a/b", "gs://a", "az://a/b", "https://a/b", "a.csv", "hdfs://a")] == [
        *[True] * 4,
        *[False] * 3,
    ]
