"""Google Cloud Storage's own client, against an emulator."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.data.origin.stores.contract import check_bucket

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(
        "STORAGE_EMULATOR_HOST" not in os.environ, reason="no emulator of Google Cloud Storage (STORAGE_EMULATOR_HOST)"
    ),
]


def test_a_bucket_follows_the_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = pytest.importorskip("google.cloud.storage")
    from recipeline.data.origin.stores.gcs import open_bucket

    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "tests")
    client = storage.Client()
    if not client.bucket("recipeline").exists():
        client.create_bucket("recipeline")
    check_bucket(open_bucket("recipeline"), tmp_path)
