from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from recipeline.cli import environment
from tests.conftest import ROOT

#: Prints the folder in which its command was typed.
ASK = "from recipeline.cli.environment import _typed_in; print(_typed_in(), end='')"


def typed(tmp_path: Path, *words: str) -> str:
    """Return what ASK prints in the folder `project` below a process that was typed with `words` in another."""
    here, project = tmp_path / "user's folder", tmp_path / "project"
    here.mkdir()
    project.mkdir()
    script = tmp_path / "start.py"
    start = f"subprocess.run([sys.executable, '-c', {ASK!r}], cwd={str(project)!r}, check=True)"
    script.write_text(f"import subprocess, sys\n{start}\n", encoding="utf-8")
    (tmp_path / "mlflow").symlink_to(script)
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_RUN_ID": "0123"}
    command = [sys.executable, *(str(tmp_path / word) if word in ("mlflow", "start.py") else word for word in words)]
    done = subprocess.run(command, cwd=here, env=variables, capture_output=True, text=True, check=True)
    return done.stdout


def test_the_folder_is_the_one_that_mlflow_run_was_typed_in(tmp_path: Path) -> None:
    assert typed(tmp_path, "mlflow", "run", ".", "-e", "main") == str(tmp_path / "user's folder")


@pytest.mark.parametrize("words", [("mlflow", "server"), ("start.py", "run")])
def test_below_another_command_it_is_the_working_folder(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert typed(tmp_path, *words) == str(tmp_path / "project")


def test_without_a_run_of_mlflow_no_process_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "Process", lambda: pytest.fail("a process was asked"))
    assert environment._typed_in() == Path.cwd()


class Parent:
    """A process that is asked."""

    def __init__(self, words: list[str] | psutil.Error, folder: str | psutil.Error = "/") -> None:
        self._words, self._folder = words, folder

    def cmdline(self) -> list[str]:
        if isinstance(self._words, psutil.Error):
            raise self._words
        return self._words

    def cwd(self) -> str:
        if isinstance(self._folder, psutil.Error):
            raise self._folder
        return self._folder


RUN = ["python", "/bin/mlflow", "run", "."]


@pytest.mark.parametrize(
    ("parents", "found"),
    [
        ([Parent(psutil.AccessDenied(2)), Parent(RUN)], "/"),
        ([Parent(RUN, psutil.AccessDenied(2))], "here"),
        ([Parent(psutil.NoSuchProcess(2))], "here"),
        ([Parent(psutil.ZombieProcess(2))], "here"),
        ([Parent(RUN, "/a folder that is gone")], "here"),
        ([], "here"),
    ],
    ids=["a hidden one between", "its folder is hidden", "gone", "dead", "its folder is gone", "none"],
)
def test_where_the_process_cannot_be_seen_it_is_the_working_folder(
    parents: list[Parent], found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0123")
    monkeypatch.setattr(psutil.Process, "parents", lambda _: parents)
    assert environment._typed_in() == (Path.cwd() if found == "here" else Path(found))
