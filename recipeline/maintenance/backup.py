"""Archives of a local store, database and artifacts: written and restored."""

from __future__ import annotations

import glob
import gzip
import os
import shlex
import shutil
import sqlite3
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from recipeline.data.origin.unfinished import unfinished_folder
from recipeline.errors import UnavailableError, UsageError
from recipeline.maintenance.exchange import BEFORE, UNFINISHED, Exchange, working_folder
from recipeline.tracking.connection.local import LocalStore, check_database, copy_database, find_local, find_old_root, relocate
from recipeline.tracking.connection.store import held, store_lock

_DATABASE, _ARTIFACTS, _WRITING = "mlflow.db", "artifacts", ".recipeline-backup-"

#: Suffixes of a database file and of the files that SQLite keeps beside it.
_SIDE_FILES = ("", "-journal", "-wal", "-shm")

#: How SQLite says that a disk takes no more.
_DISK_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)


def require_local(uri: str, artifact_root: str | None) -> LocalStore:
    """Return the files of a local store.

    Raises
    ------
    UsageError : the database or the artifacts are not on this machine.
    """
    store = find_local(uri, artifact_root)
    if store is None:
        foreign = next(place for place in (artifact_root, uri) if place and not place.startswith(("sqlite:", "file:")))
        raise UsageError(
            "backup and restore are for a local store: a SQLite file, and artifacts in a folder.",
            got=f"'{foreign.partition('://')[0]}://…'",
            fix="Back up a server's database and artifacts with their own tools.",
        )
    return store


def write_archive(store: LocalStore, uri: str, target: Path, tick: Callable[[str], object] = lambda _: None) -> Path:
    """Write the store into the archive `target`, whole or not at all; return it.

    The database is copied first, so that every artifact it names is in the archive if it existed at that time. Files that are
    deleted meanwhile are left out; links are followed. `tick` receives progress messages.

    Raises
    ------
    UsageError : `target` exists.
    UnavailableError : there is no store, or `target` cannot be written.
    """
    if not store.database.is_file():
        raise UnavailableError(f"No store to back up: {store.database} does not exist.", fix="Create one: make pipeline")
    _require_new(target)
    if not target.parent.is_dir():
        raise UsageError(
            "output must lie in a folder that exists.",
            got=f"'{target}'",
            fix=f"Create it: mkdir -p {shlex.quote(str(target.parent))}",
        )
    with ExitStack() as stack:
        if os.access(store.database.parent, os.W_OK):  # otherwise this user's commands cannot change it either
            stack.enter_context(held(store_lock(uri), uri))
        stack.enter_context(_writing(target))
        folder = stack.enter_context(unfinished_folder(target.parent, _WRITING))
        copy, unfinished = folder / _DATABASE, folder / "archive"  # its own name may be the database's
        copy_database(store.database, copy)
        with tarfile.open(unfinished, "w:gz", compresslevel=1, dereference=True) as archive:  # a link is none elsewhere
            archive.add(copy, _DATABASE)
            for count, path in enumerate(_files(store.artifacts), start=1):
                _add(archive, path, f"{_ARTIFACTS}/{path.relative_to(store.artifacts).as_posix()}")
                tick(f"{count:,} files, {unfinished.stat().st_size / 2**20:,.0f} MiB")
        _require_new(target)  # another command may have been faster
        unfinished.replace(target)
    return target


def _require_new(target: Path) -> None:
    if target.exists():
        raise UsageError("output must be a new file.", got=f"'{target}', which exists,", fix="Name another file.")


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Raise UnavailableError, naming the archive, for write errors in the block.

    Errors of reading are raised before, with the names of their files.
    """
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        if isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) not in _DISK_FULL:
            raise
        raise UnavailableError(
            f"The archive {target} cannot be written: {error}.",
            fix="Name another output, in a folder with free space and write permission.",
        ) from None


def _files(root: Path) -> Iterator[Path]:
    """Yield all files below `root`, also through links.

    Unfinished archives and leftovers of `restore_archive` are excluded.
    """
    own = (_WRITING, *(words.format(root.name) for words in (UNFINISHED, BEFORE)))

    def complain(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise _unreadable(Path(error.filename), error)

    for folder, names, files in os.walk(root, onerror=complain, followlinks=True):
        here = Path(folder)
        # A link to a folder above itself has no end.
        real = here.resolve()
        names[:] = [name for name in names if not name.startswith(own) and (here / name).resolve() not in (real, *real.parents)]
        yield from (here / name for name in files)


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    """Add the content of a file that may be deleted, truncated or extended meanwhile."""
    try:
        if not path.is_file():  # a pipe would never end, and a link may lead nowhere
            return
        file = path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise _unreadable(path, error) from None
    with file:
        archive.addfile(archive.gettarinfo(arcname=name, fileobj=file), _FixedSizeFile(file, path))


class _FixedSizeFile:
    """A file with the size it had when opened; truncated bytes read as zeros."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path

    def read(self, size: int = 0, /) -> bytes:
        """Return `size` bytes."""
        try:
            return self._file.read(size).ljust(size, b"\0")
        except OSError as error:
            raise _unreadable(self._path, error) from None


def _unreadable(path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(f"The artifact {path} cannot be read: {error.strerror}.", fix="Check its permissions.")


# --- back ----------------------------------------------------------------------------------------------------------------


def restore_archive(store: LocalStore, uri: str, source: Path, tick: Callable[[str], object] = lambda _: None) -> list[Path]:
    """Replace the store by that of an archive; return where the former one is.

    Everything is unpacked beside its place, on the same disk, and checked before anything is replaced. The database is
    replaced first, in one transaction: processes that have it open see the new one. The archive of a folder that no longer
    exists may be restored in another one.

    Raises
    ------
    UnavailableError : the archive cannot be read, is of another folder, or does not fit.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    if not store.database.parent.is_dir():
        raise UnavailableError(f"The folder of the store, {store.database.parent}, does not exist.", fix="Create it first.")
    with held(store_lock(uri), uri), ExitStack() as stack:
        database = _beside(store.database, store.database.parent, stamp, stack)
        artifacts = _beside(store.artifacts, working_folder(store.artifacts), stamp, stack)
        _unpack(source, database, artifacts, tick)
        before = find_old_root(database / _DATABASE, artifacts / _ARTIFACTS)
        if before is not None and before != store.artifacts:
            if before.exists():
                raise UnavailableError(
                    f"The archive must be of a store whose artifacts are in {store.artifacts}.",
                    got=f"one with artifacts in {before}, which exists,",
                    fix="Restore it in the folder that it was made in.",
                )
            relocate(database / _DATABASE, before, store.artifacts)
        saved = store.database.with_name(f"{BEFORE.format(store.database.name)}{stamp}")
        had_database, undo = store.database.exists(), stack.enter_context(ExitStack())
        exchange = Exchange(artifacts / _ARTIFACTS, store.artifacts, stamp, undo)
        # Whenever this is killed, the database that is there finds its files.
        exchange.bring_in()
        _replace_database(database / _DATABASE, store.database, saved)
        try:
            exchange.move_out()
        except BaseException:  # Ctrl-C too, after which the artifacts are those of before
            if had_database:
                _replace_database(saved, store.database, database / "undone")
                saved.unlink(missing_ok=True)
            raise
        undo.pop_all()
        return [path for path in (exchange.aside, saved) if path.exists()]


def _beside(path: Path, place: Path, stamp: str, stack: ExitStack) -> Path:
    """Return a new folder in `place` that is deleted after the block.

    Leftovers of interrupted commands are deleted too.
    """
    prefix = UNFINISHED.format(path.name)
    for left in place.glob(f"{glob.escape(prefix)}*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = place / f"{prefix}{stamp}"
    folder.mkdir()
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _unpack(source: Path, database: Path, artifacts: Path, tick: Callable[[str], object]) -> None:
    """Unpack the archive into two folders; check all checksums and the database."""
    try:
        with source.open("rb") as packed, gzip.open(packed) as stream:
            while stream.read(1 << 20):  # the checksum is at the end: nothing is made of damaged bytes
                tick(f"checking the archive: {stream.tell() / 2**20:,.0f} MiB")
            stream.seek(0)
            with tarfile.open(fileobj=stream, mode="r:") as archive:
                for count, member in enumerate(archive, start=1):
                    tick(f"{count:,} files unpacked")
                    if not member.isdir():  # made for its files
                        _extract(archive, member, database if _part_of(member) == _DATABASE else artifacts)
        check_database(database / _DATABASE)
    except (EOFError, zlib.error, tarfile.TarError, sqlite3.Error, OSError) as error:
        if isinstance(error, OSError) and error.errno and source.is_file() and os.access(source, os.R_OK):
            raise UnavailableError(
                f"The archive cannot be unpacked beside the store: {error}.",
                fix=f"Free space on the disks of {database.parent} and {artifacts.parent}.",
            ) from None
        raise UnavailableError(
            "input must be a complete archive of `backup`.", got=f"'{source}' ({error})", fix="Name another archive."
        ) from None


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Write a regular file of the archive below `folder`.

    The filters of tarfile are not in every Python 3.11.
    """
    content, path = archive.extractfile(member), folder / member.name
    assert content is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    with content, path.open("wb") as file:
        shutil.copyfileobj(content, file)
    path.chmod(member.mode & 0o755 | 0o600)
    os.utime(path, (member.mtime, member.mtime))


def _part_of(member: tarfile.TarInfo) -> str:
    """Return whether a file of the archive is the database or an artifact.

    Raises
    ------
    tarfile.TarError : it is neither.
    """
    parts = PurePosixPath(member.name).parts
    known = parts == (_DATABASE,) or (parts[:1] == (_ARTIFACTS,) and len(parts) > 1 and ".." not in parts)
    if not member.isreg() or not known:
        raise tarfile.TarError(f"'{member.name}' is not a file of a backup")
    return parts[0]


def _replace_database(new: Path, database: Path, saved: Path) -> None:
    """Replace the content of `database` by that of `new`; save the old in `saved`.

    A damaged database is moved away with its side files.
    """
    try:
        if database.exists():
            check_database(database)
            copy_database(database, new.with_name(saved.name))
            new.with_name(saved.name).rename(saved)  # whole, or not under this name
            copy_database(new, database)
            return
    except sqlite3.DatabaseError as error:
        saved.unlink(missing_ok=True)
        if isinstance(error, sqlite3.OperationalError):  # in use
            raise
    for side in _SIDE_FILES:
        if Path(f"{database}{side}").exists():
            Path(f"{database}{side}").rename(f"{saved}{side}")
    new.rename(database)
