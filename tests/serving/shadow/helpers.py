"""Challengers of every kind, and a service with one of them in shadow."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from recipeline.serving.http.predictions import as_lines
from recipeline.serving.logs.files import RotatingFiles
from recipeline.serving.model.loading import ServedModel
from recipeline.serving.shadow.answering import Shadow
from recipeline.serving.shadow.pending import PatientLog

Predict = Callable[[np.ndarray], np.ndarray]


def challenger(model: ServedModel, predict: Predict | None = None, **changes: Any) -> ServedModel:
    """Return another version of a model, by default half a unit higher."""
    first = model.predict
    return replace(model, version="9", predict=predict or (lambda values: first(values) + 0.5), **changes)


def begin_shadow(client: Any, other: ServedModel | None, folder: Path | None = None, **settings: Any) -> Shadow:
    """Put a challenger into shadow; with a `folder` the service has a log there."""
    service = client.service
    service.settings = service.settings.model_copy(update={"shadow": "challenger", **settings})
    service.shadow = Shadow(service.model_name, service.settings, service.metrics.shadow)
    if other:
        service.shadow.serve(other)
    if folder:
        files = RotatingFiles(folder, max_bytes=1e8, keep_days=1)
        service.prediction_log = PatientLog(files.write, as_lines, lambda _: None, service.shadow.give_up)
    found: Shadow = service.shadow
    return found


def rows_by_outcome(client: Any) -> dict[str, float]:
    """Return the counts of `shadow_rows_total` by outcome."""
    lines = client.service.metrics.expose().decode().splitlines()
    found = [line for line in lines if line.startswith("shadow_rows_total{")]
    return {line.partition('outcome="')[2].partition('"')[0]: float(line.split()[-1]) for line in found}


def metric(client: Any, name: str) -> float:
    """Return the value of the first metric whose line begins with a name."""
    lines = client.service.metrics.expose().decode().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(name))


def wait_for_rows(client: Any, rows: int, seconds: float = 10) -> dict[str, float]:
    """Wait until so many rows have an outcome; return the counts."""
    deadline = time.monotonic() + seconds
    while sum((found := rows_by_outcome(client)).values()) < rows:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found
