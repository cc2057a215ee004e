"""An S3 endpoint, SeaweedFS: found, read in ranges, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recipeline.data.origin.stores import objects
from recipeline.data.origin.stores.objects import StoreFolder, asking, find_stored, spooled
from recipeline.data.readers import open_rows
from recipeline.errors import DataError, UnavailableError
from recipeline.hosting import object_store
from tests.data.origin.stores.contract import check_bucket, s3_endpoint

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(object_store.find_program() is None, reason="SeaweedFS is not installed"),
]

URI = f"s3://{object_store.BUCKET}"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with s3_endpoint(tmp_path_factory.mktemp("s3")) as found:
        yield found


@pytest.fixture
def uri(endpoint: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in endpoint.items():
        monkeypatch.setenv(name, value)
    objects._open.cache_clear()
    yield f"{URI}/{tmp_path.name}"
    objects._open.cache_clear()


def test_a_bucket_follows_the_rules(uri: str, tmp_path: Path) -> None:
    with asking(uri) as bucket:
        check_bucket(bucket, tmp_path)


def test_an_object_is_read_from_any_place(uri: str) -> None:
    content = os.urandom(9 << 20)
    StoreFolder(f"{uri}/").write("sub/large.csv", content)
    [(name, file)] = find_stored(f"{uri}/sub/large.csv")
    assert (name, file.found.size) == ("", len(content))
    with file.open("rb") as stream:
        assert stream.read(10) == content[:10]
        stream.seek(-7, 2)
        assert stream.read() == content[-7:]
        stream.seek(5 << 20)
        assert stream.read(3 << 20) == content[5 << 20 : 8 << 20]
        assert stream.read() == content[8 << 20 :]
    assert [(name, file.uri) for name, file in find_stored(uri)] == [("sub/large.csv", f"{uri}/sub/large.csv")]


def test_an_object_is_made_once_and_a_changed_one_is_not_read(uri: str) -> None:
    folder = StoreFolder(uri)
    assert folder.create("a.csv", b"a,b\n1,2\n")
    assert not folder.create("a.csv", b"c,d\n1,2\n")
    assert folder.read("a.csv") == b"a,b\n1,2\n"
    [(_, file)] = find_stored(f"{uri}/a.csv")
    folder.write("a.csv", b"a,b\n3,4\n")
    with file.open() as stream, pytest.raises(DataError, match="was changed while it was read"):
        stream.read()
    folder.delete("a.csv")
    folder.delete("a.csv")
    with pytest.raises(DataError, match="No CSV or Parquet file at s3://"):
        find_stored(f"{uri}/a.csv")


def test_a_file_that_could_not_be_written_is_no_object(uri: str) -> None:
    folder = StoreFolder(uri)
    with suppress(ZeroDivisionError), spooled(folder, "a.csv") as path:
        path.write_bytes(b"half")
        raise ZeroDivisionError
    with spooled(folder, "b.csv"):
        pass
    assert folder.walk() == []


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".csv.xz", ".parquet"])
def test_tables_are_read_as_those_of_this_machine(uri: str, tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"a": np.arange(200_000.0), "b": "text"})
    path = tmp_path / f"rows{suffix}"
    frame.to_parquet(path, row_group_size=50_000) if suffix == ".parquet" else frame.head(2000).to_csv(path, index=False)
    StoreFolder(uri).upload(path, path.name)
    [(_, file)] = find_stored(f"{uri}/{path.name}")

    def read(place: Any) -> list[Any]:
        return [piece.rows for piece in open_rows(place, ["a"], "rows").pieces()]

    assert read(file) == read(path)


def test_a_folder_with_something_else_in_it_is_refused(uri: str) -> None:
    folder = StoreFolder(uri)
    for name in ("a.csv", "_SUCCESS", "_manifest/x.json", ".hidden/x", "b/c.parquet"):
        folder.write(name, b"x")
    assert [name for name, _ in find_stored(uri)] == ["a.csv", "b/c.parquet"]
    folder.write("notes.txt", b"x")
    with pytest.raises(DataError, match=r"must hold CSV and Parquet files only.*Got 'notes.txt'"):
        find_stored(uri)


def test_a_store_that_refuses_or_is_not_there_is_one_sentence(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for changed in ({"AWS_SECRET_ACCESS_KEY": "wrong"}, {"MLFLOW_S3_ENDPOINT_URL": "http://127.0.0.1:1"}):
        with monkeypatch.context() as patch:
            for name, value in changed.items():
                patch.setenv(name, value)
            objects._open.cache_clear()
            with pytest.raises(UnavailableError, match=rf"{uri} cannot be read or written: .*\. Check the address") as refused:
                find_stored(uri)
            assert "wrong" not in str(refused.value)
    objects._open.cache_clear()
