"""Worker processes of this machine, shared by the steps of a command."""

from __future__ import annotations

import gc
import importlib
import os
import pickle
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from typing import Any

from recipeline.engine._compat import ended_by, pack, pass_over_given_up_calls, running_pool
from recipeline.engine.workers import Call, Workers, run_call
from recipeline.errors import UnavailableError

# A command that is interrupted leaves results behind; that is no news.
warnings.filterwarnings("ignore", message=".*tasks (have been successfully executed|which were still)", category=UserWarning)

#: How nice workers are (`os.nice`).
_NICE = 10


class LocalWorkers(Workers):
    """`n_jobs` worker processes, -1 for one per core; 1 is the command's own process.

    `preload` is the module that they import at their start. Large arrays of shared arguments are in a file that all map.
    """

    def __init__(self, n_jobs: int, *, preload: str = "") -> None:
        self._n_jobs, self._preload = n_jobs, preload
        self._started = False
        self._starting: Iterator[Any] | None = None

    def start(self) -> None:
        """Start the processes and return at once.

        Their imports take a second, during which the caller can do other work.
        """
        from joblib import effective_n_jobs  # a fifth of a second, which a chain that is all cached need not take

        count = effective_n_jobs(self._n_jobs)
        if count > 1 and self._preload and not self._started:
            self._started = True
            self._starting = self._submit([(_prepare, (self._preload,))] * count)

    def map(self, calls: list[Call], *, ordered: bool = True) -> Iterator[Any]:
        """Start `calls` and return an iterator over their results.

        Results come in order of completion unless `ordered`. An exception of a call is raised by the iterator.

        Raises
        ------
        UnavailableError : a process was killed, by the iterator.
        """
        for _ in self._starting or ():
            pass
        self._starting = None
        return self._submit(calls, ordered=ordered)

    def begin(self, call: Call) -> Callable[[], Any]:
        """Return a function that returns the result of a call or raises its exception.

        The processes make it, if they were started and the call can be sent. Its failure is its own: one of `map` ends them.
        """
        if not self._started:
            return super().begin(call)
        try:
            # Packed here: what a process cannot unpack would end the calls of others, too.
            packed = pack(call)
            with interrupts_ignored():
                result: Callable[[], Any] = running_pool().submit(run_packed, os.getpid(), packed).result
        except Exception:  # it cannot be packed, or the processes have been ended
            return super().begin(call)
        return result

    def _submit(self, calls: list[Call], *, ordered: bool = True) -> Iterator[Any]:
        from joblib import Parallel, delayed

        pass_over_given_up_calls()
        with interrupts_ignored():
            results: Iterator[Any] = Parallel(
                n_jobs=self._n_jobs,
                return_as="generator" if ordered else "generator_unordered",
                pre_dispatch="all",
                batch_size=1,
            )(delayed(_call_for)(os.getpid(), function, arguments) for function, arguments in calls)
        return _without_killed(results)


def _without_killed(results: Iterator[Any]) -> Iterator[Any]:
    """Yield results; raise UnavailableError where a process was killed."""
    try:
        yield from results
    except BrokenProcessPool as error:
        if how := ended_by(error):
            raise UnavailableError(
                f"A worker process was ended while it made its calls ({how}), as a system does that has no memory left.",
                fix="Free memory, or lower engine.n_jobs in the profile, then type the command again: what has finished is "
                "reused.",
            ) from error
        raise


@contextmanager
def interrupts_ignored() -> Iterator[None]:
    """Let processes started in the block ignore SIGINT.

    Ctrl-C reaches all processes of a terminal; the parent ends its workers itself.
    """
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not the main thread: whoever runs us there handles signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def run_packed(command: int, call: bytes) -> Any:
    """Return the result of a packed call, in the process that makes it."""
    return _call_for(command, *pickle.loads(call))  # of this command, sent by it to a process of its own


def _call_for(command: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Return the result of a call, in the command's process or in one of its own."""
    if os.getpid() != command:
        _end_with(command)
    return run_call(function, arguments)


@cache
def _end_with(command: int) -> None:
    """Let this process end soon after the one that it works for.

    A command that is killed ends no worker. Each would fit on, wait five minutes for more, and keep the command's output open.
    """

    def watch() -> None:
        while os.getppid() == command:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _prepare(module: str) -> None:
    """Import `module` in a worker and exclude it from garbage collection.

    A worker has a lower priority than the command, which prepares and logs its work: with all cores busy, a chain takes a
    tenth less time.
    """
    os.nice(max(0, _NICE - os.nice(0)))
    gc.disable()
    importlib.import_module(module)
    gc.freeze()
    gc.enable()


def kill_workers() -> None:
    """End the processes without waiting for them, where there are any.

    For the end of a command that wants nothing more of them: to unload their modules takes them a third of a second.
    """
    if "joblib.externals.loky.reusable_executor" in sys.modules and (pool := running_pool()):
        pool.shutdown(kill_workers=True)


def stop_workers() -> None:
    """End the processes of all `LocalWorkers`; the next call starts new ones."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)
