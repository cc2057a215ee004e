"""The rules of every bucket, whatever store it is of."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from recipeline.data.origin.stores.objects import (
    Bucket,
    ChangedObjectError,
    ExistingObjectError,
    MissingObjectError,
)
from recipeline.hosting import object_store
from recipeline.hosting.state import ServerFolder


@contextmanager
def s3_endpoint(folder: Path) -> Iterator[dict[str, str]]:
    """Yield the environment of clients of an S3 endpoint, which runs for the block."""
    server = ServerFolder(folder / ".server")
    server.make()
    ports, secrets = server.ports(), server.secrets()
    try:
        object_store.wait(server, object_store.start(server, ports, secrets), ports["s3"], secrets)
        yield object_store.client_environment(ports["s3"], secrets)
    finally:
        object_store.stop(server)


def check_bucket(bucket: Bucket, tmp_path: Path) -> None:
    """Write, find, read and delete objects, and meet each answer that is no failure."""
    prefix, content = f"{uuid.uuid4().hex}/", os.urandom(9 << 20)
    large, small = f"{prefix}a b/larg+é.csv", f"{prefix}small.json"
    (tmp_path / "large").write_bytes(content)
    bucket.upload(tmp_path / "large", large)
    bucket.write(b"{}", small, is_new=True)
    assert [it.key for it in bucket.walk(prefix)] == [large, small]
    assert [it.key for it in bucket.walk(f"{prefix}a b/")] == [large]
    found = bucket.find(large)
    assert (found.key, found.size) == (large, len(content))
    assert list(bucket.walk(f"{prefix}a b/")) == [found]
    for start, count in ((0, 10), (5_000_000, 3_000_000), (len(content) - 1, 1)):
        assert bucket.read(found, start, count) == content[start : start + count]
    with pytest.raises(ExistingObjectError):
        bucket.write(b"[]", small, is_new=True)
    before = bucket.find(small)
    assert bucket.read(before, 0, 2) == b"{}"
    bucket.write(b"[]", small, is_new=False)
    with pytest.raises((ChangedObjectError, MissingObjectError)):
        bucket.read(before, 0, 2)
    bucket.delete(large)
    with pytest.raises(MissingObjectError):
        bucket.find(large)
    with pytest.raises((ChangedObjectError, MissingObjectError)):
        bucket.read(found, 0, 10)
