"""SQLite files as MLflow stores: paths, connections and an empty schema."""

from __future__ import annotations

import os
import shlex
import sqlite3
import stat
import tempfile
from contextlib import closing, suppress
from pathlib import Path

import mlflow
from sqlalchemy import Engine, event, make_url

from recipeline.errors import UnavailableError, UsageError
from recipeline.tracking._compat import COUNT_ROWS, COUNT_SCHEMAS, FORGET_EXPERIMENTS

SQLITE = "sqlite:///"
#: How long SQLite waits for a locked file: as MLflow sets it.
BUSY_SECONDS = 20
#: How long a write waits for the disk (docs/decisions/0015-sqlite-waits-less.md).
SYNCHRONOUS = "NORMAL"


def uri_of(path: Path) -> str:
    """Return the URI of a SQLite file, whatever its name.

    Raises
    ------
    UsageError : its path has a character that the installed SQLAlchemy would not read back.
    """
    uri = SQLITE + str(path).replace("%", "%25").replace("?", "%3F")
    if make_url(uri).database != str(path):
        raise UsageError("The path of a store must hold neither % nor ?.", got=f"'{path}'", fix="Move the project.")
    return uri


def absolute(uri: str, root: Path) -> str:
    """Return `uri` with an absolute SQLite path in `root`; others unchanged.

    It is written as SQLAlchemy reads it.
    """
    if not uri.startswith(SQLITE):
        return uri
    words = uri.removeprefix(SQLITE)
    if words.startswith("/") and not {*words} & {"%", "?"}:
        return uri
    query = make_url(uri).query
    read, typed = (root / (make_url(uri).database or "")).absolute(), (root / words).absolute()
    # `mlflow run` hands on a path as it is: it reads another one there, or a part of it, than was meant.
    is_as_typed = ("?" in words and not query) or not read.parent.is_dir()
    path = typed if is_as_typed and typed.parent.is_dir() else read
    options = "" if path == typed or not query else f"?{uri.partition('?')[2]}"
    return uri_of(path if words.startswith("/") else path.resolve()) + options


def path_of(uri: str) -> Path | None:
    """Return the file of an absolute SQLite URI; None for another URI.

    It is read as SQLAlchemy reads it.
    """
    return Path(make_url(uri).database or "") if uri.startswith(SQLITE) else None


def remove_strays(uri: str) -> None:
    """Delete the empty folders that MLflow creates for escaped SQLite paths.

    MLflow takes the escaped path for the path itself.
    """
    path = path_of(uri)
    stray = Path(uri.removeprefix(SQLITE).partition("?")[0]).parent
    if path and stray != path.parent:
        with suppress(OSError):  # it ends at the first folder that holds something
            for folder in (stray, *stray.parents):
                folder.rmdir()


def is_new(uri: str, *, root: Path) -> bool:
    """Whether the store at `uri` is a SQLite file that does not exist yet."""
    path = path_of(absolute(uri, root))
    return path is not None and not path.exists()


def holds_store(path: Path) -> bool:
    """Whether a SQLite file has MLflow's tables.

    True for one that exists and cannot be read: to open it tells why.
    """
    if not path.is_file():
        return path.exists()
    try:
        with closing(read_database(path)) as connection:
            connection.execute(COUNT_SCHEMAS)
    except sqlite3.OperationalError as error:
        return getattr(error, "sqlite_errorcode", 0) != sqlite3.SQLITE_ERROR  # no such table
    except sqlite3.DatabaseError:
        return True
    return True


def why_none(path: Path) -> str:
    """Return why there is no store in a SQLite file; "" where there is one."""
    if holds_store(path):
        return ""
    if not path.parent.is_dir():
        return f"the folder {path.parent} does not exist"
    if not path.exists():
        return "there is no such file"
    return "the file is empty" if has_room(path) else "it is a database without MLflow's tables"


def has_room(path: Path) -> bool:
    """Whether a store can be made at a path without touching what others have there."""
    return path.parent.is_dir() and not (path.exists() and path.stat().st_size)


def is_writable(path: Path) -> bool:
    """Whether this user may write a SQLite file, and what SQLite keeps beside it."""
    return os.access(path.parent, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))


def share(lock: Path, database: Path) -> None:
    """Give a lock file that this user made the rights of the database beside it.

    As SQLite does with the files that it keeps there. Otherwise a colleague who may write the store could not lock it, nor its
    owner after one command of root's.
    """
    with suppress(OSError):
        rights = database.stat()
        number = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            own = os.fstat(number)
            mode = stat.S_IMODE(own.st_mode) | (stat.S_IMODE(rights.st_mode) & 0o666)
            if own.st_uid != os.geteuid() or own.st_nlink != 1 or not stat.S_ISREG(own.st_mode):
                return
            if own.st_gid != rights.st_gid:
                os.fchown(number, -1, rights.st_gid)  # else the mode would be for another group
            if mode != stat.S_IMODE(own.st_mode):
                os.fchmod(number, mode)
            if own.st_uid != rights.st_uid and own.st_uid == 0:
                os.fchown(number, rights.st_uid, -1)
        finally:
            os.close(number)


def read_database(path: Path) -> sqlite3.Connection:
    """Open a SQLite file that must exist, to read it only.

    A transaction of a process that was killed is undone first: SQLite refuses to read the file before, and undoes it for no
    connection that may only read.

    Raises
    ------
    sqlite3.Error : it cannot be read, or a transaction must be undone in a file that this user may not write.
    """
    try:
        return _opened(path, "ro")
    except sqlite3.OperationalError as error:
        if not _is_unfinished(error):
            raise
    _opened(path, "rw").close()
    return _opened(path, "ro")


def _opened(path: Path, mode: str) -> sqlite3.Connection:
    """Open a SQLite file that must exist, and read it once."""
    connection = sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True)
    try:
        connection.execute("PRAGMA schema_version").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _is_unfinished(error: sqlite3.Error) -> bool:
    """Whether SQLite may not undo the transaction of a process that was killed."""
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY_ROLLBACK


def check_readable(path: Path) -> None:
    """Raise sqlite3.Error at once if a SQLite file cannot be read.

    MLflow would try for 100 s.

    Raises
    ------
    UnavailableError : a transaction must be undone in it first; or it is in WAL mode, and SQLite cannot create the files
        beside it that it reads such a file by.
    """
    try:
        read_database(path).close()
    except sqlite3.OperationalError as error:
        if _is_unfinished(error):
            raise UnavailableError(
                f"The store {path} cannot be read: a command of its owner was killed while it wrote.",
                fix="Have its owner run `recipeline doctor`, which undoes what is half written.",
            ) from None
        if not is_wal(path):
            raise
        # Opened as immutable it could be read, but not safely: its owner may write to it meanwhile.
        raise UnavailableError(
            f"The store {path} must be one that SQLite can read without writing beside it.",
            got="a database in WAL mode, in a folder that you may not write to",
            fix=f'Have its owner run `sqlite3 {shlex.quote(str(path))} "PRAGMA journal_mode = DELETE"`.',
        ) from None


def is_wal(path: Path) -> bool:
    """Whether the header of a readable SQLite file says WAL mode."""
    try:
        with path.open("rb") as file:
            return file.read(20)[18:] == b"\2\2"
    except OSError:
        return False


def check_writable(path: Path) -> None:
    """Raise sqlite3.Error at once if a SQLite file cannot be opened or written.

    MLflow would try for 100 s.
    """
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.rollback()


def spare_syncs(connection: object, _: object) -> None:
    """Make SQLite wait for the disk twice per write instead of four times.

    See docs/decisions/0015-sqlite-waits-less.md. A file that its owner has put into WAL mode stays in it, with its durability.
    """
    if not isinstance(connection, sqlite3.Connection):
        return
    # MLflow sets it after the next line has read the file.
    connection.execute(f"PRAGMA busy_timeout = {1000 * BUSY_SECONDS}")
    if connection.execute("PRAGMA journal_mode").fetchone() == ("delete",):
        connection.execute("PRAGMA journal_mode = TRUNCATE")
        connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS}")


def listen(engine: Engine) -> None:
    """Let `spare_syncs` set up all connections of the engine, open ones too."""
    if engine.dialect.name == "sqlite" and not event.contains(engine, "connect", spare_syncs):
        event.listen(engine, "connect", spare_syncs)
        engine.dispose()


# --- the empty schema ----------------------------------------------------------------------------------------------------
# MLflow makes the tables of a new file by two seconds of migrations. They are the same each time: they are kept, empty, for
# each version of MLflow, and copied. The rows of a new store, which name its folder, are made by MLflow itself.


def schema_file(cache: Path) -> Path:
    """Return where the empty schema of the installed MLflow is kept."""
    return cache / f"mlflow-{mlflow.__version__}.sqlite"


def copy_schema(cache: Path, path: Path) -> bool:
    """Create the SQLite file `path` from the cached schema; False without one.

    Without one, MLflow creates the tables itself. An existing file is left unchanged. SQLite copies in one transaction: if the
    command is killed, the file is empty.
    """
    kept = schema_file(cache)
    if path.exists() or not _is_whole(kept):
        return False
    with closing(read_database(kept)) as source, closing(sqlite3.connect(path)) as target:
        source.backup(target)
    return True


def keep_schema(cache: Path, path: Path) -> None:
    """Cache the schema of the SQLite file `path`, just created by MLflow.

    A missing cache is no error. Experiments, which name the store's folder, are left out. The file is written whole or not at
    all.
    """
    kept = schema_file(cache)
    with suppress(OSError, sqlite3.Error):
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            draft = Path(folder) / kept.name
            with (
                closing(read_database(path)) as source,
                closing(sqlite3.connect(draft)) as target,
            ):
                source.backup(target)
                with target:
                    target.execute(FORGET_EXPERIMENTS)
                target.execute("VACUUM")
            draft.replace(kept)


def _is_whole(kept: Path) -> bool:
    """Whether the cached schema is readable, has MLflow's tables, no experiment."""
    try:
        with closing(read_database(kept)) as connection:
            whole = bool(connection.execute("PRAGMA quick_check").fetchone() == ("ok",))
            versions = connection.execute(COUNT_SCHEMAS).fetchone()[0]
            rows = connection.execute(COUNT_ROWS).fetchone()[0]
    except sqlite3.Error:
        return False
    return bool(whole and versions == 1 and rows == 0)
