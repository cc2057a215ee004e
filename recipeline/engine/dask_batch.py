"""The calls of one command in a Dask cluster, also where workers are lost."""

from __future__ import annotations

import pickle
import queue
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from recipeline.engine.identity import differences, identify
from recipeline.engine.workers import Call, Shared, run_call
from recipeline.errors import UnavailableError, UsageError

#: The table is sent again so often, where all workers that held it are lost.
_SHIPMENTS = 3
#: So often the state of a cluster that says nothing is looked at, in seconds.
_LOOK = 2.0


class Packed:
    """A value that goes to another process as one string of bytes.

    Dask by itself leaves arrays where they lie in a message, at any byte. numpy adds up an array that does not begin at a
    multiple of its item size in another order: the last digit would depend on the length of what else was sent.
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    def __reduce__(self) -> tuple[Callable[[bytes], Packed], tuple[bytes]]:
        from distributed.protocol.pickle import dumps

        return _unpack, (dumps(self.value),)


def _unpack(packed: bytes) -> Packed:
    return Packed(pickle.loads(packed))


@dataclass
class Batch:
    """The calls of one `map` and their futures."""

    client: Any
    calls: list[Call]
    identity: Mapping[str, str]
    packages: tuple[str, ...]
    timeout: float

    def __post_init__(self) -> None:
        self._waiting: dict[str, tuple[int, Any]] = {}
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._shipments = 0

    def submit(self, places: Sequence[int]) -> None:
        """Ship what is shared to all workers, and start the calls at `places`."""
        shared = {id(it): it.value for place in places for it in self.calls[place][1] if isinstance(it, Shared)}
        shipped = self._ship(shared)
        for place in places:
            function, arguments = self.calls[place]
            sent = [shipped[id(it)] if isinstance(it, Shared) else Packed(it) for it in arguments]
            future = self.client.submit(_call_checked, self.packages, self.identity, function, *sent, pure=False)
            self._waiting[future.key] = (place, future)
            future.add_done_callback(self._done.put)

    def _ship(self, shared: Mapping[int, Any]) -> dict[int, Any]:
        """Send values to all workers, and again where one is lost meanwhile."""
        while True:
            self._shipments += 1
            try:
                return {key: self.client.scatter(Packed(value), broadcast=True, hash=False) for key, value in shared.items()}
            except (OSError, TimeoutError) as error:  # distributed's CommClosedError is an OSError
                if self.client.status != "running":
                    raise _gone() from error
                self._require_workers()

    def results(self) -> Iterator[tuple[int, Any]]:
        """Yield the place of each call and its result, as they complete."""
        try:
            while self._waiting:
                future = self._next()
                if future is None:
                    continue
                place, _ = self._waiting.pop(future.key)
                yield place, self._result(future)
        finally:
            left = [future for _, future in self._waiting.values()]
            self._waiting = {}
            if left and self.client.status == "running":
                self.client.cancel(left, force=True)

    def in_order(self) -> Iterator[Any]:
        """Yield the results in the order of the calls."""
        early: dict[int, Any] = {}
        wanted = 0
        for place, result in self.results():
            early[place] = result
            while wanted in early:
                yield early.pop(wanted)
                wanted += 1

    def _next(self) -> Any:
        """Return a future that is done; None where calls were started again.

        Raises
        ------
        UnavailableError : the scheduler is gone, or there was no worker for `timeout` seconds.
        """
        alone_since: float | None = None
        while True:
            try:
                future = self._done.get(timeout=_LOOK)
            except queue.Empty:
                future = None
            if future is not None and future.key in self._waiting and future.status in ("finished", "error"):
                return future
            if self.client.status != "running":
                raise _gone()
            lost = [place for place, it in self._waiting.values() if it.status in ("cancelled", "lost")]
            if lost:
                self._start_again(lost)
                return None
            with _scheduler_errors():
                is_alone = not self.client.scheduler_info(n_workers=-1)["workers"]
            if not is_alone:
                alone_since = None
            elif alone_since is None:
                alone_since = time.monotonic()
            elif time.monotonic() - alone_since > self.timeout:
                raise UnavailableError(
                    f"The Dask scheduler has had no worker for {self.timeout:g} s.",
                    fix="Start workers and type the command again: what has finished is reused.",
                )

    def _start_again(self, places: list[int]) -> None:
        """Start calls whose shared arguments are lost with the workers that held them."""
        for key in [key for key, (place, _) in self._waiting.items() if place in places]:
            del self._waiting[key]
        self._require_workers()
        self.submit(places)

    def _require_workers(self) -> None:
        """Wait for a worker after some were lost.

        Raises
        ------
        UnavailableError : none comes within `timeout` seconds, or rows were lost too often.
        """
        if self._shipments == _SHIPMENTS:
            raise UnavailableError(
                f"Dask workers were lost {_SHIPMENTS} times with the rows that they held.",
                fix="Look at their memory and logs, then type the command again: what has finished is reused.",
            )
        try:
            self.client.wait_for_workers(1, timeout=self.timeout)
        except TimeoutError:
            raise UnavailableError(
                f"All Dask workers were lost, and none came back within {self.timeout:g} s.",
                fix="Start workers and type the command again: what has finished is reused.",
            ) from None

    def _result(self, future: Any) -> Any:
        from distributed import KilledWorker

        try:
            return future.result().value
        except KilledWorker as error:
            raise UnavailableError(
                f"A call has ended several Dask workers: {reason_of(error)}.",
                fix="Look at their memory and logs, then type the command again.",
            ) from error


def _gone() -> UnavailableError:
    return UnavailableError(
        "The Dask scheduler is gone.", fix="Start it and its workers, then type the command again: what has finished is reused."
    )


@contextmanager
def _scheduler_errors() -> Iterator[None]:
    """Raise UnavailableError where the scheduler does not answer in the block."""
    try:
        yield
    except (OSError, TimeoutError) as error:  # distributed's CommClosedError is an OSError
        raise _gone() from error


def _call_checked(
    packages: tuple[str, ...], identity: Mapping[str, str], function: Callable[..., Any], *arguments: Packed
) -> Packed:
    """Make a call in a worker, which may have come after the others were checked."""
    if (here := identify(packages)) != identity:
        raise UsageError(
            f"A Dask worker has other code or libraries than the command: {differences(identity, here)}.",
            fix="Start it from the same image, in a folder with the same project.",
        )
    return Packed(run_call(function, tuple(it.value for it in arguments)))


def reason_of(error: object) -> str:
    """Return the words of an error in one line, without a full stop."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words.rstrip(".")[:300]
