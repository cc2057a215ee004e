"""The self-watch: requests and predictions, counted in the baseline's bins.

No row reaches the disk. The rows of a request wait in memory until a thread counts them; the counts of all workers are added
up on request, and outlive the worker and the service.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from itertools import groupby

import numpy as np
from prometheus_client.metrics_core import GaugeMetricFamily

from recipeline.serving.logs.background import Background
from recipeline.serving.model.copies import WATCHED
from recipeline.serving.model.loading import ServedModel
from recipeline.serving.self_watch.counts import Counts, read_counts

_LOG = logging.getLogger("service")

#: Rows of requests that are gathered before they are handed over.
_GATHERED = 1024

#: How long rows wait. To count them takes files and the interpreter from requests; seldom is cheaper than often.
_PAUSE_SECONDS = 1.0


class SelfWatch(Background):
    """Counts rows and predictions of the served version; exports their drift.

    The window is the last `rows` rows of all workers together, at least half of them, and those of the last moment. Services
    that share the folder of copies share the window; of several lengths the shortest holds.
    """

    def __init__(self, rows: int, dropped: Callable[[int], object]) -> None:
        self._half = max(1, rows // 2)
        # The rows of small requests are copied: to keep the arrays of a thousand requests costs four times as much.
        self._gathering = threading.Lock()
        self._asked: ServedModel | None = None
        self._values, self._predicted, self._gathered = np.empty((_GATHERED, 0)), np.empty(_GATHERED), 0
        self._model: ServedModel | None = None
        self._counts: Counts | None = None
        self._failed: ServedModel | None = None
        super().__init__(self._count, dropped, pause_seconds=_PAUSE_SECONDS)

    def take(self, model: ServedModel, values: np.ndarray, predicted: np.ndarray) -> None:
        """Queue the rows of a request, of shape (rows, features), and their predictions."""
        rows = len(values)
        if rows > _GATHERED:
            self.add((model, values, predicted), rows)
            return
        with self._gathering:
            if model is not self._asked:
                self._hand_over()
                self._asked, self._values = model, np.empty((_GATHERED, values.shape[1]))
            elif self._gathered + rows > _GATHERED:
                self._hand_over()
            start = self._gathered
            self._gathered = end = start + rows
            self._values[start:end] = values
            self._predicted[start:end] = predicted

    def _hand_over(self) -> None:
        """Queue the gathered rows; the caller holds the lock."""
        if rows := self._gathered:
            self.add((self._asked, self._values[:rows].copy(), self._predicted[:rows].copy()), rows)
            self._gathered = 0

    def flush(self) -> None:
        """Count all rows queued so far."""
        with self._gathering:
            self._hand_over()
        super().flush()

    def close(self) -> None:
        """Count the remaining rows and end the thread."""
        super().close()
        if self._counts:
            self._counts.close()
            self._counts = None

    def _count(self, records: list[tuple[ServedModel, np.ndarray, np.ndarray]]) -> None:
        """Add the rows of each version to that version's counts.

        Raises
        ------
        OSError : the counts cannot be written.
        """
        for _, group in groupby(records, key=lambda record: id(record[0])):
            models, values, predicted = zip(*group, strict=True)
            model = models[0]
            if model is not self._model:
                self._follow(model)
            if model.bins and self._counts:
                self._counts.add(model.bins.count(np.concatenate(values), np.concatenate(predicted)), sum(map(len, values)))

    def _follow(self, model: ServedModel) -> None:
        if self._counts:
            self._counts.close()
        self._model, self._counts = None, None
        if model.bins and model.folder:
            try:
                self._counts = Counts(model.folder / WATCHED, model.bins.size, self._half)
            except OSError as error:
                if self._failed is not model:
                    _LOG.error("version %s cannot be watched: %s", model.version, error)
                self._failed = model
                raise
        self._model = model

    def collect_for(self, model: ServedModel) -> Iterator[GaugeMetricFamily]:
        """Yield the Prometheus metrics of the served version."""
        bins = model.bins
        if bins is None or model.folder is None:
            return
        rows, counts = read_counts(model.folder / WATCHED, bins.size)
        yield GaugeMetricFamily("self_watch_rows", "Rows in the window of feature_psi", value=rows)
        *features, prediction = bins.stability(counts)
        family = GaugeMetricFamily("feature_psi", "Population stability index against the training rows", labels=["feature"])
        for name, value in zip(bins.names, features, strict=True):
            if value is not None:
                family.add_metric([name], value)
        yield family
        if prediction is not None:
            yield GaugeMetricFamily(
                "prediction_psi", "The same for predictions, against out-of-fold predictions", value=prediction
            )
