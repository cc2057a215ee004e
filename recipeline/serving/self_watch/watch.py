"""The service watches itself: what it is asked and what it answers, counted in the bins of the model's baseline.

No row reaches the disk. The rows of a request wait in memory until a thread counts them; the counts of all workers are added
up when they are asked for, and outlive the worker and the service.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from itertools import groupby

import numpy as np
from prometheus_client.metrics_core import GaugeMetricFamily

from recipeline.serving.background import Background
from recipeline.serving.model.copies import WATCHED
from recipeline.serving.model.loading import ServedModel
from recipeline.serving.self_watch.counts import Counts, read_counts

_LOG = logging.getLogger("service")

#: Rows of requests that are gathered before they are handed over.
_GATHERED = 1024

#: How long rows wait. To count them takes files and the interpreter from requests; seldom is cheaper than often.
_PAUSE_SECONDS = 1.0


class SelfWatch(Background):
    """Counts what the served version is asked and answers, and tells Prometheus how far that is from its baseline.

    The window is the last `rows` rows of all workers together, at least half of them, and what comes in within a moment more.
    Services that share the folder of copies share the window; of several lengths the shortest holds.
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
        """Take the rows of a request, of shape (rows, features), and what was predicted of them."""
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
        """Hand over what was gathered; its lock is held."""
        if rows := self._gathered:
            self.add((self._asked, self._values[:rows].copy(), self._predicted[:rows].copy()), rows)
            self._gathered = 0

    def flush(self) -> None:
        """Count what has been taken so far."""
        with self._gathering:
            self._hand_over()
        super().flush()

    def close(self) -> None:
        """Count what is left, and end."""
        super().close()
        if self._counts:
            self._counts.close()
            self._counts = None

    def _count(self, records: list[tuple[ServedModel, np.ndarray, np.ndarray]]) -> None:
        """Count the rows of each version with those of the same version; OSError where there is no place for that."""
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
        """Yield what Prometheus is told of the version served."""
        bins = model.bins
        if bins is None or model.folder is None:
            return
        rows, counts = read_counts(model.folder / WATCHED, bins.size)
        yield GaugeMetricFamily("self_watch_rows", "Rows in the window that feature_psi is of", value=rows)
        *features, prediction = bins.stability(counts)
        family = GaugeMetricFamily("feature_psi", "Population stability index against the training rows", labels=["feature"])
        for name, value in zip(bins.names, features, strict=True):
            if value is not None:
                family.add_metric([name], value)
        yield family
        if prediction is not None:
            yield GaugeMetricFamily("prediction_psi", "The same of the predictions, against out-of-fold ones", value=prediction)
