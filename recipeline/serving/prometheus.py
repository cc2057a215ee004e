"""Prometheus metrics, summed over workers.

Each worker writes its values to files of one folder, and each can read all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from recipeline.serving.following.mapped_files import allocate_metrics

TEXT, OPENMETRICS = CONTENT_TYPE_PLAIN_0_0_4, openmetrics.CONTENT_TYPE_LATEST

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The service's metrics.

    `folder` is shared by the workers of one service; None for a single process.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        if folder is not None:
            allocate_metrics()
        self._registry = registry = CollectorRegistry()
        self.requests = Counter("http_requests", "Requests answered", ["path", "status"], registry=registry)
        self.seconds = Histogram(
            "http_request_duration_seconds", "Time to answer", ["path"], buckets=_SECONDS, registry=registry
        )
        self.in_flight = Gauge("http_requests_in_flight", "Requests at work", multiprocess_mode="livesum", registry=registry)
        self.rows = Counter("predicted_rows", "Rows predicted", ["version"], registry=registry)
        self.outside = Counter(
            "rows_out_of_training_range", "Values outside of the training range", ["feature"], registry=registry
        )
        self.model = Gauge(
            "served_model_version", "The version served", ["model"], multiprocess_mode="livemostrecent", registry=registry
        )
        self.swaps = Counter("model_swaps", "Versions taken into service", registry=registry)
        self.refused = Counter("model_refused", "Versions in Production that were refused", registry=registry)
        self.stale = Gauge(
            "model_stale",
            "1 if Production has another version",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.registry_away = Gauge(
            "registry_away", "1 if the registry does not answer", multiprocess_mode="livemax", registry=registry
        )
        self.registry_errors = Counter("registry_errors", "Failed requests to the registry", registry=registry)
        self.dropped = Counter("log_lines_dropped", "Log lines lost: full queue or failed write", ["log"], registry=registry)
        self.shadow, self.archive = ShadowMetrics(registry), ArchiveMetrics(registry)
        #: Yields what is not counted here; it is asked when the metrics are.
        self.more: Callable[[], Iterable[Metric]] = tuple

    def expose(self, kind: str = TEXT) -> bytes:
        """Return the metrics of all workers, as TEXT or as OPENMETRICS."""
        encode = openmetrics.generate_latest if kind == OPENMETRICS else generate_latest
        found: bytes = encode(_Joined([*self._collect(), *self.more()]))
        return found

    def _collect(self) -> Iterable[Metric]:
        if self._folder is None:
            return self._registry.collect()
        for file in self._folder.glob("gauge_live*_*.db"):
            pid = int(file.stem.rpartition("_")[2])
            if not _is_alive(pid):
                mark_process_dead(pid, str(self._folder))  # type: ignore[no-untyped-call]
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._folder))  # type: ignore[no-untyped-call]
        return registry.collect()


def choose_kind(accept: str) -> str:
    """Return OPENMETRICS where an Accept header prefers it or is neutral, else TEXT."""
    best_last = reversed(parse_accept_header(accept, MIMEAccept))
    wanted = {value.partition(";")[0].lower(): quality for value, quality in best_last}
    text, other = (wanted.get(kind.partition(";")[0], 0) for kind in (TEXT, OPENMETRICS))
    return OPENMETRICS if other > 0 and other >= text else TEXT


class ShadowMetrics:
    """The metrics of the challenger that predicts beside the champion."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.rows = Counter(
            "shadow_rows",
            "Rows for the challenger: predicted, or dropped, refused or failed",
            ["version", "outcome"],
            registry=registry,
        )
        self.absolute = Counter(
            "shadow_absolute_difference",
            "Sum of the absolute differences of the challenger's predictions; of labels, half the sum over probabilities",
            ["version"],
            registry=registry,
        )
        self.difference = Gauge(
            "shadow_difference_sum",
            "Sum of challenger minus champion, of the number or of a label's probability",
            ["version", "of"],
            multiprocess_mode="sum",
            registry=registry,
        )
        self.agreed = Counter("shadow_agreed_rows", "Rows with the same decided label", ["version"], registry=registry)
        self.seconds = Histogram(
            "shadow_duration_seconds", "Time of the challenger for some rows", buckets=_SECONDS, registry=registry
        )
        self.model = Gauge(
            "shadow_model_version",
            "The challenger that predicts; 0: none",
            ["model"],
            multiprocess_mode="livemostrecent",
            registry=registry,
        )
        self.refused = Counter("shadow_model_refused", "Challengers that were refused", registry=registry)


class ArchiveMetrics:
    """The metrics of the archive of the prediction log."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.files = Counter("log_files_archived", "Files of the prediction log moved to the archive", registry=registry)
        self.failures = Counter("log_archive_failures", "Failed attempts to move a file to the archive", registry=registry)
        self.waiting = Gauge(
            "log_archive_waiting_bytes",
            "Bytes of the prediction log on this disk",
            multiprocess_mode="livemax",
            registry=registry,
        )


class _Joined(Collector):
    """A registry of existing metrics."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        """Return the metrics."""
        return self._metrics


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
