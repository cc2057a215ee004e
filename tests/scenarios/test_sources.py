"""Sources of several files, and of a query, from ingest to Production."""

from __future__ import annotations

import gzip
import hashlib
import sqlite3
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Project


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def csv(rows: pd.DataFrame) -> bytes:
    return rows.to_csv(index=False).encode()


@pytest.fixture
def parts(tmp_path: Path, wines: pd.DataFrame) -> list[bytes]:
    """Write a folder of two parts, one of them twice and compressed."""
    contents = [csv(wines.iloc[:150]), csv(wines.iloc[150:])]
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows/a.csv").write_bytes(contents[0])
    (tmp_path / "rows/b.csv").write_bytes(contents[1])
    (tmp_path / "rows/c.csv.gz").write_bytes(gzip.compress(contents[0]))
    return contents


@pytest.mark.parametrize("data", ["rows", "rows/*.csv*", "rows/a.csv,rows/b.csv,rows/c.csv.gz"])
def test_a_source_of_several_files_has_one_digest_and_each_content_once(
    project: Project, tmp_path: Path, parts: list[bytes], data: str
) -> None:
    named = ",".join(str(tmp_path / part) for part in data.split(","))
    outcome = project.ok("ingest", data=named)
    assert "400 rows" in outcome.stderr + outcome.stdout
    assert "1 of the 3 files have the content of another" in outcome.stderr
    digests = [digest_of(content) for content in parts]
    tags = project.tags(outcome.run_id)
    assert tags["recipeline.part_digest"] == ",".join(digests)
    assert tags["recipeline.data_digest"] == digest_of("\n".join(digests).encode())


def test_faults_of_several_files_are_told_with_the_file(project: Project, tmp_path: Path, parts: list[bytes]) -> None:
    (tmp_path / "rows/b.csv").write_bytes(parts[1].replace(b"\n", b"\n,,,,,,,,,,,\n", 1))
    outcome = project.run("ingest", data=str(tmp_path / "rows"))
    assert outcome.exit_code == 3
    assert "b.csv, row 1, must hold a value in a field. Got separators only instead." in outcome.stderr


def test_a_part_that_production_learned_from_is_not_added_again(project: Project, tmp_path: Path, parts: list[bytes]) -> None:
    project.ok("main", data=str(tmp_path / "rows"), model="lr", promote="always")
    outcome = project.ok("retrain", data=str(tmp_path / "rows/b.csv"), model="lr")
    assert f"{len(parts[1].splitlines()) - 1} were added before" in outcome.stdout


def test_the_rows_of_a_query_of_the_profile_are_ingested_and_its_password_is_kept_nowhere(
    project: Project, tmp_path: Path, wines: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite3.connect(tmp_path / "rows.db") as connection:
        wines.to_sql("wines", connection, index=False)
    monkeypatch.setenv("ROWS_TABLE", "wines")
    project.write_profile(data={"sql": {"url": f"sqlite:///{tmp_path}/rows.db", "query": "select * from ${ROWS_TABLE}"}})
    tags = project.tags(project.ok("ingest").run_id)
    assert tags["recipeline.data_source"] == "sql"
    monkeypatch.setenv("ROWS_PASSWORD", "Zq7xKw9v")
    url = "postgresql+psycopg://joe:${ROWS_PASSWORD}@127.0.0.1:9/db"
    project.write_profile(data={"sql": {"url": url, "query": "select 1"}})
    outcome = project.run("ingest")
    assert outcome.exit_code == 6
    assert "postgresql+psycopg://***@127.0.0.1:9/db" in outcome.stderr
    kept = outcome.stderr + outcome.stdout + str([run.data.to_dictionary() for run in project.runs()])
    assert "Zq7xKw9v" not in kept
