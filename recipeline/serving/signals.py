"""Signals of the service, in the parent and in its workers.

| signal | parent | worker |
| --- | --- | --- |
| TERM, INT | drain, then end; a second one ends at once | none: the parent tells it |
| QUIT | end at once | none: the parent tells it |
| KILL, and faults (SEGV, ABRT, ...) | the workers end with it | the parent begins another one |
| STOP, CONT and the terminal's | default | default |
| all others: HUP, USR1, USR2, ALRM, ... | none: there is nothing to reload | none |

A process manager may send a signal to the parent or to all processes alike: the effect is the same.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

#: Signals that end the service.
ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})

_FAULTS = {
    *(signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS),
    signal.SIGXCPU,
}

_AS_EVER = {
    *(signal.SIGKILL, signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCONT),
    *(signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH),
}

#: Most of these would end a process that does not know them.
IGNORED = frozenset(signal.valid_signals() - ENDING - _FAULTS - _AS_EVER)


@contextlib.contextmanager
def ignoring() -> Iterator[None]:
    """Ignore signals without a meaning for a service during the block."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in IGNORED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(frozen=True)
class Lifeline:
    """A pipe that the parent holds open; its workers end when it is closed.

    The death of the parent closes it too.
    """

    ends: tuple[Connection, Connection] = field(default_factory=lambda: Pipe(duplex=False))

    def cut(self, workers: int) -> None:
        """End the workers; called by the parent with their number."""
        os.write(self.ends[1].fileno(), b"." * workers)
        self.ends[1].close()

    def follow(self, folder: Path, *, within: float) -> None:
        """End this worker with the lifeline, after its requests, `within` seconds.

        Call it before there are other threads. If the parent has died, the worker deletes its `folder`.

        The handler of SIGTERM, which is the server's, is called in a thread of its own. Python would run it in the main thread,
        which sleeps in a lock that only a signal to itself would wake: under load the kernel now and then gave the signal to a
        thread that was just being made, and the worker went on for ever (1 of 30 ends).
        """
        wait_end, held = self.ends
        held.close()  # the worker's own, else it would never see the end of its parent
        for number in IGNORED:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not its parent's
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # and so in every thread that is made from now on

        def end() -> None:
            if not os.read(wait_end.fileno(), 1):  # not told: the parent is gone
                shutil.rmtree(folder, ignore_errors=True)
            handler: Callable[[int, Any], object] | Any = signal.getsignal(signal.SIGTERM)
            if callable(handler):  # else the server has not begun
                handler(signal.SIGTERM, None)
                time.sleep(within)
            os._exit(128 + signal.SIGTERM)

        threading.Thread(target=end, name="lifeline", daemon=True).start()
