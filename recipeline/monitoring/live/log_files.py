"""Names and places of the files of the prediction log: a folder, and an archive.

A file that is written to is ``predictions-20261130T101500Z-HOST-PROCESS-TOKEN-0000.jsonl``: when it began, and what makes it
unique among all machines. In the archive it is compressed, in a folder of the hour of its first line, and its name has the
seconds of its first and its last line: ``2026-11-30T10/predictions-20261130T101500Z-20261130T102959Z-HOST-...-0000.jsonl.gz``.
"""

from __future__ import annotations

import re
import secrets
import time
from calendar import timegm
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

#: How the names of its files begin and end, also compressed.
PREFIX = "predictions-"
SUFFIXES = (".jsonl", ".jsonl.gz")

#: A line may be so much older than its file, which begins when its first lines are written.
SLACK_SECONDS = 600.0

_STAMP, _HOUR = "%Y%m%dT%H%M%SZ", "%Y-%m-%dT%H"
_TIME = r"(\d{8}T\d{6}Z)"
_UNIQUE = r"([A-Za-z0-9._-]+-\d+-[0-9a-f]{8}-\d{4,})"
_LOCAL = re.compile(rf"{PREFIX}{_TIME}-{_UNIQUE}\.jsonl")
_ARCHIVED = re.compile(rf"{PREFIX}{_TIME}-{_TIME}-{_UNIQUE}\.jsonl\.gz")
_ANY = re.compile(rf"{PREFIX}{_TIME}-")

#: A file is written to for a day at most, so that those of a time began at most so much before.
_LONGEST_SECONDS = 25 * 3600

#: The time of a line: the key after those that each line begins with.
_LINE_TIME = re.compile(rb'^\{"format":\d+,"recipeline":"[^"\\]*","time":(\d+(?:\.\d+)?)[,}]', re.MULTILINE)
_CHUNK = 1 << 16


class Writer:
    """Makes the names of the files of one process on one host, each once."""

    def __init__(self, host: str, process: int) -> None:
        host = re.sub(r"[^A-Za-z0-9.-]", "_", host)[:60].strip(".-") or "host"
        self._unique = f"{host}-{process}-{secrets.token_hex(4)}"
        self._number = -1

    def next_name(self) -> str:
        """Return a new name; it begins now."""
        self._number += 1
        return f"{PREFIX}{_stamp(time.time())}-{self._unique}-{self._number:04}.jsonl"


def is_log(path: Path) -> bool:
    """Whether a file is a log by its name: JSON lines, also compressed."""
    return path.name.endswith(SUFFIXES)


def unique_of(name: str) -> str:
    """Return what makes a local file's name unique.

    "": none of this version's names, so that nobody knows whether it is finished.
    """
    found = _LOCAL.fullmatch(name)
    return found[2] if found else ""


def archived_name(name: str, times: tuple[float, float] | None) -> str:
    """Return the name in the archive of a local file with lines of `times`.

    None: it has no line that tells its time, and that of its name counts.
    """
    found = _LOCAL.fullmatch(name)
    assert found
    first, last = times or (_seconds(found[1]),) * 2
    return f"{time.strftime(_HOUR, time.gmtime(first))}/{PREFIX}{_stamp(first)}-{_stamp(last)}-{found[2]}.jsonl.gz"


def read_times(lines: IO[bytes]) -> tuple[float, float] | None:
    """Return the times of the earliest and the latest line; None without one.

    Chunks are small: a search holds the interpreter for which requests wait.
    """
    first, last = float("inf"), -float("inf")
    while chunk := lines.read(_CHUNK):
        found = [float(value) for value in _LINE_TIME.findall(chunk + lines.readline())]
        first, last = min([first, *found]), max([last, *found])
    return (first, last) if 0 <= first <= last < 2**36 else None


@dataclass(frozen=True)
class LogFile:
    """A file of the log, to be read from its beginning.

    `open` returns its bytes, `is_compressed` or not. Its lines are not from before `first`, as far as that is known.
    """

    name: str
    open: Callable[[], IO[bytes]] = field(repr=False, compare=False)
    is_compressed: bool
    first: float = -float("inf")

    @classmethod
    def of(cls, path: Path, moved: Callable[[], LogFile | None] = lambda: None) -> LogFile:
        """Return a local file; `moved` is asked where it is gone when it is opened."""

        def open_it() -> IO[bytes]:
            try:
                return path.open("rb")
            except FileNotFoundError:
                if found := moved():
                    # Nobody asks for compressed bytes of a file that was none.
                    return _decompressed(found.open())
                raise

        begun = _ANY.match(path.name)
        first = _seconds(begun[1]) - SLACK_SECONDS if begun else -float("inf")
        return cls(path.name, open_it, path.suffix == ".gz", first)


def _decompressed(file: IO[bytes]) -> IO[bytes]:
    import gzip

    return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]


@dataclass(frozen=True)
class Archive:
    """The archive of a log: a file system and the path in it."""

    filesystem: FileSystem
    path: str

    def find(self, since: float, until: float) -> dict[str, LogFile]:
        """Return the files with lines of a time, by what makes them unique.

        Names alone tell; what has another name is no part of the archive.

        Raises
        ------
        OSError : it does not answer.
        """
        hours = [name for name, is_folder in self._list(self.path) if is_folder and _is_near(name, since, until)]
        found = {}
        for hour in sorted(hours):
            folder = f"{self.path}/{hour}"
            for name, is_folder in self._list(folder):
                match = None if is_folder else _ARCHIVED.fullmatch(name)
                if match and _seconds(match[2]) + 1 > since and _seconds(match[1]) <= until:
                    found[match[3]] = LogFile(name, self._opener(f"{folder}/{name}"), True, _seconds(match[1]))
        return found

    def _list(self, folder: str) -> Iterator[tuple[str, bool]]:
        from pyarrow.fs import FileSelector, FileType

        for info in self.filesystem.get_file_info(FileSelector(folder, allow_not_found=True)):
            yield info.base_name, info.type == FileType.Directory

    def _opener(self, path: str) -> Callable[[], Any]:
        return lambda: self.filesystem.open_input_stream(path, compression=None, buffer_size=1 << 20)


def find_files(folder: Path, archive: Archive | None, since: float, until: float) -> list[LogFile]:
    """Return the files of a folder, and those of its archive with lines of a time.

    A file that was copied and not yet deleted is returned once. The folder is listed first: what is moved meanwhile is in the
    archive.

    Raises
    ------
    OSError : the archive does not answer.
    """
    local = find_log(folder) if folder.is_dir() else []
    if archive is None:
        return [LogFile.of(path) for path in local]
    archived = archive.find(since, until)

    def moved(path: Path) -> LogFile | None:
        unique = unique_of(path.name)
        return archived.get(unique) or archive.find(since, until).get(unique)

    # An archive in the folder is found there too: its files are read as those of the archive.
    local = [path for path in local if not (_ARCHIVED.fullmatch(path.name) and path.is_relative_to(archive.path))]
    files = [LogFile.of(path, partial(moved, path)) for path in local]
    known = {unique_of(path.name) for path in local}
    return [*files, *(file for unique, file in archived.items() if unique not in known)]


def find_log(folder: Path) -> list[Path]:
    """Return the files of the service's log in a folder at any depth, sorted.

    Subfolders may be of several machines. As with tables, names that begin with ``.`` or ``_`` are left out.
    """
    return [path for path in _walk(folder) if is_log(path) and path.name.startswith(PREFIX)]


def find_beside(folder: Path, log: Sequence[Path]) -> list[Path]:
    """Return what else is in a folder with a log: it would be left out without a word."""
    return [path for path in _walk(folder) if path not in log]


def _walk(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith((".", "_")):
            continue
        if entry.is_dir() and not entry.is_symlink():  # a link may lead back
            yield from _walk(entry)
        else:
            yield entry


def _is_near(hour: str, since: float, until: float) -> bool:
    """Whether files in the folder of an hour may have lines of a time."""
    try:
        began = timegm(time.strptime(hour, _HOUR))
    except ValueError:
        return False
    return since - _LONGEST_SECONDS <= began <= until


def _stamp(seconds: float) -> str:
    return time.strftime(_STAMP, time.gmtime(seconds))


def _seconds(stamp: str) -> float:
    """Return a stamp's seconds since 1970; minus infinity for one that is no time."""
    try:
        return float(timegm(time.strptime(stamp, _STAMP)))
    except ValueError:
        return -float("inf")
