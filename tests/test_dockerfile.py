"""The Dockerfile, read: its parts are pinned, and its files exist.

tests/scenarios/test_image.py builds it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from recipeline.orchestration.commit import COMMIT
from tests.conftest import ROOT
from tests.containers import BASE

HADOLINT = Path(sys.executable).parent / "hadolint"
DOCKERFILE = ROOT / "Dockerfile"
TEXT = DOCKERFILE.read_text(encoding="utf-8")
IGNORED = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()


def lint(path: Path) -> subprocess.CompletedProcess[str]:
    words = [HADOLINT, "--no-color", "--failure-threshold", "style", path]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=path.parent)


def test_hadolint_finds_nothing() -> None:
    done = lint(DOCKERFILE)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("line", ["RUN pip install flask", "RUN cd /tmp && sudo ls", "ENTRYPOINT python -m steps.main"])
def test_hadolint_would_find_a_fault(tmp_path: Path, line: str) -> None:
    (tmp_path / "Dockerfile").write_text(f"{TEXT}\n{line}\n")
    assert lint(tmp_path / "Dockerfile").returncode != 0


def test_the_base_is_one_version_of_python_on_one_release_of_debian_and_every_stage_is_on_it() -> None:
    """Packages of the next Debian come with a change of this line."""
    assert re.findall(r"^ARG BASE=(.*)$", TEXT, re.MULTILINE) == [BASE]
    assert re.fullmatch(r"docker\.io/library/python:3\.1[123]-slim-\w+", BASE)
    assert {*re.findall(r"^FROM (\S+)", TEXT, re.MULTILINE)} == {"${BASE}", "runtime"}


def test_packages_come_from_the_lock_with_hashes_and_extras_are_ones_that_are_locked() -> None:
    (command,) = re.findall(r"pip install .*(?:\\\n.*)*?;", TEXT)
    assert {"--require-hashes", "--only-binary", "requirements.txt"} <= {*command.replace(";", "").split()}
    (extras,) = re.findall(r'^ARG EXTRAS="(.*)"$', TEXT, re.MULTILINE)
    assert {f"{name}.txt" for name in extras.split()} <= {path.name for path in (ROOT / "requirements").iterdir()}


def test_only_named_files_reach_an_image_and_all_of_them_exist() -> None:
    names = [line for line in IGNORED if line and not line.startswith("#")]
    assert names[0] == "*"
    assert names[-1] == "**/__pycache__"
    copied = {name.removeprefix("!") for name in names[1:-1]} - {"wheels"}  # those are in a project of its own
    assert all(name.startswith("!") for name in names[1:-1])
    assert all((ROOT / name).exists() for name in copied)
    assert {
        "MLproject",
        "recipe.yaml",
        "profiles",
        "steps",
        "custom",
        "recipeline",
        "requirements.txt",
        "requirements",
    } <= copied
    tracked = subprocess.run(["git", "ls-files", "--", *copied], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split("/")[0] for line in tracked.splitlines()} == copied


def test_the_environment_of_the_image_is_one_that_the_code_reads() -> None:
    from recipeline.cli.environment import CACHE, PROJECT

    for name in (COMMIT, CACHE, PROJECT):
        assert f"    {name}=" in TEXT
    assert {*re.findall(r"(RECIPELINE_\w+)=", TEXT)} == {COMMIT, CACHE, PROJECT}


def test_nothing_secret_is_an_argument_or_a_variable() -> None:
    names = re.findall(r"^(?:ARG|ENV)? *(\w+)=", TEXT, re.MULTILINE)
    assert names
    assert [name for name in names if re.search("(?i)token|secret|password|key", name)] == []


def test_the_page_has_every_argument_and_target() -> None:
    page = (ROOT / "docs/containers.md").read_text(encoding="utf-8")
    for name in {*re.findall(r"^ARG (\w+)=", TEXT, re.MULTILINE)}:
        assert f"`{name}`" in page, name
    for target in ("chain", "service"):
        assert f"--target {target}" in page
    for name in re.findall(r"\]\(([^)#]+)\)", page):
        assert (ROOT / "docs" / name).exists(), name
