"""The processes that fit: started early, shared by the steps of a command."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# A command that is interrupted leaves results behind; that is no news.
warnings.filterwarnings("ignore", message=".*tasks (have been successfully executed|which were still)", category=UserWarning)

#: How nice workers are (`os.nice`).
_NICE = 10

Call = tuple[Callable[..., Any], tuple[Any, ...]]


class Workers:
    """`n_jobs` worker processes, -1 for one per core; what they return does not depend on how many there are.

    `preload` is the module that they import when they are started.
    """

    def __init__(self, n_jobs: int, *, preload: str = "") -> None:
        self._n_jobs, self._preload = n_jobs, preload
        self._started = False
        self._starting: Iterator[Any] | None = None

    def start(self) -> None:
        """Start the processes and return at once: they take a second to import what they need, and the caller has other
        things to do meanwhile.
        """
        from joblib import effective_n_jobs  # a fifth of a second, which a chain that is all cached need not take

        count = effective_n_jobs(self._n_jobs)
        if count > 1 and self._preload and not self._started:
            self._started = True
            self._starting = self.map([(_prepare, (self._preload,))] * count)

    def map(self, calls: list[Call], *, ordered: bool = True) -> Iterator[Any]:
        """Return an iterator over the results of `calls`, which are under way when this returns; as they come, unless ordered.

        What a call raises is raised by the iterator.
        """
        from joblib import Parallel, delayed

        for _ in self._starting or ():
            pass
        self._starting = None
        with _interrupts_ignored():
            results: Iterator[Any] = Parallel(
                n_jobs=self._n_jobs,
                return_as="generator" if ordered else "generator_unordered",
                pre_dispatch="all",
                batch_size=1,
            )(delayed(function)(*arguments) for function, arguments in calls)
        return results


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Let the processes that are started in the block ignore SIGINT: Ctrl-C reaches all of a terminal, and we end them."""
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not the main thread: whoever runs us there handles signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _prepare(module: str) -> None:
    """Import `module`, in a worker; what is imported lives as long as the process, and is not worth collecting.

    A worker gives way to the command, which has its work to prepare and to log: where all cores are busy, a chain takes a
    tenth less time.
    """
    os.nice(max(0, _NICE - os.nice(0)))
    gc.disable()
    importlib.import_module(module)
    gc.freeze()
    gc.enable()


def stop_workers() -> None:
    """End the processes that a `Workers` has started; the next call starts new ones."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)
