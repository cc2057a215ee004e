from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from prometheus_client.metrics_core import GaugeMetricFamily

from recipeline.serving.prometheus import Metrics
from tests.conftest import ROOT

WORKER = """
from pathlib import Path
from recipeline.serving.prometheus import Metrics
metrics = Metrics(Path({folder!r}))
metrics.rows.labels("1").inc({rows})
metrics.in_flight.inc()
print(metrics.expose().decode())
"""


def work(folder: Path, rows: int) -> str:
    """Return what a worker with a folder that it shares tells after it has predicted some rows."""
    code, environment = WORKER.format(folder=str(folder), rows=rows), {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_what_is_counted_is_told_in_prometheus_own_words() -> None:
    metrics = Metrics()
    metrics.rows.labels("3").inc(5)
    metrics.model.labels("Toy").set(3)
    text = metrics.expose().decode()
    assert 'predicted_rows_total{version="3"} 5.0' in text
    assert 'served_model_version{model="Toy"} 3.0' in text


def test_what_is_not_counted_here_is_asked_for_when_the_metrics_are() -> None:
    metrics, rows = Metrics(), [0]
    metrics.more = lambda: [GaugeMetricFamily("self_watch_rows", "Rows", value=rows[0])]
    rows[0] = 7
    assert b"self_watch_rows 7.0" in metrics.expose()


def test_two_services_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.swaps.inc()
    assert b"model_swaps_total 1.0" in one.expose()
    assert b"model_swaps_total 0.0" in other.expose()


def test_rows_of_workers_that_ended_count_and_their_requests_at_work_do_not(tmp_path: Path) -> None:
    assert 'predicted_rows_total{version="1"} 3.0' in work(tmp_path, 3)
    text = work(tmp_path, 4)
    assert 'predicted_rows_total{version="1"} 7.0' in text
    assert "http_requests_in_flight 1.0" in text
