"""Batch prediction into a folder: parts, shards, a manifest that resumes."""

from __future__ import annotations

import filecmp
import json
from pathlib import Path

import pandas as pd
import pytest

from recipeline.data.reading import csv_files, formats, ranges
from tests.conftest import NAME, Project
from tests.scenarios.test_bad_input import csv, expect


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def source(tmp_path: Path, wines: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of several ranges."""
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 1000)
    monkeypatch.setattr(formats, "START_BYTES", 500)
    monkeypatch.setattr(ranges, "LEAST_PIECES", 4)
    path = tmp_path / "wines.csv"
    wines.to_csv(path, sep=";", index=False)
    return path


def test_shards_of_a_file_are_the_folder_of_one_go_and_a_second_run_does_the_rest(
    trained: Project, source: Path, tmp_path: Path
) -> None:
    one, many, plain = tmp_path / "one", tmp_path / "many", tmp_path / "plain.csv"
    said = trained.ok("predict", input=str(source), output=f"{one}/").stdout
    assert "parts are done." in said
    for number in (2, 3, 1):
        said = trained.ok("predict", input=str(source), output=f"{many}/", shard=f"{number}/3").stdout
        print(said)
    assert contents(one) == contents(many)
    trained.ok("predict", input=str(source), output=str(plain))
    names = sorted(name for name in contents(one) if name.endswith(".csv"))
    assert len(names) > 3
    header = (one / names[0]).read_bytes().split(b"\n")[0] + b"\n"
    assert header + b"".join((one / name).read_bytes().removeprefix(header) for name in names) == plain.read_bytes()
    print(json.loads((one / "_manifest/folder.json").read_bytes()))
