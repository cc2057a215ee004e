from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from recipeline.errors import UnavailableError
from recipeline.hosting import postgres, processes
from recipeline.hosting.state import Secrets, ServerFolder, _free_ports

PORT = "postgres"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[ServerFolder]:
    made = ServerFolder(tmp_path / ".server")
    made.make()
    yield made
    postgres.stop(made)


def start(folder: ServerFolder, port: int, secrets: Secrets) -> psutil.Process:
    process = postgres.start(folder, port, secrets)
    postgres.wait(folder, process, port, secrets)
    return process


def connect(port: int, password: str) -> psycopg.Connection:
    return psycopg.connect(
        host="127.0.0.1", port=port, user=postgres.USER, password=password, dbname=postgres.DATABASE, autocommit=True
    )


def test_what_was_committed_survives_a_kill_and_only_the_password_opens_it(folder: ServerFolder) -> None:
    secrets, port = folder.secrets(), _free_ports(1)[0]
    interrupted = folder.path / "postgres"
    interrupted.mkdir()
    (interrupted / "half").touch()
    process = start(folder, port, secrets)
    assert not (folder.path / "postgres.password").exists()
    with connect(port, secrets.postgres_password) as connection:
        connection.execute("CREATE TABLE kept (a int)")
        connection.execute("INSERT INTO kept VALUES (42)")
    for wrong in ("", "mlflow", "postgres"):
        with pytest.raises(psycopg.OperationalError):
            connect(port, wrong)
    process.kill()
    start(folder, port, secrets)
    with connect(port, secrets.postgres_password) as connection:
        assert connection.execute("SELECT a FROM kept").fetchall() == [(42,)]
    assert not postgres.is_ready(port, dataclasses.replace(secrets, postgres_password="another"))
    assert postgres.stop(folder)
    assert not postgres.is_ready(port, secrets)
    log = processes.log_of(folder, postgres.NAME).read_text()
    assert "database system is shut down" in log
    assert secrets.postgres_password not in log


def test_files_of_a_version_that_is_not_installed_are_one_sentence(folder: ServerFolder) -> None:
    (folder.path / "postgres").mkdir()
    (folder.path / "postgres/PG_VERSION").write_text("9\n")
    with pytest.raises(UnavailableError, match="was made by PostgreSQL 9; installed are 16, 18"):
        postgres.start(folder, _free_ports(1)[0], folder.secrets())


def test_root_without_user_namespaces_is_told_to_be_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres.os, "geteuid", lambda: 1000)
    assert postgres._as_user() == ()
    monkeypatch.setattr(postgres.os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgres, "_NOT_ROOT", ("false",))
    with pytest.raises(UnavailableError, match=r"PostgreSQL does not run as root\. Run the command as another user"):
        postgres._as_user()
    monkeypatch.setattr(postgres, "_NOT_ROOT", ("no-such-program",))
    with pytest.raises(UnavailableError, match="PostgreSQL does not run as root"):
        postgres._as_user()
