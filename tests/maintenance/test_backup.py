from __future__ import annotations

import errno
import gzip
import io
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from recipeline.errors import UnavailableError, UsageError
from recipeline.maintenance import backup as module
from recipeline.maintenance.backup import require_local, restore_archive, write_archive
from recipeline.tracking.connection import local
from recipeline.tracking.connection.local import LocalStore
from recipeline.tracking.connection.store import Store, open_store
from tests.conftest import close_stores
from tests.faults import in_fork, kill_while_writing


class Place:
    """A store with one run and its artifact, and what is to be seen of it."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.folder = store, folder
        self.files = require_local(store.uri, store.artifact_root)
        run_id = store.client.create_run(store.experiment("toy")).info.run_id
        store.client.log_text(run_id, "before", "a.txt")
        (self.artifact,) = self.files.artifacts.rglob("a.txt")

    def save(self, name: str = "saved.tar.gz") -> Path:
        return write_archive(self.files, self.store.uri, self.folder / name)

    def restore(self, archive: Path) -> list[Path]:
        return restore_archive(self.files, self.store.uri, archive)

    def change(self) -> None:
        """Do as if another run had been made and an artifact been overwritten."""
        with closing(sqlite3.connect(self.files.database)) as connection, connection:
            connection.execute("INSERT INTO runs (run_uuid, experiment_id) VALUES (lower(hex(randomblob(16))), 1)")
        self.artifact.write_text("after", encoding="utf-8")

    def state(self) -> tuple[int, str]:
        """Return the number of runs and the artifact's text."""
        return runs_in(self.files.database), self.artifact.read_text(encoding="utf-8")


def runs_in(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
        return int(connection.execute("SELECT COUNT(*) FROM runs").fetchone()[0])


@pytest.fixture
def place(store: Store, tmp_path: Path) -> Place:
    return Place(store, tmp_path)


def test_a_store_is_brought_back_as_it_was_and_what_was_there_meanwhile_lies_beside(place: Place, tmp_path: Path) -> None:
    archive = place.save()
    place.change()
    aside = place.restore(archive)
    assert place.state() == (1, "before")
    assert [path.name.partition(".before-")[0] for path in aside] == ["mlruns", "mlflow.db"]
    assert runs_in(aside[1]) == 2
    assert [path.read_text(encoding="utf-8") for path in aside[0].rglob("a.txt")] == ["after"]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    place.change()
    again = place.restore(archive)  # within the same second
    assert runs_in(aside[1]) == runs_in(again[1]) == 2


def test_files_come_back_with_their_time_and_rights_on_a_python_whose_tarfile_has_no_filters(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.11 has them from 3.11.4 on."""
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    for name in ("extract", "extractall"):
        monkeypatch.delattr(tarfile.TarFile, name)
    os.utime(place.artifact, (1_000_000, 1_000_000))
    place.artifact.chmod(0o750)
    archive = place.save()
    place.change()
    place.restore(archive)
    state = place.artifact.stat()
    assert (place.state(), state.st_mtime, state.st_mode & 0o777) == ((1, "before"), 1_000_000, 0o750)


def test_an_archive_is_a_new_file_in_a_folder_that_exists(place: Place, tmp_path: Path) -> None:
    (tmp_path / "there.tar.gz").touch()
    with pytest.raises(UsageError, match="output must be a new file"):
        place.save("there.tar.gz")
    with pytest.raises(UsageError, match=r"mkdir -p '.*no where'"):  # can be typed as it is
        place.save("no where/a.tar.gz")
    assert (tmp_path / "there.tar.gz").read_bytes() == b""


@pytest.mark.parametrize("name", ["mlflow.db", "lock", "artifacts"])
def test_an_archive_of_any_name_has_database_and_artifacts(place: Place, tmp_path: Path, name: str) -> None:
    (tmp_path / "saved").mkdir()
    archive = place.save(f"saved/{name}")
    with tarfile.open(archive) as saved:
        assert {member.partition("/")[0] for member in saved.getnames()} == {"mlflow.db", "artifacts"}
    place.change()
    place.restore(archive)
    assert place.state() == (1, "before")


def test_a_backup_that_is_killed_leaves_nothing_to_the_next_one(place: Place, tmp_path: Path) -> None:
    def work() -> None:
        write_archive(place.files, place.store.uri, tmp_path / "a.tar.gz", lambda _: os.kill(os.getpid(), signal.SIGKILL))

    assert in_fork(work) == signal.SIGKILL
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    place.save("b.tar.gz")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert not (tmp_path / "a.tar.gz").exists()


def test_an_archive_that_another_command_wrote_meanwhile_stays(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, copy = tmp_path / "a.tar.gz", module.copy_database

    def copy_while_another_writes(*files: Path) -> None:
        copy(*files)
        target.write_bytes(b"theirs")

    monkeypatch.setattr(module, "copy_database", copy_while_another_writes)
    with pytest.raises(UsageError, match="which exists"):
        place.save("a.tar.gz")
    assert target.read_bytes() == b"theirs"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".recipeline")]


def test_where_there_is_no_store_there_is_none_to_save_and_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"No store to back up: .*none\.db does not exist"):
        write_archive(
            LocalStore(tmp_path / "none.db", tmp_path / "mlruns"), f"sqlite:///{tmp_path}/none.db", tmp_path / "a.tar.gz"
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place_of", ["postgresql://me:secret@host/db", "s3://secret/wines"])
def test_only_a_local_store_can_be_saved(store: Store, place_of: str) -> None:
    uri, root = (store.uri, place_of) if place_of.startswith("s3") else (place_of, store.artifact_root)
    with pytest.raises(UsageError, match=r"artifacts in a folder\. Got '(postgresql|s3)://…' instead") as error:
        require_local(uri, root)
    assert "secret" not in str(error.value)


# --- archives that are not whole -----------------------------------------------------------------------------------------


def listing(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith((".lock", ".tar.gz")))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_archive_with_any_byte_changed_or_cut_off_is_refused_and_the_store_stays(place: Place, data: st.DataObject) -> None:
    whole = place.folder / "saved.tar.gz"
    content = (whole if whole.exists() else place.save()).read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    damaged = content[:at] if data.draw(st.booleans()) else content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]
    with suppress(OSError, EOFError, zlib.error):
        assume(gzip.decompress(damaged) != gzip.decompress(content))  # the same bytes can be packed in more ways than one
    (place.folder / "damaged.tar.gz").write_bytes(damaged)
    before = listing(place.folder)
    with pytest.raises(UnavailableError, match="must be a complete archive"):
        place.restore(place.folder / "damaged.tar.gz")
    assert listing(place.folder) == before


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 3) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size if kind == tarfile.REGTYPE else 0
    return info, b"abc"


@pytest.mark.parametrize(
    "odd",
    [
        member("artifacts/../../out.txt"),
        member("artifacts/../out.txt"),
        member("/tmp/out.txt"),
        member("../out.txt"),
        member("out.txt"),
        member("artifacts"),
        member("."),
        member("artifacts/1/link", tarfile.SYMTYPE, "/etc"),
        member("artifacts/1/link", tarfile.SYMTYPE, "a.txt"),
        member("artifacts/1/link", tarfile.LNKTYPE, "mlflow.db"),
        member("artifacts/1/pipe", tarfile.FIFOTYPE),
        member("artifacts/1/device", tarfile.CHRTYPE),
        member("mlflow.db"),
    ],
    ids=lambda odd: f"{odd[0].name}-{odd[0].type.decode()}",
)
def test_an_archive_with_what_backup_does_not_write_is_refused_and_the_store_stays(
    place: Place, odd: tuple[tarfile.TarInfo, bytes]
) -> None:
    with gzip.open(place.save()) as packed:
        content = io.BytesIO(packed.read())
    with tarfile.open(fileobj=content, mode="a:") as archive:
        archive.addfile(odd[0], io.BytesIO(odd[1]))
    path = place.folder / "odd.tar.gz"
    path.write_bytes(gzip.compress(content.getvalue(), 1))
    before = listing(place.folder)
    with pytest.raises(UnavailableError, match="must be a complete archive"):
        place.restore(path)
    assert listing(place.folder) == before


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", gzip.compress(b""), gzip.compress(b"no archive" * 100)],
    ids=["empty", "text", "nothing packed", "text packed"],
)
def test_what_is_no_archive_is_refused(place: Place, content: bytes) -> None:
    (place.folder / "a.tar.gz").write_bytes(content)
    for name in ("a.tar.gz", "none.tar.gz", "mlruns"):
        with pytest.raises(UnavailableError, match="must be a complete archive"):
            place.restore(place.folder / name)


# --- other folders and disks ---------------------------------------------------------------------------------------------


def test_an_archive_of_another_folder_is_refused_while_that_is_there_and_brought_back_where_it_is_gone(
    place: Place, tmp_path: Path
) -> None:
    archive, other = place.save(), tmp_path / "else where"
    other.mkdir()
    files = LocalStore(other / "mlflow.db", other / "mlruns")
    restore = partial(restore_archive, files, f"sqlite:///{files.database}", archive)
    with pytest.raises(UnavailableError, match=r"whose artifacts are in .*else where/mlruns"):
        restore()
    place.files.artifacts.rename(tmp_path / "gone")
    assert restore() == []
    moved = open_store("sqlite:///mlflow.db", root=other, artifact_location="mlruns")
    (run,) = moved.client.search_runs([moved.experiment("toy")])
    assert run.info.artifact_uri.startswith(files.artifacts.as_uri())
    assert moved.client.list_artifacts(run.info.run_id)[0].path == "a.txt"


@pytest.fixture
def other_disk() -> Iterator[Path]:
    """A folder on another file system."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no second file system")
@pytest.mark.parametrize("linked", [False, True])
def test_database_artifacts_and_archive_may_lie_on_different_disks(
    store: Store, tmp_path: Path, other_disk: Path, linked: bool
) -> None:
    location = "mlruns" if linked else str(other_disk / "mlruns")
    if linked:
        (other_disk / "mlruns").mkdir()
        (tmp_path / "mlruns").symlink_to(other_disk / "mlruns")
    place = Place(open_store(store.uri, root=tmp_path, artifact_location=location), tmp_path)
    archive = shutil.move(place.save(), other_disk)
    place.change()
    aside = place.restore(Path(archive))
    assert place.state() == (1, "before")
    assert aside[0].parent == other_disk
    assert [path.read_text(encoding="utf-8") for path in aside[0].rglob("a.txt")] == ["after"]


def test_a_folder_of_artifacts_that_is_a_mounted_disk_is_replaced_within(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root = place.files.artifacts
    monkeypatch.setattr(Path, "is_mount", lambda path: path == root)
    rename = Path.rename

    def busy(path: Path, target: Path | str) -> Path:
        if path == root or (root in path.parents) != (root in Path(target).parents):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", busy)
    archive = place.save()
    place.change()
    aside = place.restore(archive)
    assert (place.state(), aside[0].parent) == ((1, "before"), root)
    with tarfile.open(place.save("second.tar.gz")) as second:  # what was moved aside is no part of the store
        assert [name.rpartition("/")[2] for name in second.getnames()] == ["mlflow.db", "a.txt"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["mlruns"]


@pytest.mark.parametrize("failing", ["a move of artifacts", "Ctrl-C", "the database"])
def test_where_a_restore_fails_at_its_last_moves_the_store_is_as_it_was(
    place: Place, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    archive = place.save()
    place.change()
    place.artifact.with_name("late.txt").touch()
    before, rename, copy = listing(place.folder), Path.rename, local.copy_database

    def move(path: Path, target: Path | str) -> Path:
        if failing == "Ctrl-C" and path.name == "late.txt":
            raise KeyboardInterrupt
        if failing == "a move of artifacts" and path.name == "late.txt":
            raise OSError(errno.EIO, "Input/output error")
        return rename(path, target)

    def copy_once(source: Path, target: Path) -> None:
        if failing == "the database" and target == place.files.database:
            raise sqlite3.OperationalError("database is locked")
        copy(source, target)

    monkeypatch.setattr(Path, "rename", move)
    monkeypatch.setattr(module, "copy_database", copy_once)
    with pytest.raises((OSError, sqlite3.OperationalError, KeyboardInterrupt)):
        place.restore(archive)
    monkeypatch.undo()
    found = listing(place.folder)
    assert place.state() == (2, "after")
    assert {name for name in found if name != "mlflow.db"} == {name for name in before if name != "mlflow.db"}


# --- stores that others have open ----------------------------------------------------------------------------------------

_READER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for line in sys.stdin:
    print(connection.execute(line).fetchone(), flush=True)
"""


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_process_that_has_the_store_open_sees_the_one_that_was_brought_back(place: Place, mode: str) -> None:
    with closing(sqlite3.connect(place.files.database)) as connection:
        assert connection.execute(f"PRAGMA journal_mode = {mode}").fetchone() == (mode,)
    with subprocess.Popen(
        [sys.executable, "-c", _READER, place.files.database], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdin
        assert reader.stdout

        def ask(words: str) -> str:
            print(words, file=reader.stdin, flush=True)
            return reader.stdout.readline().strip()

        assert ask("SELECT COUNT(*) FROM runs") == "(1,)"
        archive = place.save()
        place.change()
        assert ask("SELECT COUNT(*) FROM runs") == "(2,)"
        aside = place.restore(archive)
        assert ask("SELECT COUNT(*) FROM runs") == "(1,)"
        assert ask("INSERT INTO runs (run_uuid, experiment_id) VALUES ('new', 1) RETURNING 1") == "(1,)"
        assert ask("PRAGMA quick_check") == "('ok',)"
        reader.stdin.close()
    assert (runs_in(place.files.database), runs_in(aside[1])) == (2, 2)


def test_what_is_only_in_the_log_beside_the_database_is_saved_too_and_nothing_half_written(place: Place) -> None:
    insert = "INSERT INTO runs (run_uuid, experiment_id) VALUES (lower(hex(randomblob(16))), 1)"
    with closing(sqlite3.connect(place.files.database, isolation_level=None)) as writer:
        assert writer.execute("PRAGMA journal_mode = wal").fetchone() == ("wal",)
        writer.execute("PRAGMA wal_autocheckpoint = 0")  # as between two checkpoints of a process at work
        for _ in range(3):
            writer.execute(insert)
        writer.execute("BEGIN")
        writer.execute(insert)
        archive = place.save()
        writer.execute("COMMIT")
    assert runs_in(place.files.database) == 5
    (aside,) = [path for path in place.restore(archive) if path.is_file()]
    assert (place.state(), runs_in(aside)) == ((4, "before"), 5)


def test_a_store_that_another_process_is_writing_is_not_replaced(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "BUSY_SECONDS", 0.3)
    archive = place.save()
    place.change()
    with closing(sqlite3.connect(place.files.database, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="in use by another process"):
            place.restore(archive)
        writer.execute("ROLLBACK")
    assert place.state() == (2, "after")
    assert not [path for path in place.folder.iterdir() if ".before-" in path.name or ".restore-" in path.name]


@pytest.mark.parametrize("damage", ["garbage", "a page", "another's log", "nothing there"])
def test_a_damaged_database_is_moved_away_with_what_lies_beside_it(place: Place, damage: str) -> None:
    archive, database = place.save(), place.files.database
    if damage == "garbage":
        database.write_bytes(b"no database" * 100)
    elif damage == "a page":
        content = database.read_bytes()
        database.write_bytes(content[:4096] + b"\xff" * 8192 + content[12288:])
    elif damage == "another's log":
        place.change()
        Path(f"{database}-wal").write_bytes(b"of another file")
        database.write_bytes(b"\0" * 5000)
    else:
        database.unlink()
    place.restore(archive)
    assert place.state() == (1, "before")
    assert [path.name for path in place.folder.glob("mlflow.db-*")] == []


# --- kill -9 -------------------------------------------------------------------------------------------------------------


#: Calls between which a command may be killed.
_CALLS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "sqlite3.connect")


def killed_at(number: int, command: Callable[[], object]) -> None:
    """Run `command`; kill this process before the `number`-th of these calls."""
    seen = 0

    def hook(event: str, _: object) -> None:
        nonlocal seen
        if event in _CALLS:
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1

    sys.addaudithook(hook)
    command()


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.full)])
def test_a_restore_that_is_killed_at_any_moment_loses_nothing_and_the_next_one_completes_it(
    empty_store: Path, other_disk: Path, every: int
) -> None:
    folder, kept = other_disk / "store", other_disk / "kept"
    folder.mkdir()
    shutil.copy(empty_store, folder / "store[1].db")  # a name that is a pattern, too
    place = Place(open_store("sqlite:///store[1].db", root=folder, artifact_location="runs[*]"), folder)
    close_stores()
    archive = place.save("../a.tar.gz")
    place.change()
    shutil.copytree(folder, kept)
    for moment in range(random.randrange(every), 200, every):
        ended = in_fork(partial(killed_at, moment, partial(place.restore, archive)))
        assert ended in (0, signal.SIGKILL)
        databases = [place.files.database, *folder.glob("*.db.before-*")]
        texts = {path.read_text(encoding="utf-8") for path in folder.rglob("a.txt")}
        assert ({2} <= {runs_in(path) for path in databases} <= {1, 2}, "after" in texts) == (True, True)
        place.restore(archive)
        assert place.state() == (1, "before")
        assert not [path for path in folder.iterdir() if path.name.startswith(".")]
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
        if ended == 0:
            break
    assert 10 < moment < 199


def test_a_store_whose_writer_was_killed_is_saved_and_replaced(place: Place) -> None:
    kill_while_writing(place.files.database)
    archive = place.save()
    place.change()
    kill_while_writing(place.files.database)
    aside = place.restore(archive)
    assert place.state() == (1, "before")
    assert [runs_in(path) for path in aside if path.is_file()] == [2]


# --- artifacts that come and go ------------------------------------------------------------------------------------------


def test_artifacts_that_come_go_shrink_and_grow_meanwhile_spoil_no_archive(place: Place) -> None:
    folder, stop = place.artifact.parent, threading.Event()

    def churn() -> None:
        number = 0
        while not stop.is_set():
            path = folder / f"{number % 7}/{number % 50}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"x" * (1 + number * 7919 % 70_000))
            if number % 3 == 0:
                path.unlink()
            if number % 11 == 0:
                shutil.rmtree(folder / f"{(number + 3) % 7}", ignore_errors=True)
            number += 1

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        archives = [place.save(f"{number}.tar.gz") for number in range(3)]
    finally:
        stop.set()
        thread.join()
    for archive in archives:
        place.restore(archive)
        assert place.state() == (1, "before")


def test_what_is_deleted_between_listing_and_reading_is_left_out(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    files = module._files
    monkeypatch.setattr(module, "_files", lambda root: [*files(root), root / "gone.txt", root / "gone/too.txt"])
    place.restore(place.save())
    assert place.state() == (1, "before")


@pytest.mark.parametrize(
    ("at", "change"), [("size", "shrink"), ("size", "empty"), ("size", "grow"), ("size", "go"), ("open", "go")]
)
def test_a_file_that_changes_after_it_was_looked_at_spoils_no_archive(
    place: Place, monkeypatch: pytest.MonkeyPatch, at: str, change: str
) -> None:
    path = place.artifact.with_name("b.bin")
    path.write_bytes(content := os.urandom(50_000))
    info, opened = tarfile.TarFile.gettarinfo, Path.open

    def alter() -> None:
        if change == "go":
            path.unlink()
        elif change == "grow":
            path.write_bytes(content + b"more")
        else:
            os.truncate(path, 0 if change == "empty" else 20_000)

    def size_then(archive: tarfile.TarFile, *words: Any, **more: Any) -> tarfile.TarInfo:
        found = info(archive, *words, **more)
        if at == "size" and found.name.endswith("b.bin"):
            alter()
        return found

    def open_after(which: Path, *words: Any, **more: Any) -> Any:
        if at == "open" and which == path:
            alter()
        return opened(which, *words, **more)

    monkeypatch.setattr(tarfile.TarFile, "gettarinfo", size_then)
    monkeypatch.setattr(Path, "open", open_after)
    archive = place.save()
    monkeypatch.undo()
    place.change()
    place.restore(archive)
    assert place.state() == (1, "before")
    if at == "open":
        assert not path.exists()
    else:
        kept = {"shrink": content[:20_000], "empty": b""}.get(change, content)
        assert path.read_bytes() == kept.ljust(len(content), b"\0")


def test_links_are_saved_as_what_they_lead_to(place: Place, tmp_path: Path) -> None:
    folder, elsewhere = place.artifact.parent, tmp_path / "else where"
    (elsewhere / "sub").mkdir(parents=True)
    (elsewhere / "sub/b.txt").write_text("linked", encoding="utf-8")
    (folder / "folder").symlink_to(elsewhere)
    (folder / "file").symlink_to(elsewhere / "sub/b.txt")
    (folder / "nowhere").symlink_to("none")
    (folder / "itself").symlink_to("itself")
    (folder / "up").symlink_to("..")
    os.link(place.artifact, folder / "second.txt")
    os.mkfifo(folder / "pipe")
    place.restore(place.save())
    found = {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file()}
    assert found == {"a.txt": "before", "second.txt": "before", "file": "linked", "folder/sub/b.txt": "linked"}
    assert not [path for path in folder.rglob("*") if path.is_symlink()]


# --- full disks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 200_000, 1_300_000])
def test_a_full_disk_names_the_archive_and_leaves_nothing(place: Place, limit: int) -> None:
    (place.artifact.parent / "big").write_bytes(os.urandom(2_000_000))

    def save() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        with pytest.raises(UnavailableError, match=r"The archive .*/saved\.tar\.gz cannot be written.*Name another output"):
            place.save()

    before = listing(place.folder)
    assert in_fork(save) == 0
    assert listing(place.folder) == before
    assert not list(place.folder.glob(".saved*"))


def test_whoever_waits_is_told_how_far_it_is(place: Place) -> None:
    told: list[str] = []
    archive = write_archive(place.files, place.store.uri, place.folder / "told.tar.gz", told.append)
    assert told
    assert told[-1].split(" ")[1] == "files,"
    restore_archive(place.files, place.store.uri, archive, told.append)
    assert any(text.startswith("checking the archive") for text in told)
    assert told[-1].endswith("files unpacked")
