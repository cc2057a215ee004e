from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.data.origin.paths import local_path, local_paths, split_uri
from recipeline.errors import DataError, missing_file


def find(data: str, folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in local_paths(data, folder, missing_file) or []]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "jan.csv",
        "feb.csv",
        "a,b.csv",
        "x[1].csv",
        "x1.csv",
        "rows/a.csv",
        "rows/more/b.csv",
        "rows/_c.csv",
        "rows/.d.csv",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("data", "files"),
    [
        ("jan.csv", ["jan.csv"]),
        ("jan.csv,feb.csv", ["jan.csv", "feb.csv"]),
        ("jan.csv, feb.csv, jan.csv,", ["jan.csv", "feb.csv"]),
        ("a,b.csv", ["a,b.csv"]),
        ("x[1].csv", ["x[1].csv"]),
        ("x[12].csv", ["x1.csv"]),
        ("rows/*.csv", ["rows/a.csv"]),
        ("rows/**/*.csv", ["rows/a.csv", "rows/more/b.csv"]),
        ("rows", ["rows"]),
        ("rows/more,?an.csv", ["rows/more", "jan.csv"]),
    ],
)
def test_a_parameter_means_what_exists_or_a_list_or_a_pattern(folder: Path, data: str, files: list[str]) -> None:
    assert find(data, folder) == files


@pytest.mark.parametrize(
    "data", ["no.csv", "jan.csv,no.csv", "no*.csv", "rows/_*.csv", "x" * 300, "", ",", "file:/no.csv", "[", "\0"]
)
def test_what_is_not_there_is_refused(folder: Path, data: str) -> None:
    if data == "":
        assert find(data, folder) == ["."]
        return
    with pytest.raises(DataError, match="which does not exist"):
        find(data, folder)


def test_a_uri_is_never_taken_apart(tmp_path: Path) -> None:
    for uri in ("s3://bucket/a,b.csv", "https://host.example/*.csv,b"):
        assert local_paths(uri, tmp_path, missing_file) is None
        assert local_path(uri, tmp_path) is None


@given(st.text("shtp3:/[]@?#.%a1 ", max_size=30))
def test_any_text_is_split_and_a_uri_that_python_reads_as_python_does(text: str) -> None:
    found = split_uri(text)
    try:
        assert found == urlsplit(text)
    except ValueError:
        assert found.scheme == text.partition(":")[0].lower()
        assert found.netloc == ""
