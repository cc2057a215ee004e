"""A project's files are the template's; a comparison tells who changed which."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipeline.errors import UsageError
from recipeline.scaffolding.template import (
    RECORD,
    Difference,
    apply_differences,
    compare_project,
    read_record,
    read_template,
    write_project,
)
from tests.conftest import ROOT

FILES = {"recipe.yaml": b"name: a\n", "steps/split.py": b"a = 1\n", "scripts/step": b"#!/bin/sh\n"}


def made(folder: Path, files: dict[str, bytes] = FILES, template: dict[str, bytes] | None = None) -> Path:
    write_project(folder, files, files if template is None else template, library="the index")
    return folder


def states(found: list[Difference]) -> dict[str, str]:
    return {it.path: it.state for it in found}


def test_this_projects_own_files_are_the_templates() -> None:
    template = read_template()
    own = {
        path: (ROOT / path).read_bytes()
        for path in template
        if path not in ("README.md", ".gitignore", "tests/test_project.py")
    }
    assert {path: template[path] for path in own} == own
    tracked = subprocess.run(
        ["git", "ls-files", "steps", "custom", "profiles", "requirements"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(tracked.stdout.split()) <= set(own)
    assert {"MLproject", "Makefile", "conda.yaml", "python_env.yaml", "recipe.yaml", "requirements.txt"} <= set(own)
    assert "development.mk" not in template
    assert not any("__pycache__" in path or path.startswith(("recipeline/", ".venv")) for path in template)


def test_everything_that_git_ignores_in_a_new_project_is_what_the_product_writes() -> None:
    own = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    ignored = set(read_template()[".gitignore"].decode().splitlines())
    assert ignored <= set(own)
    assert ignored >= {".env", ".server/"}, "secrets"


def test_a_new_project_has_all_files_whose_scripts_run(tmp_path: Path) -> None:
    project = made(tmp_path / "with a space" / "and below")
    assert {path: (project / path).read_bytes() for path in FILES} == FILES
    assert os.access(project / "scripts/step", os.X_OK)
    assert not os.access(project / "recipe.yaml", os.X_OK)
    assert compare_project(project, FILES) == []
    assert [path.name for path in project.parent.iterdir()] == ["and below"]


def test_an_empty_folder_is_taken_and_another_one_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    made(tmp_path / "empty")
    for place in (tmp_path / "empty", tmp_path / "empty" / "recipe.yaml"):
        with pytest.raises(UsageError, match="must be empty or new"):
            made(place)
    assert (tmp_path / "empty" / "recipe.yaml").read_bytes() == FILES["recipe.yaml"]


def test_the_working_folder_is_filled_and_stays_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = tmp_path.stat().st_ino
    made(Path.cwd())
    assert Path("recipe.yaml").read_bytes() == FILES["recipe.yaml"]
    assert tmp_path.stat().st_ino == before
    assert {path.name for path in tmp_path.iterdir()} == {"recipe.yaml", "steps", "scripts", RECORD}


def test_a_project_that_cannot_be_written_whole_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[object] = []

    def fail(*arguments: object) -> None:
        written.append(arguments)
        if len(written) > 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("recipeline.scaffolding.template.shutil.move", fail)
    with pytest.raises(UsageError, match="No space left on device"):
        made(tmp_path / "project")
    assert list(tmp_path.iterdir()) == []


CONTENT = st.sampled_from([None, b"one", b"two", b"three"])


@settings(max_examples=200, deadline=None)
@given(written=CONTENT, old=CONTENT, mine=CONTENT, new=CONTENT)
def test_nothing_that_the_owner_wrote_or_that_was_made_out_for_them_is_safe_to_replace(
    written: bytes | None, old: bytes | None, mine: bytes | None, new: bytes | None
) -> None:
    def as_files(content: bytes | None) -> dict[str, bytes]:
        return {} if content is None else {"file": content}

    with tempfile.TemporaryDirectory() as name:
        folder = made(Path(name) / "project", as_files(written), as_files(old))
        (folder / "file").unlink(missing_ok=True)
        if mine is not None:
            (folder / "file").write_bytes(mine)
        found = compare_project(folder, as_files(new))
        if not found:
            is_known = any(content is not None for content in (written, old, new))  # else it is a file of the owner's alone
            assert not is_known or mine == new or (mine == written and (new == old or mine is None))
            return
        [it] = found
        assert (it.mine, it.theirs) == (mine, new)
        if it.is_safe:
            assert new is not None
            assert mine is None or mine == written == old
        apply_differences(folder, found, as_files(new), library="the index")
        kept = (folder / "file").read_bytes() if (folder / "file").is_file() else None
        assert kept == (new if it.is_safe else mine)
        again = compare_project(folder, as_files(new))
        assert states(again) == ({} if it.is_safe else {"file": it.state})


def test_a_comparison_says_who_changed_which_file(tmp_path: Path) -> None:
    project = made(tmp_path / "project", {**FILES, "old": b"1", "both": b"1", "mine": b"1"})
    (project / "both").write_bytes(b"2")
    (project / "mine").unlink()
    template = {**FILES, "recipe.yaml": b"name: b\n", "both": b"3", "mine": b"1", "more": b"1"}
    assert states(compare_project(project, template)) == {
        "both": "changed in both",
        "mine": "changed here",
        "more": "new",
        "old": "no longer in the template",
        "recipe.yaml": "changed in the template",
    }


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"files": 1}', '{"files": {"recipe.yaml": 1}}'])
def test_without_a_record_that_can_be_read_every_file_is_the_owners(tmp_path: Path, content: str) -> None:
    project = made(tmp_path / "project")
    (project / RECORD).write_text(content, encoding="utf-8")
    assert read_record(project) == {}
    assert states(compare_project(project, {**FILES, "recipe.yaml": b"other"})) == {"recipe.yaml": "changed in both"}
