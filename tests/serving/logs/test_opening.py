"""A worker's log made of its settings."""

from __future__ import annotations

import atexit
import gzip
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.util import Finalize, _exit_function
from pathlib import Path

import psutil
import pytest
import yaml
from pyarrow import fs

from recipeline.config.profile import Service as Settings
from recipeline.inference.model_info import Feature
from recipeline.monitoring.live.log_files import Archive, find_files
from recipeline.monitoring.live.prediction_log import PredictionLog
from recipeline.serving.logs.archiver import Archiver
from recipeline.serving.logs.background import BackgroundLog
from recipeline.serving.logs.opening import open_request_log
from recipeline.serving.prometheus import Metrics
from recipeline.serving.state import Service
from tests.conftest import Project
from tests.faults import in_fork
from tests.serving.helpers import Server


def opened(tmp_path: Path, archive: str = "", **wanted: object) -> tuple[Service, Archiver | None]:
    settings = Settings(prediction_log={"folder": "unused", **({"archive": archive} if archive else {}), **wanted})
    service = Service("M", settings, Metrics())
    (tmp_path / "meeting").mkdir()
    return service, open_request_log(service, tmp_path / "log", archive, tmp_path / "meeting")


def test_without_an_archive_nothing_moves_files(tmp_path: Path) -> None:
    service, archiver = opened(tmp_path)
    assert archiver is None
    assert service.quota is None
    assert isinstance(service.prediction_log, BackgroundLog)
    service.prediction_log.close()


def test_with_an_archive_and_a_rate_lines_go_through_all_parts_in_the_order_of_the_end(tmp_path: Path) -> None:
    service, archiver = opened(tmp_path, archive=str(tmp_path / "store"), rate=1000, keep_days=1e-9)
    quota, log = service.quota, service.prediction_log
    assert quota
    assert log
    assert archiver
    second = quota.count(0.5, 1)
    assert second is not None
    quota.hold(second, 0.5, b'{"n":1}\n', 1)
    for part in (quota, log, archiver):
        part.close()
    (path,) = (tmp_path / "store").rglob("*.jsonl.gz")
    assert gzip.decompress(path.read_bytes()) == b'{"n":1}\n'
    assert not list((tmp_path / "log").glob("predictions-*"))


class HangsAtHead(BaseHTTPRequestHandler):
    """An object store that takes objects and does not answer when asked."""

    protocol_version = "HTTP/1.1"
    asked = threading.Event()

    def do_PUT(self) -> None:
        while size := int(self.rfile.readline(), 16):  # it comes in chunks
            self.rfile.read(size + 2)
        self.rfile.readline()
        self.send_response(200)
        self.send_header("ETag", '"x"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_HEAD(self) -> None:
        self.asked.set()
        time.sleep(60)


def test_a_store_that_hangs_delays_the_end_of_a_worker_no_longer_than_its_log_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.13 ends a worker by `atexit`, the youngest function first.

    pyarrow's comes before that which closes the log.
    """
    monkeypatch.setattr("recipeline.serving.logs.archiver._END_SECONDS", 0.5)

    def work() -> None:
        server = ThreadingHTTPServer(("127.0.0.1", 0), HangsAtHead)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"}
        os.environ.update(environment | dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "key"))
        atexit._clear()
        atexit.register(_exit_function)
        atexit.register(fs.ensure_s3_finalized)  # as its first import in this process would
        service, archiver = opened(tmp_path, archive="s3://bucket/log", archive_minutes=0.001)
        assert archiver
        assert service.prediction_log
        Finalize(None, archiver.close, exitpriority=0)
        service.prediction_log.add(b'{"n":1}\n')
        service.prediction_log.close()
        assert HangsAtHead.asked.wait(20)
        began = time.monotonic()
        atexit._run_exitfuncs()
        assert time.monotonic() - began < 10  # its client would wait for 20 s

    assert in_fork(work) == 0


@pytest.mark.full
def test_a_service_whose_processes_are_all_killed_archives_the_rest_at_its_next_start(
    copied: Project, row: dict[str, float], tmp_path: Path
) -> None:
    content = yaml.safe_load(copied.profile_path.read_text(encoding="utf-8"))
    folder, store = tmp_path / "log", tmp_path / "store"
    log = {"folder": str(folder), "archive": str(store), "max_mb": 0.01, "archive_minutes": 0.02, "rate": 5000}
    content["service"] |= {"drain_seconds": 0, "prediction_log": log}
    copied.profile_path.write_text(yaml.safe_dump(content), encoding="utf-8")
    asked = list[str]()

    def ask(server: Server, count: int) -> None:
        for _ in range(count):
            asked.append(f"r{len(asked)}")
            assert server.predict([row, row], **{"X-Request-ID": asked[-1]}).status_code == 200

    def read() -> Counter[str]:
        files = find_files(folder, Archive(fs.LocalFileSystem(), str(store)), 0, time.time())
        live = PredictionLog(files, [Feature("alcohol")], "1")
        found = Counter(entry["request_id"] for _, entries in live._read() for entry in entries)
        assert (live.repeated, live.left_out) == (0, 0)
        return found

    for kills in (True, True, False):
        server = Server(copied)
        try:
            server.wait()
            ask(server, 60)
            wait_for(lambda: read() == dict.fromkeys(asked, 2), 20)
            if kills:
                for process in [*psutil.Process(server.process.pid).children(recursive=True), server.process]:
                    process.kill()
        finally:
            server.end()
        assert read() == dict.fromkeys(asked, 2)
    assert not [path for path in folder.iterdir() if path.name.startswith("predictions-")]


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
