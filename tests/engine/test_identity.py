"""The identity of a process: versions and digests of code."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from recipeline.engine.identity import differences, identify


def made(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def digest(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> str:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "path", [str(folder), *sys.path])
        identify.cache_clear()
        return identify((name,))[f"code of {name}"]


def test_the_same_code_in_another_folder_is_the_same_and_any_change_of_it_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"own_code/__init__.py": "", "own_code/a.py": "x = 1\n", "own_code/deep/b.py": "y = 2\n"}
    first = digest(made(tmp_path / "here", files), monkeypatch, "own_code")
    assert digest(made(tmp_path / "there", files), monkeypatch, "own_code") == first
    changes: list[dict[str, str]] = [{"own_code/deep/b.py": "y = 3\n"}, {"own_code/c.py": ""}]
    for number, change in enumerate(changes):
        assert digest(made(tmp_path / str(number), files | change), monkeypatch, "own_code") != first
    assert digest(tmp_path, monkeypatch, "own_code_that_is_nowhere") == "missing"


def test_a_module_of_one_file_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        digest(made(tmp_path / str(number), {"own_module.py": f"x = {number}\n"}), monkeypatch, "own_module")
        for number in (1, 2)
    ]
    assert found[0] != found[1]


def test_differences_are_named_and_an_error_in_its_place_is_said() -> None:
    assert differences({"a": "1", "b": "2"}, {"a": "1", "b": "3"}) == "b 3 instead of 2"
    assert differences({"a": "1"}, {}) == "a missing instead of 1"
    assert differences({"a": "1"}, ModuleNotFoundError("No module named 'recipeline'")) == "No module named 'recipeline'"
