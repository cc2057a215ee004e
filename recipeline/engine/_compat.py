"""Private parts of joblib that the library relies on (1.4 to 1.6).

They may change with any release of joblib: `tests/engine/test_compat.py` tries each. Where one is missing, a worker is a new
Python process, as joblib starts it.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

#: The variables by which joblib limits the threads of its workers, by kind of library.
_THREADS = {"openmp": "OMP_NUM_THREADS", "blas": "OPENBLAS_NUM_THREADS"}


#: Libraries that use OpenMP, or start threads by themselves.
_THREADED = {"mlflow", "sklearn"}


def may_fork() -> bool:
    """Whether this is a process of Linux whose forks can work.

    Either nothing is imported yet that starts threads, besides numpy: those of OpenBLAS end for a fork, and start again. Or
    there is but one thread. OpenMP waits in a fork for the threads that its parent has used, and locks of other threads are
    never released there.
    """
    if sys.platform != "linux" or threading.active_count() > 1:
        return False
    return _THREADED.isdisjoint(sys.modules) or len([*Path("/proc/self/task").iterdir()]) == 1


@contextlib.contextmanager
def forked_workers() -> Iterator[None]:
    """Let worker processes that joblib starts in the block be forks of this one.

    They have imported what this process has, for nothing; else they are as new ones: their work, their environment and their
    files reach them in the same way. The process must be one that `may_fork` when it begins to import; one that has threads by
    now is not forked.
    """
    from joblib.externals.loky.backend import fork_exec as backend

    start = getattr(backend, "fork_exec", None)
    if sys.platform != "linux" or start is None or threading.active_count() > 1:
        yield
        return
    backend.fork_exec = fork
    try:
        yield
    finally:
        backend.fork_exec = start


def fork(command: Sequence[str], files: Collection[int], env: Mapping[str, str] | None = None) -> int:
    """Fork a worker and return its process ID; the worker does not return.

    `command` names the pipe that it reads its work from, `files` are the descriptors that it keeps besides the standard ones.
    """
    with warnings.catch_warnings():
        # Python 3.12 counts the threads of OpenBLAS, which ends them before a fork, and starts them again.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process:
        return process
    code = 1
    try:
        gc.disable()
        gc.freeze()  # nothing of the parent is finalised here
        _close_others(files)
        # A terminal, a notebook or a test may have put others in their place.
        sys.stdout, sys.stderr = (os.fdopen(file, "w", 1, errors="backslashreplace", closefd=False) for file in (1, 2))
        _begin_anew(dict(env or {}))
        code = _work(int(command[command.index("--pipe") + 1]))
    except BaseException:
        traceback.print_exc()
    finally:
        _end(code)


def _close_others(files: Collection[int]) -> None:
    """Close the descriptors of the parent but those given and the standard ones."""
    kept = {0, 1, 2, *map(int, files)}
    for file in {int(path.name) for path in Path("/proc/self/fd").iterdir()} - kept:
        with contextlib.suppress(OSError):  # that of the listing itself
            os.close(file)


def _begin_anew(env: Mapping[str, str]) -> None:
    """Make a fork as a new process is: signals, environment, threads, random numbers."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    signal.setitimer(signal.ITIMER_REAL, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    os.environ.update(env)
    # Variables are read when a library is loaded.
    threadpool_limits({kind: int(env[name]) for kind, name in _THREADS.items() if name in env})
    # What draws without a seed would draw the same in all forks.
    np.random.seed()


def _work(pipe: int) -> int:
    """Do what joblib's own worker does: read the work from a pipe, and do it."""
    from joblib.externals.loky.backend import spawn

    current: Any = multiprocessing.current_process()
    with os.fdopen(pipe, "rb") as parent:
        current._inheriting = True
        try:
            spawn.prepare(pickle.load(parent))
            worker = pickle.load(parent)
        finally:
            del current._inheriting
    code: int = worker._bootstrap()
    return code


def _end(code: int) -> NoReturn:
    """End a fork without what the parent has left for its own end."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
