"""Azure Blob Storage, by its own client: az://CONTAINER/PATH.

Credentials come from the environment: AZURE_STORAGE_CONNECTION_STRING, as for MLflow's artifacts; or
AZURE_STORAGE_ACCOUNT_URL with AZURE_STORAGE_ACCESS_KEY, or with what azure-identity finds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient

from recipeline.data.origin.stores.objects import (
    Bucket,
    ChangedObjectError,
    ExistingObjectError,
    Found,
    MissingObjectError,
)


class AzureContainer(Bucket):
    """A container of Azure Blob Storage."""

    errors = (AzureError,)

    def __init__(self, container: Any) -> None:
        self._container = container

    def find(self, key: str) -> Found:
        """Return the object of a key."""
        with _answers():
            found = self._container.get_blob_client(key).get_blob_properties()
        return Found(key, found.size, _mark(found.etag))

    def walk(self, prefix: str) -> Iterator[Found]:
        """Yield all objects whose keys begin so, sorted by key."""
        for it in self._container.list_blobs(name_starts_with=prefix):
            yield Found(it.name, it.size, _mark(it.etag))

    def read(self, found: Found, start: int, count: int) -> bytes:
        """Return so many bytes of an object from `start` on."""
        with _answers():
            content: bytes = self._container.download_blob(
                found.key, offset=start, length=count, etag=f'"{found.mark}"', match_condition=MatchConditions.IfNotModified
            ).readall()
        return content

    def upload(self, path: Path, key: str) -> None:
        """Write a file as an object: in blocks if it is large, committed at the end."""
        with path.open("rb") as file:
            self._container.upload_blob(key, file, overwrite=True)

    def delete(self, key: str) -> None:
        """Delete an object, if there is one."""
        with _answers():
            self._container.delete_blob(key)

    def write(self, content: bytes, key: str, *, is_new: bool) -> None:
        """Write an object."""
        try:
            self._container.upload_blob(key, content, overwrite=not is_new)
        except ResourceExistsError:
            raise ExistingObjectError from None


def _mark(etag: str) -> str:
    """Return an ETag without its quotes, which a list of blobs leaves out."""
    return etag.strip('"')


@contextmanager
def _answers() -> Iterator[None]:
    """Raise what an answer means for an object."""
    try:
        yield
    except ResourceNotFoundError as error:
        raise MissingObjectError from error
    except ResourceModifiedError as error:
        raise ChangedObjectError from error


def open_bucket(name: str) -> Bucket:
    """Return a container, by the environment's credentials.

    Raises
    ------
    ValueError : the environment names no account.
    """
    said, url = os.environ.get("AZURE_STORAGE_CONNECTION_STRING"), os.environ.get("AZURE_STORAGE_ACCOUNT_URL")
    if said:
        return AzureContainer(BlobServiceClient.from_connection_string(said).get_container_client(name))
    if not url:
        raise ValueError("neither AZURE_STORAGE_CONNECTION_STRING nor AZURE_STORAGE_ACCOUNT_URL is set")
    credential: Any = os.environ.get("AZURE_STORAGE_ACCESS_KEY")
    if not credential:
        from azure.identity import DefaultAzureCredential

        credential = DefaultAzureCredential()
    return AzureContainer(BlobServiceClient(url, credential=credential).get_container_client(name))
