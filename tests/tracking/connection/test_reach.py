from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.errors import UnavailableError, UsageError
from recipeline.tracking.connection.reach import ask_once
from recipeline.tracking.connection.store import open_store

SECRET = "hunter2"

#: What belongs to no host or port: brackets that are open, and a password that is not escaped.
BROKEN = ("u:hunter2@[::1", "u:hunter2@h:port", "u:hunter2/x@h", "u:12/hunter2@h", "u:hunter2@[h]:1", "u:hunter2@h:99999")


@pytest.fixture
def closed() -> Iterator[int]:
    """A port that nobody listens to."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener.getsockname()[1]


@pytest.mark.parametrize("scheme", ["http", "postgresql+psycopg"])
def test_a_store_that_is_down_is_told_at_once_and_without_its_password(tmp_path: Path, scheme: str, closed: int) -> None:
    start = time.monotonic()
    with pytest.raises(UnavailableError, match=r"The MLflow store \S+://\*\*\*@127\.0\.0\.1:\d+/name must be") as error:
        open_store(f"{scheme}://me:{SECRET}@127.0.0.1:{closed}/name", root=tmp_path)
    assert time.monotonic() - start < 20  # MLflow asks a database for 100 s
    assert SECRET not in str(error.value)


@given(
    st.sampled_from(["http", "https", "postgresql", "postgresql+psycopg", "mysql+pymysql", "mssql"]), st.sampled_from(BROKEN)
)
def test_an_address_that_cannot_be_read_is_unavailable_and_its_password_not_shown(scheme: str, rest: str) -> None:
    with pytest.raises((UnavailableError, UsageError)) as error:
        open_store(f"{scheme}://{rest}/name", root=Path("/nonexistent"))
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("slashes", ["", "/"])
@pytest.mark.parametrize("scheme", ["http", "https", "postgresql", "postgresql+psycopg", "mysql+pymysql", "mssql", "s3"])
def test_an_address_without_its_slashes_is_no_path_of_a_store_and_its_password_not_shown(
    tmp_path: Path, scheme: str, slashes: str
) -> None:
    with pytest.raises((UnavailableError, UsageError)) as error:
        open_store(f"{scheme}:{slashes}u:{SECRET}@h/name", root=tmp_path)
    assert SECRET not in str(error.value)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("uri", ["sqlite:////nonexistent/x.db", "mlruns", "", "file:///nonexistent"])
def test_what_is_on_this_machine_is_not_asked(uri: str) -> None:
    ask_once(uri)
