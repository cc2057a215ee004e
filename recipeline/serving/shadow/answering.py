"""The challenger beside the champion: a thread that predicts within a budget."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence

import numpy as np

from recipeline.config.profile import Service as Settings
from recipeline.monitoring.live.log_format import DROPPED, FAILED, REFUSED
from recipeline.monitoring.paired import Differences, are_comparable, compare_predictions
from recipeline.serving.model.loading import ServedModel
from recipeline.serving.prometheus import ShadowMetrics
from recipeline.serving.results import ShadowDescription
from recipeline.serving.rows.beside import Beside
from recipeline.serving.shadow.pairing import Pairing
from recipeline.serving.shadow.pending import Pending

_LOG = logging.getLogger("service")

#: So many rows and values wait at most, and so many rows are predicted at once: a request waits for the interpreter until a
#: call of the model lets go of it.
MOST_ROWS, MOST_VALUES, AT_ONCE = 20_000, 4_000_000, 256

#: So many requests are taken from the queue while its lock is held, for which those that come wait; rows that nobody waits for
#: count too.
_PARTS_AT_ONCE = 256

#: Rows are gathered for so long: a call for one row takes as long as one for a hundred.
_PAUSE_SECONDS = 0.1

#: Rows without the challenger's prediction are told so often.
_TELL_SECONDS = 60.0

PREDICTED = "predicted"

#: A part of a request's rows.
_Part = tuple[Pending, int, int]


class Shadow:
    """The challenger of one worker: it predicts rows that the champion has answered.

    It is followed as the champion is (`recipeline.serving.following.follower.Watch`). Requests only `take`: that never waits,
    never fails, and its queue is bounded.
    """

    def __init__(self, model_name: str, settings: Settings, metrics: ShadowMetrics) -> None:
        self.model_name, self.settings = model_name, settings
        self.model: ServedModel | None = None
        self.wanted = self.refusal = self.registry_error = ""
        self._metrics = metrics
        self._parts: deque[_Part] = deque()
        self._rows = self._cells = 0
        self._pairing: Pairing | None = None
        self._missed: Counter[str] = Counter()
        self._tell_at = 0.0
        self._changing, self._closing = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._thread.start()

    def take(self, champion: ServedModel, values: np.ndarray, predicted: np.ndarray, beside: Beside) -> Pending | None:
        """Queue the rows of a request; None where no other version is in shadow.

        Rows that exceed the queue are dropped and counted. Arguments are as `Pending` has them.
        """
        challenger = self.model
        if challenger is None or challenger.version == champion.version:
            return None
        pairing = self._pairing
        if pairing is None or not pairing.is_of(champion, challenger):
            pairing = self._pairing = Pairing(champion, challenger)
        pending = Pending(champion, challenger, pairing, values, predicted, beside)
        rows, cells = len(values), values.size
        with self._changing:
            fits = self._rows + rows <= MOST_ROWS and self._cells + cells <= MOST_VALUES and not self._closing.is_set()
            if fits:
                self._rows, self._cells = self._rows + rows, self._cells + cells
                self._parts.append((pending, 0, rows))
        if not fits:
            self.give_up(pending, DROPPED)
        return pending

    def give_up(self, pending: Pending, reason: str, start: int = 0, stop: int | None = None) -> None:
        """Settle rows without a prediction, and count them."""
        if missed := pending.give_up(reason, start, stop):
            self._metrics.rows.labels(pending.challenger.version, reason).inc(missed)
            with self._changing:
                self._missed[f"version {pending.challenger.version}, {reason}"] += missed

    def tell(self) -> None:
        """Log the rows without a prediction, once a minute at most."""
        with self._changing:
            if not self._missed or time.monotonic() < self._tell_at:
                return
            missed, self._missed = self._missed, Counter()
            self._tell_at = time.monotonic() + _TELL_SECONDS
        rows = "; ".join(f"{name}: {count}" for name, count in missed.items())
        _LOG.warning("rows that the challenger in shadow did not predict: %s", rows)

    def serve(self, model: ServedModel) -> None:
        """Let `model` predict new rows."""
        self.model, self.wanted, self.refusal = model, model.version, ""
        self._metrics.model.labels(self.model_name).set(float(model.version))

    def refuse(self, version: str, reason: str) -> None:
        """Record that the challenger cannot predict; none does meanwhile."""
        self.model, self.wanted, self.refusal = None, version, reason
        self._metrics.refused.inc()
        self._metrics.model.labels(self.model_name).set(0)

    def keep(self) -> None:
        """Record that the registry wants the version that predicts."""
        self.wanted, self.refusal = self.model.version if self.model else "", ""

    def vacate(self) -> None:
        """Record that no version is the challenger."""
        self.model, self.wanted, self.refusal = None, "", ""
        self._metrics.model.labels(self.model_name).set(0)

    def lose_registry(self, reason: str) -> None:
        """Record that the registry does not answer; the challenger stays."""
        self.registry_error = reason
        self.tell()

    def find_registry(self) -> None:
        """Record that the registry answers."""
        self.registry_error = ""
        self.tell()

    def describe(self, served: ServedModel) -> ShadowDescription:
        """Return which version is in shadow beside `served`, or why none is."""
        model = self.model
        if model and model.version != served.version:
            return ShadowDescription("predicting", model.version, model.run_id)
        if self.refusal:
            return ShadowDescription("refused", self.wanted, reason=self.refusal)
        if self.wanted and not model:
            return ShadowDescription("loading", self.wanted)
        return ShadowDescription("none", reason=self.registry_error or "no other version has the alias challenger")

    def close(self) -> None:
        """End the thread; the rows that still wait are dropped."""
        self._closing.set()
        self._thread.join(timeout=1)
        with self._changing:
            parts, self._parts, self._rows, self._cells = [*self._parts], deque(), 0, 0
        for pending, start, stop in parts:
            self.give_up(pending, DROPPED, start, stop)
        self._tell_at = 0.0
        self.tell()

    def _run(self) -> None:
        while not self._closing.wait(_PAUSE_SECONDS):
            while not self._closing.is_set() and (took := self._work()) is not None:
                self._closing.wait(took * (1 / self.settings.shadow_time - 1))

    def _work(self) -> float | None:
        """Predict or drop the next rows; return the seconds taken, None without rows.

        Rows and models in hand are released at its end: a waiting thread must not keep models in memory.
        """
        parts, old = self._next()
        for pending, start, stop in old:
            self.give_up(pending, DROPPED, start, stop)
        if not parts:
            return 0.0 if old else None
        began = time.perf_counter()
        try:
            self._answer(parts)
        except Exception:  # of the model, or a bug: it is told, and must not end the thread
            version, rows = parts[0][0].challenger.version, sum(stop - start for _, start, stop in parts)
            _LOG.exception("version %s in shadow fails on %d rows", version, rows)
        for pending, start, stop in parts:
            if pending.left:
                self.give_up(pending, FAILED, start, stop)
        took = time.perf_counter() - began
        self._metrics.seconds.observe(took)
        return took

    def _next(self) -> tuple[list[_Part], list[_Part]]:
        """Take some rows of one champion and one challenger from the queue, and old ones."""
        taken, rows, old = list[_Part](), 0, list[_Part]()
        with self._changing:
            while self._parts and rows < AT_ONCE and len(taken) + len(old) < _PARTS_AT_ONCE:
                pending, start, stop = self._parts[0]
                if taken and taken[0][0].pairing is not pending.pairing:
                    break
                self._parts.popleft()
                end = stop if pending.is_old else min(stop, start + AT_ONCE - rows)
                (old if pending.is_old else taken).append((pending, start, end))
                if end < stop:
                    self._parts.appendleft((pending, end, stop))
                rows += 0 if pending.is_old else end - start
                self._rows, self._cells = self._rows - (end - start), self._cells - (end - start) * pending.values.shape[1]
        return taken, old

    def _answer(self, parts: Sequence[_Part]) -> None:
        """Predict rows of one pairing, compare and settle them."""
        champion, challenger = parts[0][0].champion, parts[0][0].challenger
        mine, theirs = champion.info.target, challenger.info.target
        if not are_comparable(mine.codes, theirs.codes):
            for pending, start, stop in parts:
                self.give_up(pending, REFUSED, start, stop)
            return
        values, places, predicted = list[np.ndarray](), list[tuple[Pending, int]](), list[np.ndarray]()
        for pending, start, stop in parts:
            taken, rows = pending.pairing.take(pending.values[start:stop], pending.beside, start)
            before = pending.predicted[start:stop]
            values.append(taken)
            predicted.append(before if len(rows) == len(before) else before[list(rows)])
            places += [(pending, start + row) for row in rows]
            if len(rows) < len(before):
                for row in {*range(len(before))} - {*rows}:
                    self.give_up(pending, REFUSED, start + row, start + row + 1)
        if not places:
            return
        found = challenger.predict(np.concatenate(values))
        known = np.flatnonzero(np.isfinite(found.reshape(len(places), -1)).all(axis=1))
        said = zip(known.tolist(), challenger.task.log(found[known]), strict=True)
        settled = [place for place, it in said if places[place][0].settle(places[place][1], it)]
        if settled:
            compared = compare_predictions(np.concatenate(predicted)[settled], mine, found[settled], theirs)
            self._count(challenger.version, compared)

    def _count(self, version: str, found: Differences) -> None:
        metrics = self._metrics
        metrics.rows.labels(version, PREDICTED).inc(len(found.absolute))
        metrics.absolute.labels(version).inc(float(found.absolute.sum()))
        for name, difference in zip(found.names, found.signed.sum(axis=0).tolist(), strict=True):
            metrics.difference.labels(version, name).inc(difference)
        if found.agreed is not None:
            metrics.agreed.labels(version).inc(int(found.agreed.sum()))
