from __future__ import annotations

import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
from sqlalchemy import Engine, create_engine, event

from recipeline.errors import UnavailableError
from recipeline.tracking._compat import engines_of
from recipeline.tracking.connection import sqlite
from recipeline.tracking.connection.sqlite import check_readable, is_new, read_database, spare_syncs
from recipeline.tracking.connection.store import Store, open_store
from tests.conftest import SYNCHRONOUS
from tests.faults import kill_while_writing


def rows_of(path: Path, table: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT * FROM {table}").fetchall()


def schema_of(path: Path) -> set[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return set(connection.execute("SELECT type, name FROM sqlite_master").fetchall())


@pytest.mark.parametrize(("mode", "then", "synchronous"), [("delete", "truncate", 1), ("wal", "wal", 2)])
def test_sqlite_waits_less_for_the_disk_and_a_file_in_wal_mode_stays_as_it_is(
    tmp_path: Path, mode: str, then: str, synchronous: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "SYNCHRONOUS", SYNCHRONOUS)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("CREATE TABLE made (it INTEGER)")
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        spare_syncs(connection, None)
        assert connection.execute("PRAGMA journal_mode").fetchone() == (then,)
        assert connection.execute("PRAGMA synchronous").fetchone() == (synchronous,)  # 1 is NORMAL, 2 FULL


def test_a_connection_waits_for_a_file_that_is_locked_when_it_is_made(tmp_path: Path) -> None:
    with (
        closing(sqlite3.connect(tmp_path / "mlflow.db", check_same_thread=False)) as holder,
        closing(sqlite3.connect(tmp_path / "mlflow.db", timeout=0)) as connection,
    ):
        holder.execute("BEGIN EXCLUSIVE")
        release = threading.Timer(0.5, holder.rollback)
        release.start()
        spare_syncs(connection, None)
        release.join()
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("truncate",)


def test_a_transaction_of_a_killed_process_is_undone_before_the_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE made (it INTEGER)")
    before = path.read_bytes()
    kill_while_writing(path)
    assert path.read_bytes() != before
    with closing(read_database(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("made",)]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("INSERT INTO made VALUES (1)")
    assert path.read_bytes() == before


def test_whoever_may_not_write_is_told_that_a_transaction_must_be_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE made (it INTEGER)")
    kill_while_writing(path)
    opened = sqlite._opened
    monkeypatch.setattr(sqlite, "_opened", lambda path, _: opened(path, "ro"))  # as SQLite does without the right to write
    with pytest.raises(UnavailableError, match=r"was killed while it wrote\. Have its owner run `recipeline doctor`"):
        check_readable(path)


@pytest.fixture
def made(tmp_path: Path) -> Store:
    """A store of MLflow's migrations, whose schema is kept in `cache`."""
    return open_store("sqlite:///first.db", root=tmp_path, cache=tmp_path / "cache")


def test_only_the_engines_of_the_store_wait_less_and_all_of_their_connections_do(store: Store) -> None:
    for engine in engines_of(store.client):
        assert event.contains(engine, "connect", spare_syncs)
        with engine.connect() as first, engine.connect() as second:
            for connection in (first, second):
                assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "truncate"
    assert not event.contains(Engine, "connect", spare_syncs)
    with create_engine(f"sqlite:///{store.uri.removeprefix(sqlite.SQLITE)}.other").connect() as other:
        assert other.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"


def test_a_new_store_is_made_from_the_kept_schema_and_is_as_one_that_mlflow_makes(
    made: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlflow.store.db.utils._initialize_tables", lambda _: pytest.fail("migrations were run"))
    second = open_store("sqlite:///folder/second.db", root=_folder(tmp_path), cache=tmp_path / "cache")
    assert schema_of(tmp_path / "folder/second.db") == schema_of(tmp_path / "first.db")
    assert second.client.get_experiment("0").artifact_location == made.client.get_experiment("0").artifact_location
    assert [row[:2] for row in rows_of(tmp_path / "folder/second.db", "experiments")] == [(0, "Default")]
    run = second.client.create_run(second.experiment("an experiment"))
    assert second.client.get_run(run.info.run_id).info.status == "RUNNING"


def _folder(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path


def test_the_kept_schema_holds_no_experiment_run_or_path(made: Store, tmp_path: Path) -> None:
    assert made
    kept = sqlite.schema_file(tmp_path / "cache")
    assert mlflow.__version__ in kept.name
    assert rows_of(kept, "experiments") == []
    assert str(tmp_path).encode() not in kept.read_bytes()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty", marks=pytest.mark.full),
        pytest.param(b"no database" * 100, id="garbage", marks=pytest.mark.full),
        pytest.param(None, id="cut off"),
    ],
)
def test_a_broken_schema_is_not_used_and_is_made_again(made: Store, tmp_path: Path, content: bytes | None) -> None:
    assert made
    kept = sqlite.schema_file(tmp_path / "cache")
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2] if content is None else content)
    second = open_store("sqlite:///second.db", root=tmp_path, cache=tmp_path / "cache")
    assert second.client.get_experiment("0").name == "Default"
    assert schema_of(tmp_path / "second.db") == schema_of(tmp_path / "first.db") == schema_of(kept)


def test_a_schema_with_rows_of_somebody_is_not_used(made: Store, tmp_path: Path) -> None:
    made.client.create_experiment("theirs")
    shutil.copy(tmp_path / "first.db", sqlite.schema_file(tmp_path / "cache"))
    second = open_store("sqlite:///second.db", root=tmp_path, cache=tmp_path / "cache")
    assert [it.name for it in second.client.search_experiments()] == ["Default"]


def test_a_cache_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file", encoding="utf-8")
    assert open_store("sqlite:///mlflow.db", root=tmp_path, cache=tmp_path / "cache").client.get_experiment("0")


def test_a_store_that_exists_is_left_as_it_is(made: Store, tmp_path: Path) -> None:
    before = (tmp_path / "first.db").stat().st_mtime_ns, rows_of(tmp_path / "first.db", "experiments")
    sqlite.copy_schema(tmp_path / "cache", tmp_path / "first.db")
    assert made
    assert ((tmp_path / "first.db").stat().st_mtime_ns, rows_of(tmp_path / "first.db", "experiments")) == before


def test_a_store_is_new_until_it_is_opened(tmp_path: Path, store: Store) -> None:
    assert is_new("sqlite:///other.db", root=tmp_path)
    assert not is_new("sqlite:///mlflow.db", root=tmp_path)
    assert not is_new(store.uri, root=tmp_path / "elsewhere")
    assert not is_new("http://127.0.0.1:9", root=tmp_path)
