"""Files of an object store: found, read in ranges, written whole."""

from __future__ import annotations

import importlib
import io
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from recipeline.data.origin.folders import require_table
from recipeline.data.origin.paths import split_uri
from recipeline.data.origin.uris import redact, scrub
from recipeline.errors import DataError, UnavailableError, UsageError

#: The modules of stores by the scheme of a URI, and the extra that installs what they need.
_STORES = {"s3": ("s3", "s3"), "gs": ("gcs", "gcs"), "az": ("azure", "azure")}

#: So many bytes are read at least.
_LEAST_BYTES = 1 << 20

#: A small object that is written meanwhile is asked for so often.
_ATTEMPTS = 5


@dataclass(frozen=True)
class Found:
    """An object: its key, size in bytes, and the mark that changes with its content."""

    key: str
    size: int
    mark: str


class MissingObjectError(Exception):
    """There is no object of that key."""


class ChangedObjectError(Exception):
    """The object has another mark than the one that was asked for."""


class ExistingObjectError(Exception):
    """There is an object of that key already."""


class Bucket(ABC):
    """A bucket of an object store, or a container of Azure.

    Errors of the store's client are those of its `errors`.
    """

    #: The types that the store's client raises.
    errors: tuple[type[BaseException], ...] = ()

    @abstractmethod
    def find(self, key: str) -> Found:
        """Return the object of a key. Raises MissingObjectError."""

    @abstractmethod
    def walk(self, prefix: str) -> Iterable[Found]:
        """Return all objects whose keys begin so, sorted by key."""

    @abstractmethod
    def read(self, found: Found, start: int, count: int) -> bytes:
        """Return so many bytes of an object from `start` on.

        Raises
        ------
        ChangedObjectError, MissingObjectError : it is another one, or gone.
        """

    @abstractmethod
    def upload(self, path: Path, key: str) -> None:
        """Write a file as an object, whole or not at all."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete an object, if there is one."""

    @abstractmethod
    def write(self, content: bytes, key: str, *, is_new: bool) -> None:
        """Write an object; `is_new`: raise ExistingObjectError where there is one."""


def is_store(uri: str) -> bool:
    """Whether a URI is that of an object store."""
    return split_uri(uri).scheme.lower() in _STORES


@dataclass(frozen=True)
class StoreFolder:
    """The objects below a URI, named by what follows it."""

    uri: str

    @property
    def _prefix(self) -> str:
        prefix = _key_of(self.uri).strip("/")
        return f"{prefix}/" if prefix else ""

    def child(self, name: str) -> str:
        """Return the URI of an object."""
        return f"{self.uri.rstrip('/')}/{name}"

    def walk(self, below: str = "") -> list[tuple[str, Found]]:
        """Return the names and objects of a folder in it, sorted by name."""
        with asking(self.uri) as bucket:
            prefix = self._prefix + below
            return [(it.key.removeprefix(self._prefix), it) for it in bucket.walk(prefix) if not it.key.endswith("/")]

    def read(self, name: str) -> bytes | None:
        """Return an object's content; None: there is none."""
        with asking(self.uri) as bucket:
            for _ in range(_ATTEMPTS):
                try:
                    found = bucket.find(self._prefix + name)
                    return bucket.read(found, 0, found.size) if found.size else b""
                except MissingObjectError:
                    return None
                except ChangedObjectError:  # another machine has written it since it was found
                    continue
            raise OSError(f"{name} changes all the time")

    def write(self, name: str, content: bytes) -> None:
        """Write an object."""
        with asking(self.uri) as bucket:
            bucket.write(content, self._prefix + name, is_new=False)

    def create(self, name: str, content: bytes) -> bool:
        """Write an object unless there is one; return whether it was written."""
        with asking(self.uri) as bucket:
            try:
                bucket.write(content, self._prefix + name, is_new=True)
            except ExistingObjectError:
                return False
            return True

    def delete(self, name: str) -> None:
        """Delete an object, if there is one."""
        with asking(self.uri) as bucket, suppress(MissingObjectError):
            bucket.delete(self._prefix + name)

    def upload(self, path: Path, name: str) -> None:
        """Write a file as an object, whole or not at all."""
        with asking(self.uri) as bucket:
            bucket.upload(path, self._prefix + name)


@dataclass(frozen=True)
class StoredFile:
    """A file in an object store, opened as a path is: read in ranges, never copied."""

    uri: str
    found: Found

    def open(self, _: str = "rb") -> IO[bytes]:
        """Return its bytes as a stream that can be read from any place.

        Raises
        ------
        DataError : it was changed since it was found.
        UnavailableError : the store cannot be reached or refuses; also while it is read.
        """
        return io.BufferedReader(_Ranges(self), _LEAST_BYTES)


class _Ranges(io.RawIOBase):
    """The bytes of an object, a range for each read."""

    def __init__(self, file: StoredFile) -> None:
        self._file, self._place = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, place: int, whence: int = 0) -> int:
        self._place = place + (0, self._place, self._file.found.size)[whence]
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        count = min(len(view), self._file.found.size - self._place)
        if count <= 0:
            return 0
        with asking(self._file.uri) as bucket:
            try:
                content = bucket.read(self._file.found, self._place, count)
            except (ChangedObjectError, MissingObjectError):
                raise DataError(f"{redact(self._file.uri)} was changed while it was read.", fix="Try again.") from None
            if len(content) != count:  # fewer would be taken for the end of the file
                raise OSError(f"the store sent {len(content)} instead of {count} bytes")
        view[: len(content)] = content
        self._place += len(content)
        return len(content)


def find_stored(uri: str) -> list[tuple[str, StoredFile]]:
    """Return the tables of a URI by name: "" of the object, or those below it.

    Objects in whose names a part begins with ``.`` or ``_``, as markers do, are left out; no others are.

    Raises
    ------
    DataError : there is none, or another kind of file is among them.
    UnavailableError : the store cannot be reached or refuses.
    """
    key = _key_of(uri)
    if key and not key.endswith("/"):
        with asking(uri) as bucket:
            try:
                return [("", StoredFile(uri, bucket.find(key)))]
            except MissingObjectError:
                pass
    folder = StoreFolder(uri)
    shown = [(name, found) for name, found in folder.walk() if not re.search(r"(^|/)[._]", name)]
    for name, _ in shown:
        require_table(name, redact(uri))
    if not shown:
        raise DataError(
            f"No CSV or Parquet file at {redact(uri)}.", fix="Correct the address: it must be that of an object or of a folder."
        )
    return [(name, StoredFile(folder.child(name), found)) for name, found in shown]


def _key_of(uri: str) -> str:
    """Return the key in a URI as it is written: a key may have any character."""
    return uri.partition("://")[2].partition("/")[2]


@contextmanager
def asking(uri: str) -> Iterator[Bucket]:
    """Yield the bucket of a URI; its client's errors in the block are one sentence.

    Raises
    ------
    UsageError : what its scheme needs is not installed.
    UnavailableError : it cannot be reached or refuses.
    """
    parts = split_uri(uri)
    name, extra = _STORES[parts.scheme.lower()]
    try:
        bucket = _open(name, parts.netloc)
    except ImportError as error:
        raise UsageError(
            f"URIs of {parts.scheme}:// need the package {error.name}, which is not installed.",
            fix=f'Type: make setup EXTRAS="{extra}".',
        ) from None
    except ValueError as error:  # no credentials, or no account
        raise _unavailable(uri, error) from None
    expected: tuple[type[BaseException], ...] = (OSError, *bucket.errors)
    try:
        yield bucket
    except expected as error:
        raise _unavailable(uri, error) from None


def _unavailable(uri: str, error: BaseException) -> UnavailableError:
    reason = " ".join(scrub(str(error) or type(error).__name__, uri).split())[:200].rstrip(".")
    return UnavailableError(
        f"{redact(uri)} cannot be read or written: {reason}.", fix="Check the address, the credentials and the network."
    )


@cache
def _open(module: str, bucket: str) -> Bucket:
    opened: Callable[[str], Bucket] = importlib.import_module(f"recipeline.data.origin.stores.{module}").open_bucket
    return opened(bucket)


@contextmanager
def spooled(folder: StoreFolder, name: str) -> Iterator[Path]:
    """Yield a path to write; at the end of the block it becomes an object.

    If the block raises, or wrote nothing, there is none.
    """
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, name.rpartition("/")[2])
        yield path
        if path.is_file():
            folder.upload(path, name)
