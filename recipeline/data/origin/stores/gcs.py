"""Google Cloud Storage, by its own client.

Credentials come from the environment: GOOGLE_APPLICATION_CREDENTIALS, or the machine's account.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from google.api_core.exceptions import GoogleAPIError, NotFound, PreconditionFailed
from google.auth.exceptions import GoogleAuthError
from google.cloud import storage
from requests import RequestException

from recipeline.data.origin.stores.objects import (
    Bucket,
    ChangedObjectError,
    ExistingObjectError,
    Found,
    MissingObjectError,
)


class GcsBucket(Bucket):
    """A bucket of Google Cloud Storage; an object's mark is its generation."""

    errors = (GoogleAPIError, GoogleAuthError, RequestException)

    def __init__(self, bucket: Any) -> None:
        self._bucket = bucket

    def find(self, key: str) -> Found:
        """Return the object of a key."""
        blob = self._bucket.get_blob(key)
        if blob is None:
            raise MissingObjectError
        return Found(key, blob.size, str(blob.generation))

    def walk(self, prefix: str) -> Iterator[Found]:
        """Yield all objects whose keys begin so, sorted by key."""
        for blob in self._bucket.list_blobs(prefix=prefix):
            yield Found(blob.name, blob.size, str(blob.generation))

    def read(self, found: Found, start: int, count: int) -> bytes:
        """Return so many bytes of an object from `start` on."""
        with _answers():
            blob = self._bucket.blob(found.key, generation=int(found.mark))
            content: bytes = blob.download_as_bytes(start=start, end=start + count - 1, raw_download=True)
        return content

    def upload(self, path: Path, key: str) -> None:
        """Write a file as an object, which is there when all of it is."""
        self._bucket.blob(key).upload_from_filename(str(path))

    def delete(self, key: str) -> None:
        """Delete an object, if there is one."""
        with _answers():
            self._bucket.blob(key).delete()

    def write(self, content: bytes, key: str, *, is_new: bool) -> None:
        """Write an object."""
        condition = {"if_generation_match": 0} if is_new else {}
        try:
            with _answers():
                self._bucket.blob(key).upload_from_string(content, content_type="application/octet-stream", **condition)
        except ChangedObjectError:
            raise ExistingObjectError from None


@contextmanager
def _answers() -> Iterator[None]:
    """Raise what an answer means for an object."""
    try:
        yield
    except NotFound as error:
        raise MissingObjectError from error
    except PreconditionFailed as error:
        raise ChangedObjectError from error


def open_bucket(name: str) -> Bucket:
    """Return a bucket, by the environment's credentials."""
    return GcsBucket(storage.Client().bucket(name))
