"""Input and output of batch prediction by the words that name them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.batch.output import LocalFolder, StoredFolder
from recipeline.batch.parts import Shard
from recipeline.cli.scoring.places import find_folder, input_files, parse_shard
from recipeline.data.origin.stores import objects
from recipeline.data.origin.stores.objects import StoreFolder
from recipeline.errors import UsageError
from tests.data.origin.stores.test_objects import MemoryBucket


@given(st.integers(1, 9999), st.integers(1, 9999))
def test_a_shard_is_read_as_it_is_shown(number: int, of: int) -> None:
    if number <= of:
        assert parse_shard(str(Shard(number, of))) == Shard(number, of)
    else:
        with pytest.raises(UsageError):
            parse_shard(f"{number}/{of}")


@pytest.mark.parametrize("word", ["0/3", "3", "a/b", "1/0", "-1/3", "01/3", "1/3 ", "1/3/5", "٣/٣"])
def test_other_words_are_no_shard(word: str) -> None:
    assert parse_shard("") is None
    with pytest.raises(UsageError, match="shard must be a number and how many there are"):
        parse_shard(word)


def test_a_folder_ends_with_a_slash_or_exists_or_is_in_a_store(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    assert find_folder("scored/", tmp_path) == LocalFolder(tmp_path / "scored")
    assert find_folder("there", tmp_path) == LocalFolder(tmp_path / "there")
    assert find_folder(f"file://{tmp_path}/there", Path("/")) == LocalFolder(tmp_path / "there")
    assert find_folder("scored.csv", tmp_path) is None
    for uri in ("s3://bucket/scored", "gs://bucket/scored/", "az://container/a/"):
        assert find_folder(uri, tmp_path) == StoredFolder(StoreFolder(uri))
    for uri in ("s3://bucket/scored.csv", "s3://bucket/scored.CSV.gz", "http://me:secret@host/scored/"):
        with pytest.raises(UsageError, match="output must be a local file, or a folder here or in an object store") as refused:
            find_folder(uri, tmp_path)
        assert "secret" not in str(refused.value)


def test_files_of_a_store_stay_there(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = MemoryBucket()
    monkeypatch.setattr(objects, "_open", lambda *_: bucket)
    for key in ("in/a.csv", "in/b.csv"):
        bucket.write(b"acid\n1\n", key, is_new=True)
    with input_files(None, "s3://x/in") as files:
        assert [(it.label, it.name) for it in files] == [("s3://x/in/a.csv", "a.csv"), ("s3://x/in/b.csv", "b.csv")]
    with input_files(None, "s3://x/in/a.csv") as files:
        assert [(it.label, it.name) for it in files] == [("s3://x/in/a.csv", "")]
    assert bucket.reads == []
