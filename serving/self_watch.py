"""The service watches itself: what it is asked and what it answers, counted in the bins of the model's baseline.

No row is kept. A request hands its arrays to a thread, which counts them; the counts of all workers are added up when they are
asked for, and outlive the worker and the service.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from prometheus_client.metrics_core import GaugeMetricFamily

from pipeline.baseline import PREDICTION, count_bins, population_stability
from serving.logs import Background

if TYPE_CHECKING:
    from serving.models import ServedModel

_LOG = logging.getLogger("service")
#: Of fewer rows a PSI is chance.
MIN_ROWS = 100
#: The folder of the counts, in that of the version's copy: they go when it goes.
FOLDER = "watched"


class Bins:
    """The bins of a baseline in one flat array of counts: those of each feature, then those of the prediction."""

    def __init__(self, baseline: Mapping[str, Any], names: Iterable[str]) -> None:
        self.names = tuple(names)
        described = [*(baseline["features"][name] for name in self.names), baseline[PREDICTION]]
        self._edges = [np.array(it["edges"], dtype=float) for it in described]
        self._reference = [np.array(it["counts"]) for it in described]
        self._starts = np.cumsum([0, *(len(edges) + 1 for edges in self._edges)])
        self.size = int(self._starts[-1])

    def count(self, values: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Return the counts of rows of shape (rows, features) and of what was predicted of them; NaN is in no bin."""
        columns = [*values.T, predicted]
        return np.concatenate(
            [count_bins(column[~np.isnan(column)], edges) for column, edges in zip(columns, self._edges, strict=True)]
        )

    def stability(self, counts: np.ndarray) -> list[float | None]:
        """Return the population stability index of each column; None where it has fewer than MIN_ROWS values."""
        parts = (counts[start:end] for start, end in zip(self._starts[:-1], self._starts[1:], strict=True))
        return [
            population_stability(part, reference) if part.sum() >= MIN_ROWS else None
            for part, reference in zip(parts, self._reference, strict=True)
        ]


class Counts:
    """The counts of one process in a file: two halves of a window, of which one grows until it is full, then the other anew.

    The process holds a lock on its file as long as it lives; a file that nobody holds is that of one that ended, and the next
    one goes on with it. The first number says which half grows: it is changed after the other half was emptied, so that
    whoever is killed in between loses counts and doubles none.
    """

    def __init__(self, folder: Path, size: int, half: int) -> None:
        self._folder, self._half = folder, half
        self._bytes = 8 * (1 + 2 * (1 + size))
        folder.mkdir(exist_ok=True)
        self._file, self.path = self._take()
        self._map = mmap.mmap(self._file, self._bytes)
        self._numbers = np.frombuffer(self._map, dtype=np.int64)

    def add(self, counts: np.ndarray, rows: int) -> None:
        """Add the counts of some rows."""
        halves = self._numbers[1:].reshape(2, -1)
        growing = int(self._numbers[0]) % 2
        if halves[growing, 0] >= self._half:
            growing = 1 - growing
            halves[growing] = 0
            self._numbers[0] = growing
            self._sweep()
        halves[growing, 1:] += counts
        halves[growing, 0] += rows

    def _take(self) -> tuple[int, Path]:
        """Return a file of a process that ended, or a new one, locked and of its full size on the disk."""
        candidates = [*sorted(self._folder.glob("*.counts")), self._folder / f"{uuid.uuid4().hex}.counts"]
        for path in candidates:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(file).st_size not in (0, self._bytes):
                    os.ftruncate(file, 0)
                os.posix_fallocate(file, 0, self._bytes)  # a full disk is an error here, and no signal at a later write
            except BlockingIOError:
                os.close(file)
                continue
            except OSError:
                os.close(file)
                raise
            if os.fstat(file).st_nlink:
                return file, path
            os.close(file)  # it was swept away meanwhile
        raise OSError("no file could be locked")

    def _sweep(self) -> None:
        """Remove the files of processes that ended and that nobody went on with: a window has passed since."""
        for path in self._folder.glob("*.counts"):
            if path == self.path:
                continue
            with suppress(OSError):
                file = os.open(path, os.O_RDWR)
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                finally:
                    os.close(file)

    def close(self) -> None:
        """Let go of the file; the counts stay."""
        del self._numbers
        self._map.close()
        os.close(self._file)


def read_counts(folder: Path, size: int) -> tuple[int, np.ndarray]:
    """Return the rows and counts of all files of a folder; a file of another size is left out."""
    total = np.zeros(1 + size, dtype=np.int64)
    for path in folder.glob("*.counts"):
        with suppress(OSError):
            content = path.read_bytes()
            if len(content) == 8 * (1 + 2 * len(total)):
                total += np.frombuffer(content, dtype=np.int64)[1:].reshape(2, -1).sum(axis=0)
    return int(total[0]), total[1:]


class SelfWatch:
    """Counts what the served version is asked and answers, and tells Prometheus how far that is from its baseline.

    Each worker's window is its last `rows` rows, at least half of them; what is told is of all workers together.
    """

    def __init__(self, rows: int, dropped: Any) -> None:
        self._half = max(1, rows // 2)
        self._queue = Background(self._count, dropped)
        self._model: ServedModel | None = None
        self._bins: Bins | None = None
        self._counts: Counts | None = None

    def add(self, model: ServedModel, values: np.ndarray, predicted: np.ndarray) -> None:
        """Take the rows of a request, of shape (rows, features), and what was predicted of them."""
        self._queue.add((model, values, predicted), len(values))

    def flush(self) -> None:
        """Count what has been taken so far."""
        self._queue.flush()

    def close(self) -> None:
        """Count what is left, and end."""
        self._queue.close()
        if self._counts:
            self._counts.close()
            self._counts = None

    def _count(self, records: list[tuple[ServedModel, np.ndarray, np.ndarray]]) -> None:
        """Count the rows that the newest version answered; those of the one before it are over."""
        model = records[-1][0]
        if model is not self._model:
            self._follow(model)
        mine = [record for record in records if record[0] is model]
        if self._bins and self._counts:
            values, predicted = (np.concatenate([record[part] for record in mine]) for part in (1, 2))
            self._counts.add(self._bins.count(values, predicted), len(values))

    def _follow(self, model: ServedModel) -> None:
        if self._counts:
            self._counts.close()
        self._model, self._bins, self._counts = model, None, None
        if model.baseline is None or model.folder is None:
            return
        bins = Bins(model.baseline, model.schema.names)
        try:
            self._counts = Counts(model.folder / FOLDER, bins.size, self._half)
        except OSError as error:
            _LOG.error("the service cannot watch itself: %s", error)
            return
        self._bins = bins

    def collect_for(self, model: ServedModel) -> Iterator[GaugeMetricFamily]:
        """Yield what Prometheus is told of the version served."""
        if model.baseline is None or model.folder is None:
            return
        bins = Bins(model.baseline, model.schema.names)
        rows, counts = read_counts(model.folder / FOLDER, bins.size)
        yield GaugeMetricFamily("self_watch_rows", "Rows in the window that feature_psi is of", value=rows)
        *features, prediction = bins.stability(counts)
        family = GaugeMetricFamily("feature_psi", "Population stability index against the training rows", labels=["feature"])
        for name, value in zip(bins.names, features, strict=True):
            if value is not None:
                family.add_metric([name], value)
        yield family
        if prediction is not None:
            yield GaugeMetricFamily("prediction_psi", "The same of the predictions, against out-of-fold ones", value=prediction)
