from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from recipeline.errors import UnavailableError, UsageError
from recipeline.maintenance.backup import back_up, bring_back
from recipeline.orchestration.session import Session
from recipeline.tracking.store import Store, open_store
from tests.sessions import open_toys


@pytest.fixture
def session(store: Store, tmp_path: Path) -> Session:
    """A session on a store with one run and its artifact."""
    run_id = store.client.create_run(store.experiment("toy")).info.run_id
    store.client.log_text(run_id, "before", "a.txt")
    return open_toys(store, tmp_path)


def runs_in(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM runs").fetchone()[0])


def test_a_store_is_brought_back_as_it_was_and_what_was_there_meanwhile_lies_beside(session: Session, tmp_path: Path) -> None:
    archive = back_up(session, tmp_path / "saved.tar.gz")
    (artifact,) = (tmp_path / "mlruns").rglob("a.txt")
    artifact.write_text("after", encoding="utf-8")
    session.store.client.create_run(session.experiment_id)
    aside = bring_back(session, archive)
    assert (runs_in(tmp_path), artifact.read_text(encoding="utf-8")) == (1, "before")
    assert [path.name.partition(".before-")[0] for path in aside] == ["mlruns", "mlflow.db"]
    assert all(path.exists() for path in aside)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_an_archive_is_a_new_file_in_a_folder_that_exists(session: Session, tmp_path: Path) -> None:
    (tmp_path / "there.tar.gz").touch()
    with pytest.raises(UsageError, match="output must be a new file"):
        back_up(session, tmp_path / "there.tar.gz")
    with pytest.raises(UsageError, match=r"mkdir -p .*nowhere"):
        back_up(session, tmp_path / "nowhere/a.tar.gz")
    assert (tmp_path / "there.tar.gz").read_bytes() == b""


def test_what_is_no_whole_archive_is_refused_and_the_store_stays(session: Session, tmp_path: Path) -> None:
    archive = back_up(session, tmp_path / "saved.tar.gz")
    archive.write_bytes(archive.read_bytes()[:-200])
    before = sorted(path.name for path in tmp_path.iterdir())
    for source in (archive, tmp_path / "none.tar.gz"):
        with pytest.raises(UnavailableError, match="must be a whole archive"):
            bring_back(session, source)
    assert (runs_in(tmp_path), sorted(path.name for path in tmp_path.iterdir())) == (1, before)


def test_an_archive_of_another_folder_is_refused(session: Session, tmp_path: Path) -> None:
    archive = back_up(session, tmp_path / "saved.tar.gz")
    other = tmp_path / "elsewhere"
    other.mkdir()
    elsewhere = open_store("sqlite:///mlflow.db", root=other, artifact_location="mlruns")
    with pytest.raises(UnavailableError, match=r"whose artifacts are in .*elsewhere"):
        bring_back(open_toys(elsewhere, other), archive)


def test_only_a_local_store_can_be_saved(session: Session, tmp_path: Path) -> None:
    session.store = replace(session.store, uri="postgresql://me:secret@host/db")
    with pytest.raises(UsageError, match=r"a SQLite file\. Got 'postgresql://…' instead") as error:
        back_up(session, tmp_path / "saved.tar.gz")
    assert "secret" not in str(error.value)
