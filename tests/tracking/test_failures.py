from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NoReturn

import pytest
from mlflow.exceptions import MlflowException

from recipeline.errors import UnavailableError
from recipeline.tracking.failures import is_missing, store_errors, unwritable
from recipeline.tracking.store import Store


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.OperationalError("database is locked"),
        OSError(28, "No space left on device"),
        MlflowException("API request to http://x failed"),
        MlflowException(f"Failures occurred while downloading from http://{'x' * 300}: API request to http://x failed"),
        MlflowException("(sqlite3.OperationalError) disk I/O error"),
    ],
)
def test_what_a_store_raises_that_is_gone_is_one_sentence(error: Exception) -> None:
    with pytest.raises(UnavailableError, match="must be reachable and writable") as raised, store_errors("sqlite:///a.db"):
        raise error
    assert raised.value.exit_code == 6
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("error", [MlflowException("No such run"), OSError(2, "No such file"), ValueError("a bug")])
def test_anything_else_is_a_bug_and_passes(error: Exception) -> None:
    def work() -> NoReturn:
        raise error

    with pytest.raises(type(error)) as raised, store_errors("sqlite:///a.db"):
        work()
    assert raised.value is error


def test_a_store_that_loses_its_tables_is_unavailable_in_one_sentence(store: Store, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("DROP TABLE experiments")
    connection.close()
    with pytest.raises(UnavailableError, match="no such table"), store_errors(store.uri):
        store.client.search_experiments()


def test_the_sentence_about_a_store_has_no_secret_in_it() -> None:
    assert "secret" not in unwritable("postgresql://me:secret@host/db", "no answer").sentence


def test_what_does_not_exist_is_told_apart_from_no_answer(store: Store) -> None:
    with pytest.raises(MlflowException) as missing:
        store.client.get_run("0" * 32)
    assert is_missing(missing.value)
    assert not is_missing(MlflowException("API request to http://x failed"))


def test_a_reason_that_lies_deeper_is_found() -> None:
    def work() -> NoReturn:
        raise MlflowException("it did not work") from sqlite3.OperationalError("database is locked")

    with pytest.raises(UnavailableError, match="Got 'database is locked' instead"), store_errors("sqlite:///a.db"):
        work()
