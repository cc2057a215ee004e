"""A worker's log made of its settings."""

from __future__ import annotations

import gzip
from pathlib import Path

from recipeline.config.profile import Service as Settings
from recipeline.serving.logs.archiver import Archiver
from recipeline.serving.logs.background import BackgroundLog
from recipeline.serving.logs.opening import open_request_log
from recipeline.serving.prometheus import Metrics
from recipeline.serving.state import Service


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
