from __future__ import annotations

from pathlib import Path

import pytest

from recipeline.config.profile import find_profile, load_profile
from recipeline.errors import UsageError
from tests.conftest import ROOT


@pytest.mark.parametrize("name", [path.stem for path in (ROOT / "profiles").glob("*.yaml")])
def test_every_profile_of_the_project_loads(name: str) -> None:
    environment = {"MLFLOW_TRACKING_URI": "https://mlflow.example", "DATA_URI": "s3://rows/wines.parquet"}
    load_profile(find_profile(name, ROOT / "profiles", ROOT), environment)


def test_the_shared_profile_takes_its_store_from_the_environment_and_says_so_where_there_is_none() -> None:
    path = find_profile("server", ROOT / "profiles", ROOT)
    environment = {"MLFLOW_TRACKING_URI": "postgresql+psycopg://db.example/mlflow", "ARTIFACT_LOCATION": "s3://bucket/mlflow"}
    store = load_profile(path, environment).store
    assert (store.tracking_uri, store.artifact_location) == tuple(environment.values())
    with pytest.raises(UsageError, match="MLFLOW_TRACKING_URI"):
        load_profile(path, {})


def test_an_unknown_profile_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="Did you mean 'local'"):
        find_profile("locl", ROOT / "profiles", ROOT)


def test_a_path_to_a_file_is_taken_from_the_working_folder(tmp_path: Path) -> None:
    assert find_profile("sub/mine.yml", ROOT / "profiles", tmp_path) == tmp_path / "sub/mine.yml"
    with pytest.raises(UsageError, match="must consist of letters"):
        find_profile("sub/my own.yaml", ROOT / "profiles", tmp_path)


PROFILE = "store: {tracking_uri: 'sqlite:///a.db'}\ndata: "


def test_a_query_is_the_data_of_a_profile_with_its_secrets_from_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"{PROFILE}{{sql: {{url: 'postgresql://joe:${{SECRET}}@host/db', query: select 1}}}}", encoding="utf-8")
    profile = load_profile(path, {"SECRET": "Zq7x"})
    assert profile.data == "sql"
    assert profile.sql is not None
    assert profile.sql.url == "postgresql://joe:Zq7x@host/db"


@pytest.mark.parametrize("data", ["{sql: {url: 'postgresql://joe:${SECRET}@host/db'}}", "{sql: {url: '${SECRET}', query: a}}"])
def test_a_query_that_cannot_be_is_refused_without_its_secret(tmp_path: Path, data: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"{PROFILE}{data}", encoding="utf-8")
    with pytest.raises(UsageError, match=r"sql\.(query|url)") as error:
        load_profile(path, {"SECRET": "Zq7x"})
    assert "Zq7x" not in str(error.value)


LOG = "store: {tracking_uri: 'sqlite:///a.db'}\ndata: auto\nservice:\n  prediction_log: {folder: log, "


@pytest.mark.parametrize(
    "archive",
    ["s3://bucket", "s3://bucket/", "s3://bucket/a/b=c/d.e", "gs://b/..a", "az://box/a", "old/log", "/a b", "file:///a"],
)
def test_a_log_may_have_an_archive_in_a_store_or_a_folder(tmp_path: Path, archive: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"{LOG}archive: '{archive}', disk_mb: 5, rate: 2.5}}", encoding="utf-8")
    log = load_profile(path, {}).service.prediction_log
    assert log is not None
    assert (log.archive, log.disk_mb, log.rate) == (archive, 5, 2.5)


@pytest.mark.parametrize(
    "archive",
    [
        "s3://id:Zq7x@bucket/a",
        "s3://bucket/a?k=Zq7x",
        "s3://bucket/../a",
        "s3://bucket//a",
        "s3://bucket/a b",
        "http://a/b",
        "s3://",
    ],
)
def test_an_archive_with_keys_or_of_another_kind_is_refused_and_not_quoted(tmp_path: Path, archive: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"{LOG}archive: '{archive}'}}", encoding="utf-8")
    with pytest.raises(UsageError, match=r"archive must be s3://bucket/prefix, .* without keys") as error:
        load_profile(path, {})
    assert "Zq7x" not in str(error.value)


def test_settings_of_an_archive_without_one_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"{LOG}disk_mb: 5, archive_minutes: 1}}", encoding="utf-8")
    with pytest.raises(UsageError, match="archive_minutes, disk_mb must be left out without archive"):
        load_profile(path, {})
