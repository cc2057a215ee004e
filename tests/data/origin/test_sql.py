from __future__ import annotations

import io
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recipeline.config.table import Sql
from recipeline.data.checking.schema import validate_table
from recipeline.data.origin import sql as sql_module
from recipeline.data.origin.sources import Source, read_source
from recipeline.data.origin.sql import fetch_query
from recipeline.errors import DataError, UnavailableError, UsageError
from tests.conftest import as_recipe, small_recipe

QUERY = "select * from wines order by rowid"


@pytest.fixture
def database(tmp_path: Path, wines: pd.DataFrame) -> Path:
    with sqlite3.connect(tmp_path / "rows.db") as connection:
        wines.to_sql("wines", connection, index=False)
    return tmp_path


def fetch(folder: Path, query: str, url: str = "sqlite:///rows.db", **more: Any) -> str:
    file = io.StringIO(newline="")
    fetch_query(Sql(url=url, query=query), file, root=folder, **more)
    return file.getvalue()


def source_of(folder: Path, **data: Any) -> tuple[Source, Any]:
    recipe = as_recipe(small_recipe() | {"data": {"sql": {"url": "sqlite:///rows.db", "query": QUERY}, **data}})
    return read_source("auto", recipe, folder=folder, cache=folder), recipe


@pytest.mark.parametrize("data", [{}, {"decimal": ","}, {"encoding": "latin-1", "separator": "\t"}], ids=str)
def test_the_rows_of_a_query_are_the_rows_of_the_table(database: Path, wines: pd.DataFrame, data: dict[str, Any]) -> None:
    source, recipe = source_of(database, **data)
    assert (source.kind, source.origin) == ("sql", "sqlite:///rows.db")
    read = validate_table(source.open(recipe), recipe, origin="it")
    pd.testing.assert_frame_equal(read, wines[list(read.columns)], check_dtype=False)
    assert source.sha256 == source_of(database, **data)[0].sha256


def test_a_query_is_fetched_in_chunks(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fetch(database, QUERY)
    monkeypatch.setattr(sql_module, "CHUNK_ROWS", 7)
    assert fetch(database, QUERY) == whole
    assert whole.count("\n") == 401


def test_every_value_is_the_text_that_reads_as_it(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "rows.db").close()
    values = "1 as a, 0.1 as b, null as c, 'x,\"y' as d, 1e300 as e, '007' as f"
    assert fetch(tmp_path, f"select {values}") == 'a,b,c,d,e,f\n1,0.1,,"x,""y",1e+300,007\n'
    assert fetch(tmp_path, f"select {values}", separator=";", mark=",") == 'a;b;c;d;e;f\n1;0,1;;"x,""y";1e+300;007\n'
    assert [sql_module._as_field(it, ",") for it in (True, Decimal("1.50"), float("nan"))] == ["true", "1,50", ""]


def test_what_a_query_changes_is_not_kept(database: Path) -> None:
    with pytest.raises(UsageError, match="returns no rows"):
        fetch(database, "delete from wines")
    assert fetch(database, "select count(*) from wines") == "count(*)\n400\n"


@pytest.mark.parametrize(
    ("url", "query", "kind", "words"),
    [
        ("sqlite:///rows.db", "select * from beers", UnavailableError, "no such table"),
        ("sqlite:///none.db", QUERY, DataError, "SQLite file that exists"),
        ("nosuch://host/db", QUERY, UsageError, "driver"),
    ],
)
def test_what_cannot_be_asked_is_refused(database: Path, url: str, query: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        fetch(database, query, url)
    assert not (database / "none.db").exists()


def test_a_password_is_shown_nowhere(tmp_path: Path) -> None:
    for url in ("nosuch://joe:Zq7xKw9v@host/db", "postgresql+psycopg://joe:Zq7xKw9v@127.0.0.1:9/db"):
        with pytest.raises((UsageError, UnavailableError)) as error:
            fetch(tmp_path, QUERY, url)
        assert "Zq7xKw9v" not in str(error.value)


def test_a_query_that_is_asked_for_must_be_stated(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"No data\.sql in the recipe or profile for data=sql"):
        read_source("sql", as_recipe(small_recipe()), folder=tmp_path, cache=tmp_path)
