from __future__ import annotations

import os
import resource
import tempfile
from pathlib import Path

import pytest

from recipeline.errors import UnavailableError
from recipeline.serving.following.meeting import begin_drain, drain_reader, open_meeting
from tests.faults import in_fork


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, this test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_folder_is_there_in_the_block_and_gone_after_it(temporary: Path) -> None:
    with open_meeting() as folder:
        assert list(temporary.iterdir()) == [folder]
    assert list(temporary.iterdir()) == []


def test_a_folder_of_a_service_that_lives_is_left_alone_and_one_that_was_killed_is_removed(temporary: Path) -> None:
    child = os.fork()
    if child == 0:
        meeting = open_meeting()
        meeting.__enter__()
        os._exit(0)  # as if it were killed: the folder stays, the lock does not
    os.waitpid(child, 0)
    (left,) = temporary.iterdir()
    with open_meeting() as first, open_meeting() as second:
        assert {*temporary.iterdir()} == {first, second}
    assert not left.exists()


def test_what_others_have_in_the_temporary_folder_is_left_alone(temporary: Path) -> None:
    others = temporary / "recipeline-service-of-another-kind"
    others.mkdir()
    (temporary / "elsewhere").mkdir()
    (temporary / "elsewhere/lock").touch()
    (temporary / "recipeline-service-link").symlink_to(temporary / "elsewhere")
    (temporary / "recipeline-service-pipe").mkdir()
    os.mkfifo(temporary / "recipeline-service-pipe/lock")  # nobody writes there: it would be waited for for ever
    with open_meeting():
        pass
    assert others.is_dir()
    assert (temporary / "elsewhere/lock").is_file()


def test_a_full_disk_is_one_sentence_and_leaves_no_folder(temporary: Path) -> None:
    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        with pytest.raises(UnavailableError, match="cannot write temporary files: File too large"), open_meeting():
            pass

    assert in_fork(work) == 0
    assert list(temporary.iterdir()) == []


def test_every_reader_sees_the_flag_as_soon_as_it_is_raised() -> None:
    with open_meeting() as folder:
        readers = [drain_reader(folder) for _ in range(2)]
        assert [is_draining() for is_draining in readers] == [False, False]
        begin_drain(folder)
        assert [is_draining() for is_draining in readers] == [True, True]
