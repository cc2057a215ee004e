"""The prediction log of a worker, made of its parts."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from recipeline.data.origin.filesystems import open_filesystem
from recipeline.serving._compat import leave_s3_open
from recipeline.serving.http.predictions import as_lines
from recipeline.serving.logs.archiver import Archiver
from recipeline.serving.logs.background import BackgroundLog
from recipeline.serving.logs.files import RotatingFiles
from recipeline.serving.logs.rate import Quota, RowCounts
from recipeline.serving.shadow.pending import PatientLog
from recipeline.serving.state import Service


def open_request_log(service: Service, folder: Path, archive: str, meeting: Path) -> Archiver | None:
    """Give a service its log and its quota; return what moves its files.

    None: nothing does. `archive` is the place of finished files, "" for none; `meeting` the folder that the workers share.
    """
    wanted, metrics = service.settings.prediction_log, service.metrics
    assert wanted
    files = RotatingFiles(
        folder,
        max_bytes=wanted.max_mb * 2**20,
        keep_days=wanted.keep_days,
        is_archived=bool(archive),
        max_seconds=wanted.archive_minutes * 60 if archive else float("inf"),
    )
    dropped = metrics.dropped.labels("predictions").inc
    parts = files.write, as_lines, dropped
    log = service.prediction_log = PatientLog(*parts, service.shadow.give_up) if service.shadow else BackgroundLog(*parts)
    if wanted.rate:
        service.quota = Quota(wanted.rate, log.add, RowCounts(meeting), dropped, sample=wanted.sample)
    if not archive:
        return None
    leave_s3_open()
    # One attempt each: what fails is tried again by the archiver, which tells it.
    open_archive = partial(open_filesystem, archive, attempts=1)
    archiver = Archiver(
        files, archive, open_archive, metrics.archive, metrics.dropped.labels("archive").inc, disk_bytes=wanted.disk_mb * 2**20
    )
    archiver.start()
    return archiver
