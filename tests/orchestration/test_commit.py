from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from recipeline.orchestration.commit import COMMIT, describe_commit


def git(root: Path, *arguments: str) -> str:
    words = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false", *arguments]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "a.txt").write_text("a", encoding="utf-8")
    git(tmp_path, "add", "a.txt")
    git(tmp_path, "commit", "-q", "-m", "a")
    return tmp_path


def test_a_clean_checkout_is_described_by_its_commit(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    assert len(commit) == 40
    assert describe_commit(checkout) == {"git_commit": commit, "git_dirty": "false"}


def test_a_changed_tracked_file_makes_a_checkout_dirty(checkout: Path) -> None:
    (checkout / "a.txt").write_text("b", encoding="utf-8")
    assert describe_commit(checkout)["git_dirty"] == "true"


def test_a_file_that_is_not_tracked_does_not(checkout: Path) -> None:
    (checkout / "mlflow.db").write_text("b", encoding="utf-8")
    assert describe_commit(checkout)["git_dirty"] == "false"


def test_outside_of_a_checkout_the_commit_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert describe_commit(tmp_path) == {"git_commit": "unknown", "git_dirty": "unknown"}


def test_a_checkout_without_a_commit_is_unknown(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert describe_commit(tmp_path)["git_commit"] == "unknown"


def test_without_git_the_commit_is_unknown(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert describe_commit(checkout) == {"git_commit": "unknown", "git_dirty": "unknown"}


def test_without_a_checkout_the_commit_is_the_one_that_the_image_was_built_from(
    tmp_path: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(COMMIT, "0123456")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert describe_commit(tmp_path / "elsewhere") == {"git_commit": "0123456", "git_dirty": "unknown"}
    assert describe_commit(checkout)["git_commit"] == git(checkout, "rev-parse", "HEAD")
