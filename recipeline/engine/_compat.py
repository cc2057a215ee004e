"""Undocumented behaviour of joblib's worker processes that the engine relies on.

It may change with any release: `tests/engine/test_compat.py` tries it.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from typing import Any


@cache
def pass_over_given_up_calls() -> None:
    """Let the thread that hands out calls pass over those that were given up.

    When a call fails, joblib gives up the ones that wait. The thread looks for them all the same, and ended with a traceback
    on stderr.
    """
    with suppress(ImportError, AttributeError):
        from joblib.externals.loky.process_executor import _ExecutorManagerThread as Thread

        hand_out = Thread.add_call_item_to_queue

        def hand_out_others(thread: Any) -> None:
            while True:
                with suppress(KeyError):  # each takes one number of a call from the queue
                    hand_out(thread)
                    return

        Thread.add_call_item_to_queue = hand_out_others


def pack(value: object) -> bytes:
    """Return a value, which may hold functions of any kind, as bytes for a worker."""
    from joblib.externals.loky.backend.reduction import dumps

    return bytes(dumps(value))


def running_pool() -> Any:
    """Return the pool of processes that joblib uses; None before it is made.

    A call of joblib's own, `Parallel`, ends all processes where it fails or is not waited for.
    """
    from joblib.externals.loky import reusable_executor

    return reusable_executor._executor


def ended_by(error: BaseException) -> str:
    """Return how killed processes ended, as "SIGKILL(-9)"; of another error "".

    A process that cannot unpack its call raises an error of the same kind, which is a bug.
    """
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    if not isinstance(error, TerminatedWorkerError):
        return ""
    found = re.search(r"exit codes of the workers are \{(.*?)\}", str(error))
    return found[1] if found else "unexpectedly"
