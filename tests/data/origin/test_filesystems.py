"""Object stores by their URI: options from the environment, no secrets."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pyarrow import fs

from recipeline.data.origin.filesystems import open_filesystem, resolve_place
from recipeline.errors import UsageError

S3 = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"}


def test_a_folder_is_a_path_or_a_file_uri(tmp_path: Path) -> None:
    for place in (str(tmp_path), f"file://{tmp_path}"):
        filesystem, path = open_filesystem(place)
        assert isinstance(filesystem, fs.LocalFileSystem)
        assert path == str(tmp_path)


def test_a_relative_folder_lies_in_the_one_that_is_given_and_a_uri_does_not(tmp_path: Path) -> None:
    assert resolve_place("log/old", tmp_path) == str(tmp_path / "log/old")
    assert resolve_place("s3://bucket/log", tmp_path) == "s3://bucket/log"


@pytest.mark.parametrize("name", ["MLFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])
def test_an_endpoint_of_ones_own_is_that_of_the_environment(name: str) -> None:
    filesystem, path = open_filesystem("s3://bucket/a/b/", S3 | {name: "http://127.0.0.1:1"}, attempts=1)
    assert isinstance(filesystem, fs.S3FileSystem)
    assert (path, filesystem.region) == ("bucket/a/b", "us-east-1")
    with pytest.raises(OSError, match=r"127\.0\.0\.1 port 1"):
        filesystem.get_file_info(path)


@pytest.mark.parametrize(
    "endpoint", ["localhost:9000", "me:secret@host:9000", "ftp://me:secret@host", "http://[::1", "http://", "/x"]
)
def test_an_endpoint_that_is_none_is_refused_and_nothing_goes_elsewhere(endpoint: str) -> None:
    with pytest.raises(UsageError, match="must be http://host:port") as refused:
        open_filesystem("s3://bucket/a", S3 | {"AWS_ENDPOINT_URL": endpoint})
    assert "://me:secret" not in str(refused.value)


def test_a_region_is_that_of_the_environment() -> None:
    filesystem, _ = open_filesystem("s3://bucket/a", S3 | {"AWS_DEFAULT_REGION": "eu-central-1"})
    assert filesystem.region == "eu-central-1"


def test_google_and_azure_have_their_own_clients() -> None:
    filesystem, path = open_filesystem("gs://bucket/a")
    assert (type(filesystem), path) == (fs.GcsFileSystem, "bucket/a")
    assert filesystem == fs.GcsFileSystem(retry_time_limit=timedelta(seconds=60))
    assert filesystem != fs.GcsFileSystem()
    filesystem, path = open_filesystem("az://box/a", {"AZURE_STORAGE_ACCOUNT_NAME": "me", "AZURE_STORAGE_ACCESS_KEY": "a2V5"})
    assert (type(filesystem), path) == (fs.AzureFileSystem, "box/a")


def test_what_cannot_be_opened_is_one_sentence() -> None:
    with pytest.raises(UsageError, match="Set AZURE_STORAGE_ACCOUNT_NAME in the environment"):
        open_filesystem("az://box/a", {})
    with pytest.raises(UsageError, match="Got 'ftp:' instead") as refused:
        open_filesystem("ftp://me:secret@host/a")
    assert "secret" not in str(refused.value)
