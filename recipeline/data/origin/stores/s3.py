"""S3 and endpoints like it, by boto3.

Credentials, region and endpoint come from the environment, as for MLflow's artifacts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from recipeline.data.origin.stores.objects import (
    Bucket,
    ChangedObjectError,
    ExistingObjectError,
    Found,
    MissingObjectError,
)

#: Codes of answers that are no failures.
_MISSING, _CHANGED = {"404", "NoSuchKey", "NotFound"}, {"412", "PreconditionFailed", "409", "ConditionalRequestConflict"}


class S3Bucket(Bucket):
    """A bucket of S3."""

    errors = (BotoCoreError, ClientError, Boto3Error)

    def __init__(self, client: Any, name: str) -> None:
        self._client, self._name = client, name

    def find(self, key: str) -> Found:
        """Return the object of a key."""
        with _answers():
            answer = self._client.head_object(Bucket=self._name, Key=key)
        return Found(key, answer["ContentLength"], answer["ETag"])

    def walk(self, prefix: str) -> Iterator[Found]:
        """Yield all objects whose keys begin so, sorted by key."""
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix):
            for it in page.get("Contents", ()):
                yield Found(it["Key"], it["Size"], it["ETag"])

    def read(self, found: Found, start: int, count: int) -> bytes:
        """Return so many bytes of an object from `start` on."""
        with _answers():
            answer = self._client.get_object(
                Bucket=self._name, Key=found.key, Range=f"bytes={start}-{start + count - 1}", IfMatch=found.mark
            )
        content: bytes = answer["Body"].read()
        return content

    def upload(self, path: Path, key: str) -> None:
        """Write a file as an object: in parts if it is large, completed at the end."""
        self._client.upload_file(str(path), self._name, key)

    def delete(self, key: str) -> None:
        """Delete an object, if there is one."""
        self._client.delete_object(Bucket=self._name, Key=key)

    def write(self, content: bytes, key: str, *, is_new: bool) -> None:
        """Write an object."""
        condition = {"IfNoneMatch": "*"} if is_new else {}
        try:
            with _answers():
                self._client.put_object(Bucket=self._name, Key=key, Body=content, **condition)
        except ChangedObjectError:
            raise ExistingObjectError from None


@contextmanager
def _answers() -> Iterator[None]:
    """Raise what an answer means for an object."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _MISSING:
            raise MissingObjectError from error
        if code in _CHANGED:
            raise ChangedObjectError from error
        raise


def open_bucket(name: str) -> Bucket:
    """Return a bucket, by the environment's credentials."""
    style = os.environ.get("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE", "auto")
    is_open = os.environ.get("MLFLOW_S3_IGNORE_TLS", "").lower() in ("true", "1")
    client = boto3.session.Session().client(  # one of its own: the shared one keeps the first credentials
        "s3",
        endpoint_url=os.environ.get("MLFLOW_S3_ENDPOINT_URL") or None,
        verify=False if is_open else None,
        config=Config(s3={"addressing_style": style}),
    )
    return S3Bucket(client, name)
