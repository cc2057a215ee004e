from __future__ import annotations

import fcntl
import os
import signal
from pathlib import Path

import pytest

from recipeline.data.origin.unfinished import unfinished_folder
from tests.faults import in_fork


def killed(parent: Path, prefix: str) -> None:
    def work() -> None:
        with unfinished_folder(parent, prefix) as folder:
            (folder / "half").write_bytes(b"x")
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_fork(work) == signal.SIGKILL


def test_a_folder_is_gone_after_the_block_and_one_of_a_killed_command_with_the_next(tmp_path: Path) -> None:
    killed(tmp_path, ".backup-")
    killed(tmp_path, ".other-")
    (left,) = tmp_path.glob(".backup-*")
    others = {path for path in tmp_path.iterdir() if path != left}
    (tmp_path / ".backup-of mine").mkdir()  # by other means: it has no lock
    (tmp_path / ".backup-pipe").mkdir()
    os.mkfifo(tmp_path / ".backup-pipe/lock")  # nobody writes there
    with unfinished_folder(tmp_path, ".backup-") as first, unfinished_folder(tmp_path, ".backup-") as second:
        assert {*tmp_path.iterdir()} == {first, second, *others, tmp_path / ".backup-of mine"}
    assert {*tmp_path.iterdir()} == {*others, tmp_path / ".backup-of mine"}


def test_without_locks_no_folder_is_taken_for_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with unfinished_folder(tmp_path, "x") as first, unfinished_folder(tmp_path, "x"):
        assert first.is_dir()
    assert not [*tmp_path.iterdir()]
