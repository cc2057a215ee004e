from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
from pathlib import Path
from typing import NoReturn

import boto3.exceptions
import botocore.exceptions
import pytest
import requests
import sqlalchemy.exc
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import NOT_FOUND, PERMISSION_DENIED, TEMPORARILY_UNAVAILABLE, UNAUTHENTICATED

from recipeline.errors import UnavailableError
from recipeline.tracking.connection.failures import is_conflict, is_missing, retry_conflict, store_errors, unwritable
from recipeline.tracking.connection.store import Store


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


def test_a_database_says_why_it_did_not_write_without_the_statement() -> None:
    driver = sqlite3.OperationalError("database or disk is full")
    error = sqlalchemy.exc.OperationalError("INSERT INTO tags VALUES (?)", {"value": "rows"}, driver)
    with pytest.raises(UnavailableError, match=r"Got 'database or disk is full' instead"), store_errors("sqlite:///a.db"):
        raise MlflowException(f"(raised as a result of Query-invoked autoflush) {error}") from error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_no_space_may_be_that_of_temporary_files(number: int) -> None:
    with pytest.raises(UnavailableError, match="TMPDIR names another folder") as raised, store_errors("sqlite:///a.db"):
        raise OSError(number, os.strerror(number))
    assert tempfile.gettempdir() in raised.value.sentence


GONE = [
    sqlite3.OperationalError("x"),
    sqlalchemy.exc.OperationalError("SELECT 1", {}, Exception("x")),
    sqlalchemy.exc.DatabaseError("SELECT 1", {}, Exception("x")),
    requests.ConnectionError("x"),
    requests.HTTPError("x"),
    OSError(errno.ENOSPC, "x"),
    OSError(errno.EROFS, "x"),
    MlflowException("x", error_code=TEMPORARILY_UNAVAILABLE),
    MlflowException("x", error_code=PERMISSION_DENIED),
    botocore.exceptions.EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
    botocore.exceptions.ClientError({"Error": {"Code": "InternalError", "Message": "x"}}, "PutObject"),
    boto3.exceptions.S3UploadFailedError("x"),
]


@pytest.mark.parametrize("ways", [(), ("cause",), ("context",), ("cause", "context"), ("context", "cause", "cause")])
@pytest.mark.parametrize("reason", GONE, ids=[type(error).__name__ for error in GONE])
def test_a_store_that_is_gone_is_known_by_the_type_of_what_led_to_an_error(reason: Exception, ways: tuple[str, ...]) -> None:
    error: Exception = reason
    for way in ways:
        outer = MlflowException("of no telling words")
        setattr(outer, f"__{way}__", error)
        error = outer
    with pytest.raises(UnavailableError, match="must be reachable and writable"), store_errors("sqlite:///a.db"):
        raise error


@pytest.mark.parametrize("reason", [KeyError("x"), OSError(errno.ENOENT, "x"), MlflowException("x", error_code=NOT_FOUND)])
def test_what_led_to_an_error_may_be_a_bug_too(reason: Exception) -> None:
    with pytest.raises(MlflowException, match="of no telling words"), store_errors("sqlite:///a.db"):
        raise MlflowException("of no telling words") from reason


@pytest.mark.parametrize(
    "error",
    [
        MlflowException("x", error_code=UNAUTHENTICATED),
        MlflowException("API request to endpoint /api failed with error code 401 != 200. Response body: ''"),
    ],
)
def test_a_server_that_does_not_know_the_user_is_told_apart_and_says_what_to_set(error: Exception) -> None:
    with pytest.raises(UnavailableError) as raised, store_errors("https://ann:secret@mlflow.example"):
        raise error
    assert raised.value.sentence.startswith("The MLflow server https://")
    assert "does not accept the user. Set MLFLOW_TRACKING_USERNAME and" in raised.value.sentence
    assert "secret" not in raised.value.sentence


def refusal(status: int, url: str) -> requests.HTTPError:
    """Return the error of an artifact that a server refused."""
    response = requests.Response()
    response.status_code, response.url = status, url
    return requests.HTTPError(f"{status} Client Error for url: {url}", response=response)


SERVER = "https://ann:secret@mlflow.example"
FORBIDDEN = [
    MlflowException("x", error_code=PERMISSION_DENIED),
    MlflowException("API request to endpoint /api failed with error code 403 != 200. Response body: 'Permission denied'"),
    refusal(403, f"{SERVER}/api/2.0/mlflow-artifacts/artifacts/1"),
]


@pytest.mark.parametrize("error", FORBIDDEN)
def test_a_server_that_permits_too_little_is_told_apart_and_no_secret_is_told(error: Exception) -> None:
    with pytest.raises(UnavailableError) as raised, store_errors(SERVER):
        raise error
    assert "does not permit this user what the command does: '" in raised.value.sentence
    assert "secret" not in raised.value.sentence


@pytest.mark.parametrize(("status", "words"), [(401, "does not accept the user"), (403, "does not permit this user")])
def test_an_object_store_beside_the_server_has_users_of_its_own(status: int, words: str) -> None:
    for url, is_told in ((f"{SERVER}/api", True), ("https://bucket.example/key", False)):
        with pytest.raises(UnavailableError) as raised, store_errors(SERVER):
            raise refusal(status, url)
        assert (words in raised.value.sentence) == is_told


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


def test_a_database_that_another_process_holds_is_told_apart_from_a_full_disk() -> None:
    assert "Wait for the process that holds it" in unwritable("sqlite:///a.db", "database is locked").sentence
    assert "the disk is not full" in unwritable("sqlite:///a.db", "database or disk is full").sentence


CONFLICTS = [
    sqlite3.IntegrityError("UNIQUE constraint failed: datasets.experiment_id"),
    sqlalchemy.exc.IntegrityError("INSERT", {}, Exception("duplicate")),
    MlflowException("(sqlite3.IntegrityError) UNIQUE constraint failed: datasets.name"),
    MlflowException("API request to http://x failed: (psycopg.errors.UniqueViolation) duplicate key value"),
    MlflowException("(pymysql.err.IntegrityError) (1062, 'Duplicate entry')"),
    MlflowException("UPDATE statement on table 'registered_model_aliases' expected to update 1 row(s); 0 were matched."),
    MlflowException("Model Version creation error (name=a). Giving up after 3 attempts."),
]


@pytest.mark.parametrize("error", CONFLICTS, ids=str)
@pytest.mark.parametrize("is_wrapped", [False, True])
def test_two_writers_of_one_row_are_never_an_unavailable_store(error: Exception, is_wrapped: bool) -> None:
    raised = MlflowException("wrapped") if is_wrapped else error
    with pytest.raises(type(raised)), store_errors("sqlite:///a.db"):
        raise raised from error
    assert is_conflict(raised)


@pytest.mark.parametrize("lost", [0, 1, 4, 5])
def test_a_write_that_was_overtaken_is_tried_again_a_few_times(lost: int) -> None:
    errors = [*CONFLICTS[2:], *CONFLICTS[2:]][:lost]

    def write() -> str:
        if errors:
            raise errors.pop()
        return "written"

    if lost < 5:
        assert retry_conflict(write) == "written"
    else:
        with pytest.raises(UnavailableError, match="the same row of the store 5 times") as raised:
            retry_conflict(write)
        assert raised.value.exit_code == 6


def test_any_other_failure_of_a_write_is_not_tried_again() -> None:
    calls: list[int] = []

    def write() -> None:
        calls.append(1)
        raise MlflowException("no")

    with pytest.raises(MlflowException, match="no"):
        retry_conflict(write)
    assert calls == [1]
