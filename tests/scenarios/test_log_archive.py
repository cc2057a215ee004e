"""The prediction log in an S3 store: kills, outages, two services at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from recipeline.data.origin.filesystems import open_filesystem
from recipeline.hosting import object_store
from recipeline.hosting.state import ServerFolder
from recipeline.monitoring.live.log_files import Archive, find_files
from recipeline.monitoring.live.prediction_log import PredictionLog
from tests.conftest import ROOT
from tests.monitoring.helpers import FEATURES

pytestmark = pytest.mark.full

PLACE = f"s3://{object_store.BUCKET}/logs/wine"

#: A worker that writes numbered lines, of a size of their own, and moves them; it says when it has written them.
WORKER = """
import json, os, sys, time
from functools import partial
from pathlib import Path
from prometheus_client import CollectorRegistry
from recipeline.data.origin.filesystems import open_filesystem
from recipeline.monitoring.live.log_format import STAMP
from recipeline.serving.logs.archiver import Archiver
from recipeline.serving.logs.files import RotatingFiles
from recipeline.serving.prometheus import ArchiveMetrics

folder, place, name, lines, size, max_mb = sys.argv[1:]
files = RotatingFiles(Path(folder), max_bytes=float(max_mb) * 2**20)
metrics = ArchiveMetrics(CollectorRegistry())
archiver = Archiver(files, place, partial(open_filesystem, place, attempts=1), metrics, print, pause_seconds=0.05)
for number in range(int(lines)):
    line = {"time": time.time(), "request_id": f"{name}-{number}", "version": "2", "row": 0, "prediction": 5.5,
            "features": {"alcohol": number, "pH": 3.3}, "others": {"more": os.urandom(int(size) // 2).hex()}}
    files.write(STAMP + json.dumps(line, separators=(",", ":")).encode()[1:] + b"\\n")
archiver.start()
print("written", flush=True)
sys.stdin.read()
archiver.close()
print(json.dumps({"failures": metrics.failures._value.get()}), flush=True)
"""


class Endpoint:
    """An S3 endpoint that is started and stopped, at the same address."""

    def __init__(self, folder: ServerFolder) -> None:
        self.folder = folder
        folder.make()
        self.ports, self.keys = folder.ports(), folder.secrets()

    def start(self) -> None:
        process = object_store.start(self.folder, self.ports, self.keys)
        object_store.wait(self.folder, process, self.ports["s3"], self.keys)

    def stop(self) -> None:
        object_store.stop(self.folder)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    made = Endpoint(ServerFolder(tmp_path_factory.mktemp("store") / ".server"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def environment(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    found = object_store.client_environment(endpoint.ports["s3"], endpoint.keys)
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return {**os.environ, **found}


def work(
    folder: Path, name: str, lines: int, environment: dict[str, str], *, size: int = 100, max_mb: float = 0.01
) -> subprocess.Popen[str]:
    given = str(folder), f"{PLACE}/{folder.parent.name}", name, str(lines), str(size), str(max_mb)
    command = [sys.executable, "-c", WORKER, *given]
    worker = subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert worker.stdout
    assert worker.stdout.readline() == "written\n"
    return worker


def end(worker: subprocess.Popen[str]) -> int:
    """End a worker; return the number of its failures."""
    out, _ = worker.communicate("", timeout=60)
    return int(json.loads(out.splitlines()[-1])["failures"])


def read(folder: Path) -> tuple[Counter[str], PredictionLog]:
    """Return how often each request is read, and the log."""
    filesystem, path = open_filesystem(f"{PLACE}/{folder.parent.name}")
    live = PredictionLog(find_files(folder, Archive(filesystem, path), 0, time.time()), FEATURES, "2")
    found = Counter(entry["request_id"] for _, entries in live._read() for entry in entries)
    assert (live.repeated, live.left_out) == (0, 0)
    return found, live


def local(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith("predictions-")]


def wait_until_moved(folder: Path, *, but: int) -> None:
    """Wait until all files but so many, which are written to, are in the archive."""
    deadline = time.monotonic() + 60
    while len(local(folder)) > but:
        assert time.monotonic() < deadline, local(folder)
        time.sleep(0.1)


def test_uploads_that_are_killed_are_done_again_and_every_line_is_read_once(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    folder, names = tmp_path / "log", []
    for number, moment in enumerate((0.0, 0.1, 0.3, 0.6)):
        worker = work(folder, f"k{number}", 40, environment, size=500_000, max_mb=15)
        names += [f"k{number}-{line}" for line in range(40)]
        time.sleep(moment)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        assert local(folder)
        assert read(folder)[0] == Counter(names)
    last = work(folder, "last", 1, environment)
    wait_until_moved(folder, but=1)
    end(last)
    assert local(folder) == []
    assert read(folder)[0] == Counter([*names, "last-0"])


def test_an_endpoint_that_is_away_for_a_while_gets_everything_when_it_is_back(
    tmp_path: Path, environment: dict[str, str], endpoint: Endpoint
) -> None:
    folder = tmp_path / "log"
    endpoint.stop()
    worker = work(folder, "a", 300, environment)
    time.sleep(1)
    assert len(local(folder)) > 3
    endpoint.start()
    wait_until_moved(folder, but=1)
    assert end(worker) >= 3
    assert local(folder) == []
    assert read(folder)[0] == Counter(f"a-{line}" for line in range(300))


def test_two_services_archive_into_one_prefix_and_one_folder(tmp_path: Path, environment: dict[str, str]) -> None:
    folder = tmp_path / "log"
    workers = [work(folder, name, 300, environment) for name in ("a", "b")]
    assert [end(worker) for worker in workers] == [0, 0]
    assert local(folder) == []
    assert read(folder)[0] == Counter(f"{name}-{line}" for name in "ab" for line in range(300))


def test_a_wrong_key_is_told_without_it_and_the_files_stay(tmp_path: Path, environment: dict[str, str]) -> None:
    folder = tmp_path / "log"
    worker = work(folder, "a", 5, {**environment, "AWS_SECRET_ACCESS_KEY": "Zq7xZq7xZq7x"})
    time.sleep(1)
    assert end(worker) > 0
    assert len(local(folder)) >= 1
