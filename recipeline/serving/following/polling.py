"""One poller for all workers of a service, and the board that tells them of it."""

from __future__ import annotations

import fcntl
import json
import logging
import mmap
import os
import random
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from recipeline.errors import RecipelineError
from recipeline.registry.versions import Registry
from recipeline.serving.failures import say_failure
from recipeline.serving.following.mapped_files import allocate
from recipeline.tracking.connection.failures import store_errors
from recipeline.tracking.connection.patience import at_most
from recipeline.tracking.connection.store import Store

_LOG = logging.getLogger("service")

#: A wait is this much longer or shorter, so that services that started together do not ask together.
_JITTER = 0.2

#: While the registry does not answer, it is asked after twice the time each time, up to so many times the interval.
_LONGEST_WAIT = 6

#: How soon a wake is noticed, and how often a worker tries to become the one that polls.
_LOOK_SECONDS, _LEAD_SECONDS = 0.1, 1.0

#: So long a question takes at most: a server that hangs is asked twice (`at_most`), for 120 s each.
_ANSWER_SECONDS = 240

#: Wakes that come faster are one.
_LEAST_SECONDS = 0.5

#: A notice has so many bytes at most: names of versions, or a failure.
_NOTICE_BYTES = 4096

#: The numbers on the board: of wakes, and of notices.
_WAKES, _NOTICES = 0, 8


@dataclass(frozen=True)
class Notice:
    """The last answer of the registry: `holders` by alias, or the `error`.

    A holder is as `name_holder` names it, None: no version has the alias. `at` is its time by the monotonic clock, which all
    processes of a machine share.
    """

    number: int
    holders: dict[str, str | None]
    error: str = ""
    at: float = field(default_factory=time.monotonic, compare=False)


def name_holder(version: ModelVersion | None) -> str | None:
    """Return the version's number and source, by which it is recognised.

    Another model under the same number has another source.
    """
    return None if version is None else f"{version.version} {version.source or ''}"


class Board:
    """The folder of a service's workers, where the one that polls tells the others.

    It asks the registry every `seconds`. `number` and `wakes` are read without a system call.
    """

    def __init__(self, folder: Path, seconds: float) -> None:
        self._seconds, self._began = seconds, time.monotonic()
        #: Where there is no notice for so long, there will be none.
        self.patience_seconds = _LONGEST_WAIT * (1 + _JITTER) * seconds + _ANSWER_SECONDS
        self._file, self._lock = folder / "registry.json", folder / "poller"
        with (folder / "board").open("a+b") as file:
            allocate(file.fileno(), 16)
            self._numbers = mmap.mmap(file.fileno(), 16)
        self._lead: int | None = None

    def require_room(self) -> None:
        """Raise OSError where the disk has no room for a notice beside the one before."""
        trial = self._file.with_name("trial")
        with trial.open("wb") as file:
            allocate(file.fileno(), 2 * _NOTICE_BYTES)
        trial.unlink()

    @property
    def number(self) -> int:
        """The number of the newest notice; 0: there is none."""
        return self._read(_NOTICES)

    @property
    def wakes(self) -> int:
        """The number of wakes so far."""
        return self._read(_WAKES)

    def wake(self) -> None:
        """Tell the poller to ask the registry at once."""
        self._write(_WAKES, self.wakes + 1)  # two at the same moment may be one

    def lead(self) -> bool:
        """Whether this process polls: the first one that asks, until it ends."""
        if self._lead is None:
            file = os.open(self._lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(file)
                return False
            self._lead = file
        return True

    def resign(self) -> None:
        """Let another process poll."""
        if self._lead is not None:
            os.close(self._lead)
            self._lead = None

    def pause_seconds(self) -> float:
        """Return the time between two questions."""
        return self._seconds * random.uniform(1 - _JITTER, 1 + _JITTER)

    def is_lost(self, notice: Notice | None) -> bool:
        """Whether the newest notice is so old that the one that polls must have failed."""
        return time.monotonic() - (notice.at if notice else self._began) > self.patience_seconds

    def post(self, holders: dict[str, str | None], error: str = "") -> None:
        """Tell all workers what the registry answered.

        Raises
        ------
        OSError : it cannot be written.
        """
        notice = Notice(self.number + 1, holders, error)
        new = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        new.write_text(json.dumps(asdict(notice)), encoding="ascii")
        new.replace(self._file)
        self._write(_NOTICES, notice.number)

    def read(self) -> Notice | None:
        """Return the newest notice; None: there is none yet."""
        try:
            return Notice(**json.loads(self._file.read_bytes()))
        except FileNotFoundError:
            return None

    def _read(self, place: int) -> int:
        found: int = struct.unpack_from("<Q", self._numbers, place)[0]
        return found

    def _write(self, place: int, number: int) -> None:
        struct.pack_into("<Q", self._numbers, place, number)


class Poller:
    """Asks the registry for the holders of aliases, in one worker of a service.

    Where the worker that polls ends or cannot tell what it found, another one takes its place.
    """

    def __init__(self, board: Board, open_store: Callable[[], Store], model_name: str, aliases: Sequence[str]) -> None:
        self._board, self._open_store, self._model_name, self._aliases = board, open_store, model_name, aliases
        self._store: Store | None = None
        self._failures, self._told = 0, ""
        self._ended = threading.Event()

    def start(self) -> None:
        """Poll in a thread, as soon as no other worker does."""
        threading.Thread(target=self._run, name="poller", daemon=True).start()

    def stop(self) -> None:
        """Stop polling."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            wakes = self._board.wakes
            try:
                if not self._board.lead():
                    self._ended.wait(_LEAD_SECONDS)
                    continue
                self.poll()
            except Exception:  # a full disk, too many open files, or a bug: it is told, and must not end the poller
                _LOG.exception("the workers cannot be told what the registry answered")
                self._failures += 1
                self._board.resign()
            self._wait(wakes)

    def _tell(self, failure: str) -> None:
        """Log a failure once, as long as it is the same."""
        if failure != self._told:
            _LOG.warning("the registry does not answer: %s", failure)
        self._told = failure

    def _wait(self, wakes: int) -> None:
        """Wait until the registry is to be asked again, or until a wake after `wakes`."""
        began, wanted = time.monotonic(), self.wait_seconds()
        while not self._ended.wait(min(_LOOK_SECONDS, wanted)):
            waited = time.monotonic() - began
            if waited >= wanted or (self._board.wakes != wakes and waited >= min(_LEAST_SECONDS, wanted)):
                return

    def wait_seconds(self) -> float:
        """Return the time until the next question: longer after failures."""
        return self._board.pause_seconds() * min(2.0 ** min(self._failures, 9), _LONGEST_WAIT)

    def poll(self) -> None:
        """Ask once, and post the answer or the failure.

        Raises
        ------
        OSError : the answer cannot be posted.
        """
        try:
            self._store = self._store or self._open_store()
            with at_most(0), store_errors(self._store.uri):
                registry = Registry(self._store, self._model_name)
                holders = {alias: name_holder(registry.holder(alias)) for alias in self._aliases}
        except Exception as error:  # a bug must not end the poller: it is told
            self._failures += 1
            if not isinstance(error, RecipelineError | MlflowException | OSError):
                _LOG.exception("the registry cannot be asked")
            self._tell(say_failure(error))
            self._board.post({}, say_failure(error))
            return
        self._failures, self._told = 0, ""
        self._board.post(holders)
