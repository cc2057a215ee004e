"""The service watches itself: what it is asked and what it answers, counted in the bins of the model's baseline.

No row reaches the disk. The rows of a request wait in memory until a thread counts them; the counts of all workers are added
up when they are asked for, and outlive the worker and the service.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import groupby
from pathlib import Path

import numpy as np
from prometheus_client.metrics_core import GaugeMetricFamily

from serving.logs import Background
from serving.models import WATCHED, ServedModel

_LOG = logging.getLogger("service")
_MOST = 2**48
#: Rows of requests that are gathered before they are handed over.
_GATHERED = 1024


class Counts:
    """The counts of one process in a file: two halves, each with a number, its rows and its counts.

    The halves with the highest number, of all files of the folder, are the current half of the window, those with the number
    before it the previous one; others are over. Once the current half has `half` rows, of all processes together, the next
    rows begin another one: what a process counted that is idle, or ended, is forgotten as soon as what others counted then.

    The process holds a lock on its file as long as it lives; a file that nobody holds is that of one that ended: another one
    goes on with it, or removes it when it is over. A half has no number while it is emptied, so that whoever is killed
    meanwhile loses counts and doubles none.
    """

    def __init__(self, folder: Path, size: int, half: int) -> None:
        self._folder, self._size, self._half = folder, size, half
        folder.mkdir(exist_ok=True)
        self._file, self.path = self._take()
        self._map = mmap.mmap(self._file, _file_bytes(size))
        self._halves = np.frombuffer(self._map, dtype=np.int64).reshape(2, -1)

    def add(self, counts: np.ndarray, rows: int) -> None:
        """Add the counts of some rows."""
        halves = [half for file in _read_files(self._folder, self._size) for half in file]
        current = max([1, *(int(half[0]) for half in halves)])
        if sum(int(half[1]) for half in halves if half[0] == current) >= self._half:
            current += 1
        mine = self._halves[current % 2]
        if mine[0] != current:
            mine[0] = 0
            mine[1:] = 0
            mine[0] = current
            self._sweep(current)
        mine[2:] += counts
        mine[1] += rows

    def _take(self) -> tuple[int, Path]:
        """Return a file of a process that ended, or a new one, locked and of its full size on the disk."""
        size = _file_bytes(self._size)
        candidates = [*sorted(self._folder.glob("*.counts")), self._folder / f"{uuid.uuid4().hex}.counts"]
        for path in candidates:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _parse(os.pread(file, size + 1, 0), self._size) is None:
                    os.ftruncate(file, 0)
                os.posix_fallocate(file, 0, size)  # a full disk is an error here, and no signal at a later write
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

    def _sweep(self, current: int) -> None:
        """Remove the files of processes that ended whose halves are both over; an empty one is just being made."""
        for path in self._folder.glob("*.counts"):
            with suppress(OSError):
                file = os.open(path, os.O_RDWR)
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    halves = _parse(os.pread(file, _file_bytes(self._size) + 1, 0), self._size)
                    is_over = halves is not None and halves[:, 0].max() < current - 1
                    if is_over:
                        path.unlink()
                finally:
                    os.close(file)

    def close(self) -> None:
        """Let go of the file; the counts stay."""
        del self._halves
        self._map.close()
        os.close(self._file)


def read_counts(folder: Path, size: int) -> tuple[int, np.ndarray]:
    """Return the rows and counts in the window, of all files of a folder; one that is cut off or broken is left out."""
    total = np.zeros(1 + size, dtype=np.int64)
    halves = [half for file in _read_files(folder, size) for half in file]
    current = max((int(half[0]) for half in halves), default=0)
    for half in halves:
        if half[0] > max(current - 2, 0):
            total += half[1:]
    return int(total[0]), total[1:]


def _read_files(folder: Path, size: int) -> list[np.ndarray]:
    found = []
    for path in folder.glob("*.counts"):
        with suppress(OSError):
            halves = _parse(path.read_bytes(), size)
            if halves is not None:
                found.append(halves)
    return found


def _parse(content: bytes, size: int) -> np.ndarray | None:
    """Return the two halves in a file's content; None where it is not one that a process could have written."""
    if len(content) != _file_bytes(size):
        return None
    halves: np.ndarray = np.frombuffer(content, dtype=np.int64).reshape(2, -1)
    return None if halves.min() < 0 or halves.max() > _MOST else halves


def _file_bytes(size: int) -> int:
    return 8 * 2 * (2 + size)


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
        super().__init__(self._count, dropped)

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
