"""The local store, database and artifacts, written into one archive and put back from it."""

from __future__ import annotations

import gzip
import os
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from recipeline.errors import UnavailableError, UsageError
from recipeline.tracking.local import LocalStore, check_database, copy_database, find_local, find_old_root, relocate
from recipeline.tracking.store import held, store_lock

_DATABASE, _ARTIFACTS = "mlflow.db", "artifacts"

#: What SQLite keeps beside a database file.
_SIDES = ("", "-journal", "-wal", "-shm")

#: How SQLite says that a disk takes no more.
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)

#: Names of what `bring_back` puts beside what it replaces: unfinished work, and the store that was there before.
_UNFINISHED, _BEFORE = ".{}.restore-", "{}.before-"


def require_local(uri: str, artifact_root: str | None) -> LocalStore:
    """Return the files of the store. Raises UsageError where it is not, or not all of it, on this machine."""
    store = find_local(uri, artifact_root)
    if store is None:
        foreign = next(place for place in (artifact_root, uri) if place and not place.startswith(("sqlite:", "file:")))
        raise UsageError(
            "backup and restore are for a local store: a SQLite file, and artifacts in a folder.",
            got=f"'{foreign.partition('://')[0]}://…'",
            fix="Save a server's database and its artifacts with their own tools.",
        )
    return store


def back_up(store: LocalStore, uri: str, target: Path, tick: Callable[[str], object] = lambda _: None) -> Path:
    """Write the store into the archive `target`; return it. It is whole or it is not there. `tick` is told how far it is.

    The database is copied first: of the artifacts that it names, none is missing that was there when it was copied. Files that
    others delete meanwhile are left out; links are followed.

    Raises
    ------
    UsageError : `target` exists. UnavailableError : there is no store, or `target` cannot be written.
    """
    if not store.database.is_file():
        raise UnavailableError(f"No store to back up: {store.database} does not exist.", fix="Make one: make pipeline")
    if target.exists():
        raise UsageError("output must be a new file.", got=f"'{target}', which exists,", fix="Name another one.")
    if not target.parent.is_dir():
        raise UsageError(
            "output must lie in a folder that exists.", got=f"'{target}'", fix=f"Make it: mkdir -p {target.parent}"
        )
    with ExitStack() as stack:
        if os.access(store.database.parent, os.W_OK):  # otherwise this user's commands cannot change it either
            stack.enter_context(held(store_lock(uri), uri))
        stack.enter_context(_writing(target))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent)))
        copy, unfinished = folder / _DATABASE, folder / target.name
        copy_database(store.database, copy)
        with tarfile.open(unfinished, "w:gz", compresslevel=1, dereference=True) as archive:  # a link is none elsewhere
            archive.add(copy, _DATABASE)
            for count, path in enumerate(_files(store.artifacts), start=1):
                _add(archive, path, f"{_ARTIFACTS}/{path.relative_to(store.artifacts).as_posix()}")
                tick(f"{count:,} files, {unfinished.stat().st_size / 2**20:,.0f} MiB")
        unfinished.replace(target)
    return target


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Turn an error of writing in the block into one that names the archive; those of reading are named before."""
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        if isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) not in _FULL:
            raise
        raise UnavailableError(
            f"The archive {target} must be writable.",
            got=f"'{error}'",
            fix="Name another output, on a disk with room that you may write to.",
        ) from None


def _files(root: Path) -> Iterator[Path]:
    """Yield all files below `root`, through links too, but for what `bring_back` left there."""
    own = tuple(words.format(root.name) for words in (_UNFINISHED, _BEFORE))

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
    """Add the content of a file, which others may delete, cut off or extend while it is read."""
    try:
        if not path.is_file():  # a pipe would never end, and a link may lead nowhere
            return
        file = path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise _unreadable(path, error) from None
    with file:
        archive.addfile(archive.gettarinfo(arcname=name, fileobj=file), _Steady(file, path))


class _Steady:
    """A file of the size that it had when it was opened: what is cut off meanwhile reads as zeros."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path

    def read(self, size: int = 0, /) -> bytes:
        """Return `size` bytes."""
        try:
            return self._file.read(size).ljust(size, b"\0")
        except OSError as error:
            raise _unreadable(self._path, error) from None


def _unreadable(path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(f"The artifact {path} must be readable.", got=f"'{error.strerror}'", fix="Check who may read it.")


# --- back ----------------------------------------------------------------------------------------------------------------


def bring_back(store: LocalStore, uri: str, source: Path, tick: Callable[[str], object] = lambda _: None) -> list[Path]:
    """Put the archive's store in the place of this one; return where the one before was moved to.

    Everything is unpacked beside its place, on the same disk, and checked before anything is replaced. The database is
    replaced first, in one transaction: processes that have it open see the new one. The archive of a folder that is gone may
    be brought back in another one.

    Raises
    ------
    UnavailableError : the archive cannot be read, is of another folder, or does not fit.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    if not store.database.parent.is_dir():
        raise UnavailableError(f"The folder of the store, {store.database.parent}, does not exist.", fix="Make it first.")
    with held(store_lock(uri), uri), ExitStack() as stack:
        database = _beside(store.database, store.database.parent, stamp, stack)
        artifacts = _beside(store.artifacts, _place(store.artifacts), stamp, stack)
        _unpack(source, database, artifacts, tick)
        before = find_old_root(database / _DATABASE, artifacts / _ARTIFACTS)
        if before is not None and before != store.artifacts:
            if before.exists():
                raise UnavailableError(
                    f"The archive must be of a store whose artifacts are in {store.artifacts}.",
                    got=f"one with artifacts in {before}, which exists,",
                    fix="Bring it back in the folder that it was made in.",
                )
            relocate(database / _DATABASE, before, store.artifacts)
        saved = store.database.with_name(f"{_BEFORE.format(store.database.name)}{stamp}")
        had_database = store.database.exists()
        _replace_database(database / _DATABASE, store.database, saved)
        try:
            aside = _replace_content(artifacts / _ARTIFACTS, store.artifacts, stamp)
        except OSError:
            if had_database:
                _replace_database(saved, store.database, database / "undone")
                saved.unlink(missing_ok=True)
            raise
        return [path for path in (aside, saved) if path.exists()]


def _place(artifacts: Path) -> Path:
    """Return the folder to work in: that of the artifacts' folder, where it is on the same disk and ours to write to."""
    beside = next(folder for folder in artifacts.parents if folder.exists())
    return artifacts if artifacts.is_mount() or (artifacts.exists() and not os.access(beside, os.W_OK)) else beside


def _beside(path: Path, place: Path, stamp: str, stack: ExitStack) -> Path:
    """Return a new folder in `place`, gone after the block; what a killed command left of the kind goes too."""
    prefix = _UNFINISHED.format(path.name)
    for left in place.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = place / f"{prefix}{stamp}"
    folder.mkdir()
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _unpack(source: Path, database: Path, artifacts: Path, tick: Callable[[str], object]) -> None:
    """Unpack the archive into two folders and check it: every byte by its checksum, and the database."""
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
                "The archive must be unpacked beside the store before anything is replaced.",
                got=f"'{error}'",
                fix=f"Make room on the disks of {database.parent} and {artifacts.parent}.",
            ) from None
        raise UnavailableError(
            "input must be a whole archive that `backup` wrote.", got=f"'{source}' ({error})", fix="Name another one."
        ) from None


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Write a regular file of the archive below `folder`; the filters of tarfile are not in every Python 3.11."""
    content, path = archive.extractfile(member), folder / member.name
    assert content is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    with content, path.open("wb") as file:
        shutil.copyfileobj(content, file)
    path.chmod(member.mode & 0o755 | 0o600)
    os.utime(path, (member.mtime, member.mtime))


def _part_of(member: tarfile.TarInfo) -> str:
    """Return whether a file of the archive is the database or an artifact. Raises tarfile.TarError where it is neither."""
    parts = PurePosixPath(member.name).parts
    known = parts == (_DATABASE,) or (parts[:1] == (_ARTIFACTS,) and len(parts) > 1 and ".." not in parts)
    if not member.isreg() or not known:
        raise tarfile.TarError(f"'{member.name}' is none of its files")
    return parts[0]


def _replace_database(new: Path, database: Path, saved: Path) -> None:
    """Make `database` what `new` is, and `saved` what it was; a damaged one is moved away with what lies beside it."""
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
    for side in _SIDES:
        if Path(f"{database}{side}").exists():
            Path(f"{database}{side}").rename(f"{saved}{side}")
    new.rename(database)


def _replace_content(new: Path, folder: Path, stamp: str) -> Path:
    """Let `folder` hold what `new` holds; return where its content was moved to. Where that fails, it is as it was.

    The folder itself stays: it may be where a disk is mounted.
    """
    aside = _place(folder) / f"{_BEFORE.format(folder.name)}{stamp}"
    own = tuple(words.format(folder.name) for words in (_UNFINISHED, _BEFORE))
    folder.mkdir(parents=True, exist_ok=True)
    moves = [(path, aside / path.name) for path in folder.iterdir() if not path.name.startswith(own)]
    if moves:
        aside.mkdir()
    if new.exists():
        moves += [(path, folder / path.name) for path in new.iterdir()]
    with ExitStack() as undo:
        for path, to in moves:
            path.rename(to)
            undo.callback(to.rename, path)
        undo.pop_all()
    return aside
