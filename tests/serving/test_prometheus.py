from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from recipeline.serving.prometheus import OPENMETRICS, TEXT, Metrics, choose_kind
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
    """Return a worker's metrics, in a shared folder, after some predictions."""
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


#: What Prometheus 3 sends.
SCRAPER = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (SCRAPER, OPENMETRICS),
        ("application/openmetrics-text", OPENMETRICS),
        ("Application/OpenMetrics-Text; version=9.9", OPENMETRICS),
        ("application/openmetrics-text;q=0.1, text/plain", TEXT),
        ("application/openmetrics-text;q=0", TEXT),
        ("text/plain;version=0.0.4", TEXT),
        ("text/plain;version=abc", TEXT),
        ("application/json", TEXT),
        ("*/*", TEXT),
        ("", TEXT),
        (";;,=,q=", TEXT),
    ],
)
def test_the_format_is_one_that_is_asked_for(accept: str, kind: str) -> None:
    assert choose_kind(accept) == kind


def test_each_format_is_read_as_what_its_media_type_says() -> None:
    metrics = Metrics()
    metrics.rows.labels("3").inc(5)
    metrics.seconds.labels("/predict").observe(0.2)
    metrics.more = lambda: [GaugeMetricFamily("self_watch_rows", "Rows", value=7)]
    assert TEXT.startswith("text/plain; version=0.0.4")
    assert OPENMETRICS.startswith("application/openmetrics-text; version=1.0.0")
    found = [
        {sample.name: sample.value for family in read(metrics.expose(kind).decode()) for sample in family.samples}
        for read, kind in ((read_text, TEXT), (read_openmetrics, OPENMETRICS))
    ]
    for values in found:
        assert (values["predicted_rows_total"], values["self_watch_rows"]) == (5, 7)
        assert values["http_request_duration_seconds_count"] == 1
