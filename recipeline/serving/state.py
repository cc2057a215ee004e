"""The service's state: served version, wanted version, drain."""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import Metric

from recipeline.config.profile import Service as Settings
from recipeline.serving.logs.background import BackgroundLog
from recipeline.serving.logs.rate import Quota
from recipeline.serving.model.loading import ServedModel
from recipeline.serving.prometheus import Metrics
from recipeline.serving.self_watch.watch import SelfWatch
from recipeline.serving.shadow.answering import Shadow


@dataclass
class Service:
    """The state that all requests of one worker share.

    Any of `tokens` gives access; without tokens, access is open. `draining` returns whether the service is shutting down.
    """

    model_name: str
    settings: Settings
    metrics: Metrics
    tokens: tuple[str, ...] = field(default=(), repr=False)
    draining: Callable[[], bool] = lambda: False
    #: Whether it listens where only this machine reaches it.
    is_private: bool = False
    access_log: BackgroundLog | None = None
    prediction_log: BackgroundLog | None = None
    #: Chooses the requests for the log where it has a limited rate.
    quota: Quota | None = None
    self_watch: SelfWatch | None = None
    #: Lets the registry be asked at once.
    wake: Callable[[], object] = lambda: None
    shadow: Shadow | None = None
    model: ServedModel | None = None
    #: The version that the registry wants, as far as is known; empty: nothing is in Production.
    wanted: str = ""
    #: Why the wanted version is not served.
    refusal: str = ""
    #: Why the registry gave no answer, and since when.
    registry_error: str = "not asked yet"
    registry_away_since: float = 0.0

    def __post_init__(self) -> None:
        #: Counts the rows that the version served predicts.
        self.predicted_rows = self.metrics.rows.labels("none")
        self.metrics.more = self._watched
        self._slots = threading.BoundedSemaphore(self.settings.concurrency)

    def _watched(self) -> Iterable[Metric]:
        return self.self_watch.collect_for(self.model) if self.self_watch and self.model else ()

    def enter(self) -> bool:
        """Take one of the slots for concurrent requests; False if all are taken."""
        return self._slots.acquire(blocking=False)

    def leave(self) -> None:
        """Release the slot."""
        self._slots.release()

    def admits(self, authorization: str) -> bool:
        """Whether the Authorization header has a valid token, in constant time."""
        if not self.tokens:
            return True
        scheme, _, token = authorization.partition(" ")
        given = token.strip().encode()
        return scheme.lower() == "bearer" and bool(sum([hmac.compare_digest(given, known.encode()) for known in self.tokens]))

    def serve(self, model: ServedModel) -> None:
        """Answer new requests with `model`; running ones keep theirs."""
        self.predicted_rows = self.metrics.rows.labels(model.version)
        self.model, self.wanted, self.refusal = model, model.version, ""
        self.metrics.swaps.inc()
        self.metrics.model.labels(self.model_name).set(float(model.version))
        self.metrics.stale.set(0)

    def refuse(self, version: str, reason: str) -> None:
        """Record that the version that the registry wants is not served."""
        self.wanted, self.refusal = version, reason
        self.metrics.refused.inc()
        self.metrics.stale.set(1)

    def keep(self) -> None:
        """Record that the registry wants the version that is served."""
        if self.model:
            self.wanted, self.refusal = self.model.version, ""
            self.metrics.stale.set(0)

    def vacate(self) -> None:
        """Record that no version is in Production; one that is served stays."""
        self.wanted, self.refusal = self.model.version if self.model else "", ""
        self.metrics.stale.set(0)

    def lose_registry(self, reason: str) -> None:
        """Record that the registry does not answer."""
        self.registry_away_since = self.registry_away_since or time.time()
        self.registry_error = reason
        self.metrics.registry_errors.inc()
        self.metrics.registry_away.set(1)

    def find_registry(self) -> None:
        """Record that the registry answers."""
        self.registry_error, self.registry_away_since = "", 0.0
        self.metrics.registry_away.set(0)

    def state(self) -> dict[str, Any]:
        """Return whether the service is ready; if not, the reason and the fix.

        The values are plain.
        """
        served = self.model
        if self.draining():
            status, advice = "draining", "The service is shutting down."
        elif served:
            status, advice = "ready", ""
        elif self.registry_error:
            status, advice = "not ready", "The registry has not answered yet: see `registry`."
        elif self.refusal:
            status, advice = "not ready", "Correct the problem in `refused`, or roll back: make rollback"
        elif self.wanted:
            status, advice = "not ready", f"Version {self.wanted} is being loaded."
        else:
            status, advice = "not ready", f"No version of {self.model_name} is in Production: make pipeline"
        return {
            "status": status,
            "served": served.identity if served else None,
            "wanted": self.wanted or None,
            "refused": {"version": self.wanted, "reason": self.refusal} if self.refusal else None,
            "registry": {"answers": not self.registry_error, "error": self.registry_error or None},
            "advice": advice or None,
        }
