from __future__ import annotations

import dataclasses
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from recipeline.hosting import object_store, processes
from recipeline.hosting.state import ServerFolder


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[ServerFolder]:
    made = ServerFolder(tmp_path / ".server")
    made.make()
    yield made
    object_store.stop(made)


def test_an_object_survives_a_kill_and_only_the_keys_open_it(folder: ServerFolder) -> None:
    ports, secrets = folder.ports(), folder.secrets()
    process = object_store.start(folder, ports, secrets)
    object_store.wait(folder, process, ports["s3"], secrets)
    client = object_store.connect(ports["s3"], secrets)
    client.put_object(Bucket=object_store.BUCKET, Key="a/b", Body=b"kept" * 100_000)

    wrong = object_store.connect(ports["s3"], dataclasses.replace(secrets, s3_secret_key="another"))
    assert not object_store.is_ready(wrong)
    for part in ("s3", "filer"):
        for path in ("/mlflow/a/b", "/buckets/mlflow/a/b"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"http://127.0.0.1:{ports[part]}{path}", timeout=5)
            assert refused.value.code in (401, 403, 404)

    process.kill()
    object_store.wait(folder, object_store.start(folder, ports, secrets), ports["s3"], secrets)
    assert client.get_object(Bucket=object_store.BUCKET, Key="a/b")["Body"].read() == b"kept" * 100_000
    assert secrets.s3_secret_key not in processes.log_of(folder, object_store.NAME).read_text()
    assert object_store.stop(folder)
    assert not object_store.is_ready(client)
