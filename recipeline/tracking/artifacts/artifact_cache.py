"""Artifacts of other machines kept on this one, by sha256.

A server's artifacts are uploaded once and read many times, by the steps after and by the next command. A kept file is used
only if its digest is the one that the manifest of its run records; so it does not matter who put it there.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

#: The most bytes that are kept; the files used longest ago are deleted.
LIMIT_BYTES = 2 * 1024**3

#: The beginning of the name of a file that is still being written.
_UNFINISHED = ".new-"

#: One that is older was left by a killed command.
_LEFT_SECONDS = 3600

#: Files are counted when a process has added its first, and again after so many bytes.
_COUNT_BYTES = 64 * 1024**2


def file_digest(path: Path) -> str:
    """Return the sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass
class ArtifactCache:
    """Files by sha256 in a folder that several processes share.

    Errors of writing are ignored: without a cache, a command downloads again. With `only_own`, files that this process has
    not added are not used.
    """

    folder: Path
    limit: int = LIMIT_BYTES
    own: set[str] = field(default_factory=set)
    only_own: bool = False
    _uncounted: int = _COUNT_BYTES

    def of_this_process(self) -> ArtifactCache:
        """Return the same cache, of files that this process has added."""
        return ArtifactCache(self.folder, self.limit, self.own, only_own=True)

    def copy_to(self, target: Path, digest: str) -> bool:
        """Copy the file of that digest to `target`, if there is an intact one.

        One that is not intact is deleted.
        """
        if not re.fullmatch("[0-9a-f]{64}", digest) or (self.only_own and digest not in self.own):
            return False
        kept = self._place(digest)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(kept, target)
        except OSError:  # there is none, or another process has just deleted it
            target.unlink(missing_ok=True)
            return False
        if file_digest(target) != digest:
            for path in (target, kept):
                with suppress(OSError):
                    path.unlink()
            return False
        with suppress(OSError):
            kept.touch()
        return True

    def add(self, path: Path, digest: str, *, own: bool = False) -> None:
        """Keep a copy of the file `path`, whose sha256 is `digest`.

        `own`: this process has just written and uploaded it.
        """
        kept = self._place(digest)
        unfinished = kept.with_name(f"{_UNFINISHED}{uuid.uuid4().hex}")
        with suppress(OSError):
            size = path.stat().st_size
            if size > self.limit // 4:
                return
            if not kept.exists():
                for folder in (self.folder, kept.parent):
                    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                try:
                    shutil.copyfile(path, unfinished)
                    unfinished.replace(kept)
                finally:
                    unfinished.unlink(missing_ok=True)
                self._uncounted += size
            if own:
                self.own.add(digest)
        if self._uncounted >= _COUNT_BYTES:
            self._uncounted = 0
            self.prune()

    def prune(self) -> None:
        """Delete the files used longest ago, until four fifths of the limit are left."""
        files = sorted(self._files())
        too_many = sum(size for _, size, _ in files) - self.limit
        too_many += self.limit // 5 if too_many > 0 else 0
        for used, size, path in files:
            is_left = path.name.startswith(_UNFINISHED)
            if (is_left and time.time() - used > _LEFT_SECONDS) or (not is_left and too_many > 0):
                with suppress(OSError):
                    path.unlink()
                too_many -= size

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Yield the time of the last use, the size and the path of each file."""
        for path in self.folder.glob("*/*"):
            with suppress(OSError):
                state = path.stat()
                yield state.st_mtime, state.st_size, path

    def _place(self, digest: str) -> Path:
        return self.folder / digest[:2] / digest
