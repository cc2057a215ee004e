"""A disk that is full takes numbers from the metrics and nothing from the service."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from recipeline.serving.following.mapped_files import AllocatedFile, allocate
from recipeline.serving.following.polling import Board
from tests.conftest import ROOT
from tests.faults import in_fork

# Each child has a disk that takes so many bytes of a file.
WORKERS = """
import errno, os, sys
from pathlib import Path
from recipeline.serving.following import mapped_files
from recipeline.serving.prometheus import Metrics

def refuse(file, size):
    if size > limit:
        raise OSError(errno.ENOSPC, "No space left on device")
    os.posix_fallocate(file, 0, size)

folder = Path(sys.argv[1])
metrics = Metrics(folder)
metrics.rows.labels("parent").inc(7)
for limit in (0, 100_000):
    if not (pid := os.fork()):
        mapped_files.allocate = refuse
        names = [f"{number} of {limit} " + "x" * 200 for number in range(600)]
        for name in names:
            metrics.rows.labels(name).inc(3)
        metrics.in_flight.inc()
        assert {metrics.rows.labels(name)._value.get() for name in names} == {3.0}
        metrics.expose()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
text = metrics.expose().decode()
assert 'predicted_rows_total{version="parent"} 7.0' in text
assert '{version="1 of 100000 ' in text
assert '{version="1 of 0 ' not in text
"""


def test_metrics_that_the_disk_has_no_room_for_are_counted_in_memory_and_the_others_are_told(tmp_path: Path) -> None:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    words = [sys.executable, "-c", WORKERS, str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(path.stat().st_blocks * 512 >= path.stat().st_size for path in tmp_path.glob("*.db"))  # no page without room


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF])
def test_a_file_system_that_reserves_no_space_takes_metrics_and_board_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """The service would lose its metrics, and no worker could begin."""

    def refuse(*_: int) -> NoReturn:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with AllocatedFile(tmp_path / "file", "a+b") as file:
        assert file.truncate(100_000) == 100_000
    for _ in range(2):
        Board(tmp_path, 1).wake()
    assert Board(tmp_path, 1).wakes == 2
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == [b"\2" + bytes(15), bytes(100_000)]


@pytest.mark.parametrize("has_call", [True, False])
def test_a_file_has_its_space_its_content_and_an_error_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_call: bool
) -> None:
    if not has_call:
        monkeypatch.delattr(os, "posix_fallocate")  # as on macOS
    path = tmp_path / "file"
    path.write_bytes(b"abc")

    def work() -> None:
        with path.open("r+b") as file:
            for _ in range(2):
                allocate(file.fileno(), 200_000)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
            with pytest.raises(OSError, match="File too large"):
                allocate(file.fileno(), 300_000)

    assert in_fork(work) == 0
    assert path.read_bytes() == b"abc" + bytes(199_997)
    assert path.stat().st_blocks * 512 >= 200_000
