"""Azure's own client, against an emulator."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.data.origin.stores.contract import check_bucket

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(
        "AZURITE_CONNECTION_STRING" not in os.environ, reason="no emulator of Azure Storage (AZURITE_CONNECTION_STRING)"
    ),
]


def test_a_container_follows_the_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = pytest.importorskip("azure.storage.blob")
    from recipeline.data.origin.stores.azure import open_bucket

    said = os.environ["AZURITE_CONNECTION_STRING"]
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", said)
    container = blob.BlobServiceClient.from_connection_string(said).get_container_client("recipeline")
    if not container.exists():
        container.create_container()
    check_bucket(open_bucket("recipeline"), tmp_path)
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING")
    with pytest.raises(ValueError, match="neither AZURE_STORAGE_CONNECTION_STRING nor"):
        open_bucket("recipeline")
