"""The registry follower: polls Production every second, loads, checks, swaps."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from recipeline.errors import RecipelineError
from recipeline.inference.trust import RefusedModel
from recipeline.registry.stages import CHAMPION
from recipeline.registry.versions import Registry
from recipeline.serving.model.copies import (
    copy_name,
    discard,
    fetch_version,
    is_as_noted,
    mark_served,
    require_whole,
    served_copies,
)
from recipeline.serving.model.loading import ServedModel, load_copy
from recipeline.serving.state import Service
from recipeline.tracking.failures import store_errors
from recipeline.tracking.patience import at_most
from recipeline.tracking.store import Store

_LOG = logging.getLogger("service")

#: A version that was refused is tried again after this time, and then after twice as long each time, up to the other: what was
#: missing may be there by then.
_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 15.0, 240.0

#: The public message for an unexpected failure.
_BUG = "an error of the service; its log has it"


class Watch:
    """Polls the registry for its champion and makes `service` answer with it.

    `open_store` opens the store on first use; `folder` holds the copies of versions, so that a worker that starts while the
    wanted version cannot be served serves the last served one.
    """

    def __init__(self, service: Service, open_store: Callable[[], Store], folder: Path, trusted: Collection[str] = ()) -> None:
        self._service, self._open_store, self._folder, self._trusted = service, open_store, folder, trusted
        self._store: Store | None = None
        self._refused, self._retry_at, self._wait = "", 0.0, _RETRY_SECONDS
        self._recall_at = 0.0
        self._ended = threading.Event()

    def start(self, *, wait_seconds: float = 10) -> None:
        """Poll in a thread; return after the first answer, or after `wait_seconds`."""
        first = threading.Event()
        threading.Thread(target=self._run, args=(first,), name="watch", daemon=True).start()
        if not first.wait(wait_seconds):
            self._recall()  # where the answer comes this very moment, the next one, a second later, has the last word

    def stop(self) -> None:
        """Stop polling."""
        self._ended.set()

    def _run(self, first: threading.Event) -> None:
        while not self._ended.is_set():
            try:
                self.poll()
            except Exception:  # a bug must not end the watch: it is told, and the model stays
                _LOG.exception("the registry watch failed")
                self._service.lose_registry(_BUG)
                self._recall()
            first.set()
            self._ended.wait(self._service.settings.poll_seconds)

    def poll(self) -> None:
        """Poll once, and swap where Production has another version.

        Failures are recorded in the service's state.
        """
        try:
            self._store = self._store or self._open_store()
            # The next poll is the next attempt: an outage is told at once.
            with at_most(0), store_errors(self._store.uri):
                champion = Registry(self._store, self._service.model_name).holder(CHAMPION)
        except (RecipelineError, MlflowException) as error:
            self._service.lose_registry(_sentence(error))
            self._recall()
            return
        self._service.find_registry()
        if champion is not None:
            self._follow(self._store, champion)
        elif self._service.model is None:
            self._service.wanted = ""

    def _follow(self, store: Store, champion: ModelVersion) -> None:
        served, wanted = self._service.model, copy_name(champion)
        if served and served.version == str(champion.version) and served.source == (champion.source or ""):
            self._service.wanted, self._service.refusal, self._refused = served.version, "", ""
            self._service.metrics.stale.set(0)
            return
        if wanted == self._refused and time.monotonic() < self._retry_at:
            return
        self._service.wanted = str(champion.version)
        try:
            self._serve(self._load(store, champion))
        except Exception as error:  # whatever it is: what was served last can be served
            self._recall()
            self._wait = min(2 * self._wait, _LONGEST_RETRY_SECONDS) if wanted == self._refused else _RETRY_SECONDS
            self._refused, self._retry_at = wanted, time.monotonic() + self._wait
            self._service.refuse(str(champion.version), _sentence(error))
            is_bug = not isinstance(error, RecipelineError | MlflowException | OSError)
            _LOG.error("version %s is refused: %s", champion.version, _sentence(error), exc_info=error if is_bug else None)

    def _load(self, store: Store, champion: ModelVersion) -> ServedModel:
        """Return the version, loaded from its copy.

        An existing copy that fails is downloaded again, unless it equals the version in the store: then it is kept, and refused
        again at the next attempt.
        """
        copy = self._folder / copy_name(champion)
        if copy.is_dir():
            try:
                return self._load_copy(copy)
            except RefusedModel:
                with store_errors(store.uri):
                    if is_as_noted(store, champion, copy):
                        raise
            discard(copy)
        with store_errors(store.uri):
            copy = fetch_version(store, champion, self._folder)
        return self._load_copy(copy)

    def _load_copy(self, copy: Path) -> ServedModel:
        """Return the model of a copy.

        Raises
        ------
        RefusedModel : a file of it changed, or as `load_copy`.
        """
        require_whole(copy)
        return load_copy(copy, self._trusted)

    def _serve(self, model: ServedModel) -> None:
        if model.folder:
            mark_served(model.folder)
        self._service.serve(model)
        _LOG.info("version %s is served, %s", model.version, model.path)

    def _recall(self) -> None:
        """Serve the last served version that can be loaded, if none is served yet."""
        if self._service.model or time.monotonic() < self._recall_at:
            return
        for copy in served_copies(self._folder):
            try:
                self._serve(self._load_copy(copy))
            except RefusedModel as error:
                _LOG.error("the copy %s is skipped: %s", copy, error)
            else:
                return
        self._recall_at = time.monotonic() + _RETRY_SECONDS


def _sentence(error: Exception) -> str:
    """Return an expected failure as one line, and a general sentence for a bug.

    The message of a bug may contain data that clients must not see.
    """
    if not isinstance(error, RecipelineError | MlflowException | OSError):
        return _BUG
    text = error.sentence if isinstance(error, RecipelineError) else str(error)
    return " ".join(text.split())[:300]
