"""The registry follower: looks who has an alias, loads, checks, swaps."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from recipeline.errors import RecipelineError
from recipeline.inference.trust import RefusedModel
from recipeline.registry.stages import CHAMPION
from recipeline.registry.versions import Registry
from recipeline.serving.failures import BUG, say_failure
from recipeline.serving.following.polling import Board, name_holder
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
from recipeline.tracking.connection.failures import store_errors
from recipeline.tracking.connection.patience import at_most
from recipeline.tracking.connection.store import Store

_LOG = logging.getLogger("service")

#: The registry, or the board, is looked at so often; and the number on the board so often.
_POLL_SECONDS, _LOOK_SECONDS = 1.0, 0.1

#: A version that was refused is tried again after this time, and then after twice as long each time, up to the other: what was
#: missing may be there by then.
_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 15.0, 240.0


class Slot(Protocol):
    """The place of a version in the service: in Production, or in shadow."""

    model_name: str
    model: ServedModel | None
    wanted: str

    def serve(self, model: ServedModel) -> None:
        """Use a loaded version."""

    def refuse(self, version: str, reason: str) -> None:
        """Record that the version that the registry wants cannot be used."""

    def keep(self) -> None:
        """Record that the registry wants the version that is used."""

    def vacate(self) -> None:
        """Record that the registry wants none."""

    def lose_registry(self, reason: str) -> None:
        """Record that the registry does not answer."""

    def find_registry(self) -> None:
        """Record that the registry answers."""


class Watch:
    """Follows the holder of an alias in the registry and puts it into its slot.

    `open_store` opens the store on first use; `folder` holds the copies of versions. Where it `recalls`, a worker that starts
    while the wanted version cannot be served serves the last served one. With a `board` the registry is asked only where that
    says that another version has the alias, or says nothing any more.
    """

    def __init__(
        self,
        service: Slot,
        open_store: Callable[[], Store],
        folder: Path,
        trusted: Collection[str] = (),
        *,
        alias: str = CHAMPION,
        recalls: bool = True,
        board: Board | None = None,
    ) -> None:
        self._service, self._open_store, self._folder, self._trusted = service, open_store, folder, trusted
        self._alias, self._recalls, self._board, self._lost = alias, recalls, board, 0
        self._store: Store | None = None
        self._refused, self._retry_at, self._wait = "", 0.0, _RETRY_SECONDS
        self._recall_at = self._ask_at = 0.0
        self._is_vacant = False
        self._ended = threading.Event()

    def start(self, *, wait_seconds: float = 10) -> None:
        """Poll in a thread; return after the first answer, or after `wait_seconds`."""
        first = threading.Event()
        threading.Thread(target=self._run, args=(first,), name=f"watch {self._alias}", daemon=True).start()
        if not first.wait(wait_seconds):
            self._recall()  # where the answer comes this very moment, the next one, a second later, has the last word

    def stop(self) -> None:
        """Stop polling."""
        self._ended.set()

    def _run(self, first: threading.Event) -> None:
        while not self._ended.is_set():
            number = self._board.number if self._board else 0
            try:
                answered = self.poll()
            except Exception:  # a bug must not end the watch: it is told, and the model stays
                _LOG.exception("the registry watch failed")
                self._service.lose_registry(BUG)
                self._recall()
                answered = True
            if answered:
                first.set()
            self._await_news(number)

    def _await_news(self, number: int) -> None:
        """Wait a second; with a board until there is a notice after `number`."""
        until = time.monotonic() + _POLL_SECONDS
        while not self._ended.wait(_LOOK_SECONDS if self._board else _POLL_SECONDS):
            if self._board is None or self._board.number != number or time.monotonic() >= until:
                return

    def poll(self) -> bool:
        """Look once, and swap where another version has the alias.

        Failures are recorded in the slot. False: the registry was not asked yet.
        """
        if self._board:
            notice = self._board.read()
            if self._board.is_lost(notice):
                self._ask_instead(self._board)
                return True
            self._ask_at = 0.0
            if notice is None:
                return False
            if notice.error:
                if self._lost != notice.number:
                    self._service.lose_registry(notice.error)
                self._lost = notice.number
                self._recall()
                return True
            if not self._is_news(notice.holders.get(self._alias)):
                self._service.find_registry()
                return True
        self._ask()
        return True

    def _is_news(self, holder: str | None) -> bool:
        """Whether there is a version to load, or to try again."""
        served = self._service.model
        if holder is None:
            self._vacate()
            return False
        if served and f"{served.version} {served.source}" == holder:
            self._refused = ""
            self._service.keep()
            return False
        return holder != self._refused or time.monotonic() >= self._retry_at

    def _ask_instead(self, board: Board) -> None:
        """Ask as often as the worker would that polls."""
        if time.monotonic() < self._ask_at:
            return
        if not self._ask_at:
            _LOG.error("the worker that asks the registry says nothing; this one asks by itself until it does")
        self._ask_at = time.monotonic() + board.pause_seconds()
        self._ask()

    def _ask(self) -> None:
        try:
            self._store = self._store or self._open_store()
            # The next poll is the next attempt: an outage is told at once.
            with at_most(0), store_errors(self._store.uri):
                wanted = Registry(self._store, self._service.model_name).holder(self._alias)
        except (RecipelineError, MlflowException) as error:
            self._service.lose_registry(say_failure(error))
            self._recall()
            return
        self._service.find_registry()
        if wanted is None:
            self._vacate()
        else:
            self._follow(self._store, wanted)

    def _vacate(self) -> None:
        """Record that no version has the alias; tell it once if none is served."""
        self._refused = ""
        self._service.vacate()
        if self._recalls and self._service.model is None and not self._is_vacant:
            name = self._service.model_name
            _LOG.warning("requests are refused (503): no version of %s is in Production. make pipeline makes one", name)
        self._is_vacant = True

    def _follow(self, store: Store, version: ModelVersion) -> None:
        served, wanted = self._service.model, str(name_holder(version))
        if served and served.version == str(version.version) and served.source == (version.source or ""):
            self._refused = ""
            self._service.keep()
            return
        if wanted == self._refused and time.monotonic() < self._retry_at:
            return
        self._service.wanted = str(version.version)
        try:
            self._serve(self._load(store, version))
        except Exception as error:  # whatever it is: what was served last can be served
            self._recall()
            self._wait = min(2 * self._wait, _LONGEST_RETRY_SECONDS) if wanted == self._refused else _RETRY_SECONDS
            self._refused, self._retry_at = wanted, time.monotonic() + self._wait
            self._service.refuse(str(version.version), say_failure(error))
            is_bug = not isinstance(error, RecipelineError | MlflowException | OSError)
            _LOG.error("version %s is refused: %s", version.version, say_failure(error), exc_info=error if is_bug else None)

    def _load(self, store: Store, version: ModelVersion) -> ServedModel:
        """Return the version, loaded from its copy.

        An existing copy that fails is downloaded again, unless it equals the version in the store: then it is kept, and refused
        again at the next attempt.
        """
        copy = self._folder / copy_name(version)
        if copy.is_dir():
            try:
                return self._load_copy(copy)
            except RefusedModel:
                with at_most(0), store_errors(store.uri):
                    if is_as_noted(store, version, copy):
                        raise
            discard(copy)
        with at_most(0), store_errors(store.uri):
            copy = fetch_version(store, version, self._folder)
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
        self._is_vacant = False
        _LOG.info("version %s is %s, %s", model.version, "served" if self._recalls else "in shadow", model.path)

    def _recall(self) -> None:
        """Serve the last served version that can be loaded, if none is served yet."""
        if not self._recalls or self._service.model or time.monotonic() < self._recall_at:
            return
        for copy in served_copies(self._folder):
            try:
                self._serve(self._load_copy(copy))
            except RefusedModel as error:
                _LOG.error("the copy %s is skipped: %s", copy, error)
            else:
                return
        self._recall_at = time.monotonic() + _RETRY_SECONDS
