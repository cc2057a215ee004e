"""The output folder: files written whole, here or in an object store."""

from __future__ import annotations

import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from recipeline.data.origin.stores.objects import StoreFolder, spooled
from recipeline.data.origin.uris import redact
from recipeline.data.writers import as_unwritable, remove_unfinished


class OutputFolder(ABC):
    """A folder whose files are written whole or not at all; names have slashes.

    Its methods raise UnavailableError where it cannot be read or written.
    """

    @property
    @abstractmethod
    def label(self) -> str:
        """The folder as sentences name it."""

    @abstractmethod
    def writing(self, name: str) -> AbstractContextManager[Path]:
        """Yield a path at which to write a file as a whole; it is there after the block."""

    @abstractmethod
    def sizes(self, below: str = "") -> dict[str, int]:
        """Return the bytes of all files by name, or of those below a folder."""

    @abstractmethod
    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None: there is none."""

    @abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Write a small file."""

    @abstractmethod
    def create(self, name: str, content: bytes) -> bool:
        """Write a small file unless it exists; return whether it was written."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Delete a file, if there is one."""


@dataclass(frozen=True)
class LocalFolder(OutputFolder):
    """A folder of this machine, or one that several machines share."""

    path: Path

    @property
    def label(self) -> str:
        return str(self.path)

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        path = self._made(name)
        with as_unwritable(path):
            remove_unfinished(path)
        yield path

    def sizes(self, below: str = "") -> dict[str, int]:
        found = {}
        with as_unwritable(self.path):
            for folder, _, files in os.walk(self.path / below):
                for name in files:
                    path = Path(folder, name)
                    with suppress(FileNotFoundError):
                        found[path.relative_to(self.path).as_posix()] = path.stat().st_size
        return found

    def read(self, name: str) -> bytes | None:
        with as_unwritable(self.path):
            try:
                return (self.path / name).read_bytes()
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        path = self._made(name)
        with as_unwritable(path), self._unfinished(path, content) as unfinished:
            unfinished.replace(path)

    def create(self, name: str, content: bytes) -> bool:
        path = self._made(name)
        with as_unwritable(path), self._unfinished(path, content) as unfinished:
            try:
                os.link(unfinished, path)
            except FileExistsError:
                return False
            except OSError:  # a file system without links: two that begin at once are found out by what each part says
                if path.exists():
                    return False
                unfinished.replace(path)
            return True

    def delete(self, name: str) -> None:
        with as_unwritable(self.path):
            (self.path / name).unlink(missing_ok=True)

    def _made(self, name: str) -> Path:
        path = self.path / name
        with as_unwritable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @contextmanager
    def _unfinished(self, path: Path, content: bytes) -> Iterator[Path]:
        unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        try:
            with unfinished.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            yield unfinished
        finally:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)


@dataclass(frozen=True)
class StoredFolder(OutputFolder):
    """A folder of an object store: files are written on this machine, then uploaded."""

    folder: StoreFolder

    @property
    def label(self) -> str:
        return redact(self.folder.uri)

    def writing(self, name: str) -> AbstractContextManager[Path]:
        return spooled(self.folder, name)

    def sizes(self, below: str = "") -> dict[str, int]:
        return {name: found.size for name, found in self.folder.walk(below)}

    def read(self, name: str) -> bytes | None:
        return self.folder.read(name)

    def write(self, name: str, content: bytes) -> None:
        self.folder.write(name, content)

    def create(self, name: str, content: bytes) -> bool:
        return self.folder.create(name, content)

    def delete(self, name: str) -> None:
        self.folder.delete(name)
