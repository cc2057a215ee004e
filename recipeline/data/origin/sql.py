"""The rows of a query, fetched in chunks into a CSV.

The CSV is fetched once, then hashed and read.
"""

from __future__ import annotations

import csv
import datetime
import decimal
import math
from pathlib import Path
from typing import Any, TextIO

from recipeline.config.table import Sql
from recipeline.data.origin.uris import redact, scrub
from recipeline.errors import DataError, UnavailableError, UsageError

#: So many rows of an answer are in memory at a time.
CHUNK_ROWS = 10_000


def fetch_query(sql: Sql, file: TextIO, *, root: Path, separator: str = ",", mark: str = ".") -> None:
    """Write the rows of a query into `file` as a CSV with a header.

    Changes by the query are rolled back. NULL and NaN are empty fields, numbers the shortest text that reads as the same
    number, with `mark` before the fraction, times in ISO format, booleans true and false.

    Parameters
    ----------
    root : the folder of a relative SQLite file.

    Raises
    ------
    UsageError : the URL is invalid, its driver is not installed, or the query returns no table.
    DataError : the SQLite file does not exist.
    UnavailableError : the database cannot be reached, or refuses the query.
    """
    import sqlalchemy
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

    shown = redact(sql.url)
    try:
        url = sqlalchemy.make_url(sql.url)
        engine = sqlalchemy.create_engine(_located(url, root))
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:
        raise UsageError(
            f"data.sql.url must be a URL of SQLAlchemy whose driver is installed: {shown}.",
            got=f"'{_one_line(error, sql.url)}'",
            fix="Correct it, or install the driver: make setup EXTRAS=postgres.",
        ) from None
    try:
        with engine.connect() as connection:
            options = {"stream_results": True, "yield_per": CHUNK_ROWS}
            answer = connection.exec_driver_sql(sql.query, execution_options=options)
            if not answer.returns_rows:
                raise UsageError("The statement of data.sql.query returns no rows.", fix="Begin it with SELECT.")
            lines = csv.writer(file, delimiter=separator, lineterminator="\n")
            lines.writerow(answer.keys())
            for chunk in answer.partitions():
                lines.writerows([_as_field(value, mark) for value in row] for row in chunk)
            connection.rollback()
    except SQLAlchemyError as error:
        reason = _one_line(getattr(error, "orig", None) or error, sql.url).rstrip(".")
        raise UnavailableError(
            f"The query of data.sql failed on {shown}: {reason}.",
            fix="Check the query, the URL, the credentials and the network.",
        ) from None
    finally:
        engine.dispose()


def _located(url: Any, root: Path) -> Any:
    """Return the URL with a relative SQLite file in `root`.

    Raises
    ------
    DataError : the file does not exist.
    """
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:") or url.database.startswith("file:"):
        return url
    path = root / url.database
    if not path.is_file():  # it would be made, and be empty
        raise DataError(
            "data.sql.url must name a SQLite file that exists.",
            got=f"'{path}'",
            fix="Correct the path in the recipe or profile.",
        )
    return url.set(database=str(path))


def _as_field(value: object, mark: str) -> object:
    """Return a value as the CSV has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float | decimal.Decimal):
        return "" if math.isnan(value) else str(value).replace(".", mark)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    return value


def _one_line(error: object, url: str) -> str:
    return " ".join(scrub(str(error), url).split())[:200]
