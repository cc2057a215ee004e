"""The tutorial runs as typed, in a copy, and prints what it shows."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from recipeline import Project
from tests.conftest import ROOT
from tests.scenarios.test_readme import copy_project, environment, lend_environment, write_script
from tests.snippets import Block, blocks_of

BLOCKS = blocks_of(ROOT / "docs/tutorial.md")
SERVER = "make serve\n"


def joined(recipe: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe with the keys of a fragment that the tutorial shows."""
    both = {key: joined(recipe[key], value) for key, value in change.items() if isinstance(recipe.get(key), dict)}
    return {**recipe, **change, **both}


def with_library(folder: Path) -> None:
    """Lend a project an environment that finds the library, as the lock's does.

    It has what the locks say already, and its python runs no pip: that would install into the environment of this suite.
    """
    lend_environment(folder)
    for lock in (folder / "requirements").glob("*.txt"):
        shutil.copy(lock, folder / f".venv/.installed-{lock.name}")
    no_pip = 'if [ "$1 $2" = "-m pip" ]; then echo "no pip in a lent environment" >&2; exit 9; fi'
    python = shlex.quote(sys.executable)
    for name, module in (("python", ""), ("recipeline", "-m recipeline ")):
        path = folder / ".venv/bin" / name
        write_script(path, no_pip, f"export PYTHONPATH={shlex.quote(str(ROOT))}", f'exec {python} {module}"$@"')


def type_in(block: Block, folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def missing(shown: str, output: str) -> list[str]:
    """Return the lines that are shown and not printed; … is anything."""
    patterns = {line: re.escape(line.strip()).replace("…", ".*") for line in shown.splitlines()}
    printed = [line.strip() for line in output.splitlines()]
    return [line for line, pattern in patterns.items() if not any(re.fullmatch(pattern, it) for it in printed)]


@pytest.mark.full
@pytest.mark.xdist_group("tutorial")
def test_the_tutorial_runs_as_typed_and_prints_what_it_shows(tmp_path: Path) -> None:
    folder, output = copy_project(tmp_path), ""
    with_library(folder)
    for block in BLOCKS:
        if block.language == "text":
            assert missing(block.text, output) == []
        elif block.language == "yaml":
            recipe = folder / "recipe.yaml"
            content = joined(yaml.safe_load(recipe.read_text(encoding="utf-8")), yaml.safe_load(block.text))
            recipe.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        elif block.text != SERVER:
            output = type_in(block, folder)
            if "cd ../patients" in block.text:
                folder = folder.parent / "patients"
                with_library(folder)
    production = Project(folder).production
    assert (production.version, production.candidate) == ("1", "LinearRegression")


def test_a_lent_environment_runs_no_pip(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    (folder / "requirements").mkdir(parents=True)
    for name in ("requirements.txt", "requirements/test.txt"):
        (folder / name).write_text("pytest==9.1\n", encoding="utf-8")
    with_library(folder)
    done = subprocess.run([folder / ".venv/bin/python", "-m", "pip", "install", "x"], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (9, b"no pip in a lent environment\n")
    assert (folder / ".venv/.installed-test.txt").read_text(encoding="utf-8") == "pytest==9.1\n"


def test_every_kind_of_block_is_typed_or_compared() -> None:
    assert {block.language for block in BLOCKS} == {"sh", "text", "yaml"}
    assert sum(block.text == SERVER for block in BLOCKS) == 1


def test_a_line_that_is_not_printed_is_found() -> None:
    assert missing("Made it from … today\nR2 0.5\n", "x\n  Made it from here today\nR2 0.6\n") == ["R2 0.5"]
