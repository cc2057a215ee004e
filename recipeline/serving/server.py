"""The server: pre-forked workers, a folder shared by them, graceful shutdown.

Granian takes the requests: it is 2 to 3 times as fast as gunicorn with the same application (`make bench-serving`). Workers are
forked from a process that has imported all modules and opened no file, so that a new one starts in a tenth of a second.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from flask import Flask
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer
from joblib import cpu_count
from threadpoolctl import threadpool_limits

from recipeline.config.profile import Service as Settings
from recipeline.errors import UsageError
from recipeline.escape import for_terminal
from recipeline.serving.following.beginnings import Beginnings, Failure, find_failure
from recipeline.serving.following.meeting import begin_drain, drain_reader, needing_room, open_meeting
from recipeline.serving.http.listening import allow_connections, claim_address, find_address, is_loopback
from recipeline.serving.signals import Lifeline, ignoring
from recipeline.tracking.connection.store import Store

_LOG = logging.getLogger("service")

#: Threads of a worker beyond the requests that it may have at work and those that wait for their bodies: they say that there
#: are too many requests, and tell its health, whatever the others do. They are begun when they are needed.
SPARE_THREADS = 64

#: So many requests of a worker may wait for their bodies; where there are more, the one that waits longest is cut off.
PLACES = 1024

#: A header must be there within so much time, and has so many bytes at most.
_HEADERS = HTTP1Settings(header_read_timeout=10_000, max_buffer_size=64 << 10)

_RESPAWN_SECONDS = 0.1

#: Hooks that are not registered by then wait for what does not come, and no worker would begin.
_HOOKS_SECONDS = 60

#: A request that let go of the interpreter, if only to count, waits so long at most until a thread in the background does, too.
_SWITCH_SECONDS = 0.0005

#: Garbage is collected after so many objects, and older ones rarely: a look at a thousand takes less than a millisecond. A
#: prediction leaves none; other requests do.
_COLLECT_AFTER = (1000, 50, 100)

#: A client that sends so slowly that a worker waits longer than this at its end is cut off. With the drain it is within
#: the 30 s that Kubernetes grants by default.
_END_SECONDS = 20


@dataclass(frozen=True)
class Serving:
    """The settings of a worker.

    `open_store` opens the store after the fork; `add_hooks` is called with the Flask application of each worker. One worker
    asks the registry every `poll_seconds`. `log_archive` is the URI or path that finished files of the log go to, "" for none.
    """

    model_name: str
    settings: Settings
    open_store: Callable[[], Store]
    copies: Path
    log_folder: Path | None
    log_archive: str = ""
    tokens: tuple[str, ...] = field(default=(), repr=False)
    add_hooks: Callable[[Flask], object] | None = None
    poll_seconds: float = 1.0


def serve(serving: Serving, host: str, port: int, ready: Callable[[int], object] = lambda _: None) -> int:
    """Serve requests on `host` and `port` until a signal; return the signal.

    `ready` is called with the number of workers.

    Raises
    ------
    UnavailableError : the address cannot be listened on, temporary files have no room, or a worker cannot begin.
    UsageError : the hooks cannot be added.
    """
    address = find_address(host, port)
    claim = claim_address(host, address, port)
    workers = serving.settings.workers if serving.settings.workers > 0 else cpu_count()
    with claim or nullcontext(), open_meeting() as meeting, ignoring():
        _preload(meeting)
        _require_room(meeting, serving.poll_seconds)
        _try_hooks(serving)
        server = _Server(
            "serving",
            address=address,
            port=port,
            interface=Interfaces.WSGI,
            workers=workers,
            blocking_threads=serving.settings.concurrency + PLACES + SPARE_THREADS,
            backpressure=allow_connections(),
            # HTTP/2 lets one connection ask for as much as hundreds, and cannot be cut off for one of them.
            http=HTTPModes.http1,
            http1_settings=_HEADERS,
            websockets=False,
            respawn_failed_workers=True,
            respawn_interval=_RESPAWN_SECONDS,
            workers_kill_timeout=_END_SECONDS,
            log_level=LogLevels.error,
        )
        server.lifeline, server.beginnings = Lifeline(), Beginnings()
        server.begin_drain = partial(_begin_drain, meeting, claim)
        server.drain_seconds = serving.settings.drain_seconds
        server.on_startup(lambda: ready(workers))
        signal.signal(signal.SIGQUIT, server.signal_handler_interrupt)
        make_app = partial(_make_app, serving, meeting, server.lifeline, claim, is_loopback(host))
        try:
            server.serve(target_loader=partial(server.beginnings.begin, make_app), wrap_loader=False)
        finally:
            if server.failure:
                raise server.failure.as_error() from None
        return server.ended_by


class _Server(MPServer):
    """Granian with a drain period before it refuses connections.

    A second signal ends it at once.
    """

    lifeline: Lifeline
    beginnings: Beginnings
    #: How many workers have begun; until all have, one that cannot begin ends the service by its failure.
    begun = 0
    failure: Failure | None = None
    told: Failure | None = None
    begin_drain: Callable[[], object]
    drain_seconds: float
    ended_by = 0

    def _respawn_workers(self, *args: Any, **kwargs: Any) -> None:
        """Respawn workers also where they end twice within seconds.

        Granian would give up; a service that can answer continues. One whose workers cannot begin would never answer.
        """
        begun, failures = self.beginnings.read()
        self.begun += begun
        if failures and self.begun < self.workers:
            self.failure, self.interrupt_signal = failures[0], True
            self.main_loop_interrupt.set()
            return
        for told in {*failures} - {self.told}:
            _LOG.error("a worker that would take the place of another cannot begin, and is tried again: %s", told.words)
            self.told = told
        super()._respawn_workers(*args, **kwargs)
        self.respawned_wrks.clear()

    def _stop_workers(self) -> None:
        self.lifeline.cut(len(self.wrks))
        super()._stop_workers()  # type: ignore[no-untyped-call]

    def signal_handler_reload(self, *_: Any) -> None:
        """Do nothing.

        Granian would end its workers before others answer; changes of Production need no reload.
        """

    def signal_handler_interrupt(self, *args: Any) -> None:
        end: Callable[[], object] = super().signal_handler_interrupt
        is_urgent = self.ended_by != 0 or args[0] == signal.SIGQUIT
        self.ended_by = int(args[0])
        self.begin_drain()
        if is_urgent or not self.drain_seconds:
            end()
        else:
            timer = threading.Timer(self.drain_seconds, end)
            timer.daemon = True  # a second signal does not wait for it
            timer.start()


def _preload(meeting: Path) -> None:
    """Import what the workers need, before they are forked."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(meeting)  # prometheus_client reads it when it is imported
    for module in (
        "recipeline.serving.http.app",
        "recipeline.serving.following.follower",
        "mlflow.artifacts",
        "skops.io",
        "sklearn.ensemble",
        "sklearn.svm",
        "sklearn.pipeline",
    ):
        importlib.import_module(module)
    # Imported objects live as long as the service. A collection of garbage among them would now and then stop a worker for a
    # tenth of a second, and give each worker a copy of its own.
    gc.collect()
    gc.freeze()


def _require_room(meeting: Path, poll_seconds: float) -> None:
    """Make the board before the workers, with its space on the disk.

    Raises
    ------
    UnavailableError : there is no room for it, or for what is written beside it.
    """
    from recipeline.serving.following.polling import Board

    with needing_room():
        Board(meeting, poll_seconds).require_room()


def _try_hooks(serving: Serving) -> None:
    """Register the hooks in a process of its own, to test them.

    Failing ones would restart workers for ever.

    Raises
    ------
    UsageError : that fails.
    """
    if serving.add_hooks is None:
        return
    if reason := find_failure(partial(_add_hooks, serving), _HOOKS_SECONDS):
        raise UsageError(
            "The profile's service.hooks must be a function that takes the Flask application.",
            got=f"'{serving.settings.hooks}', {reason},",
            fix="Correct it.",
        )


def _add_hooks(serving: Serving) -> None:
    from recipeline.serving.http.app import create_app
    from recipeline.serving.prometheus import Metrics
    from recipeline.serving.state import Service

    create_app(Service(serving.model_name, serving.settings, Metrics()), serving.add_hooks)


class _Lines(logging.Formatter):
    """The formatter of log lines, control characters escaped."""

    def format(self, record: logging.LogRecord) -> str:
        return for_terminal(super().format(record))


def _begin_drain(meeting: Path, claim: socket.socket | None) -> None:
    """Tell all workers to drain; from their end on another service may listen."""
    begin_drain(meeting)
    if claim:
        claim.close()


def _make_app(serving: Serving, meeting: Path, lifeline: Lifeline, claim: socket.socket | None, is_private: bool) -> Flask:
    """Return the application of one worker and start its registry follower."""
    lifeline.follow(meeting, within=_END_SECONDS)
    if claim:
        claim.close()  # the worker's own, else it would hold the address longer than its parent
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.set_threshold(*_COLLECT_AFTER)
    from recipeline.registry.stages import CHAMPION
    from recipeline.serving._compat import hand_over
    from recipeline.serving.following.follower import Watch
    from recipeline.serving.following.polling import Board, Poller
    from recipeline.serving.http.app import create_app
    from recipeline.serving.http.gateway import Arrivals, Gateway
    from recipeline.serving.logs.background import BackgroundLog, to_stderr
    from recipeline.serving.logs.opening import open_request_log
    from recipeline.serving.prometheus import Metrics
    from recipeline.serving.self_watch.watch import SelfWatch
    from recipeline.serving.shadow.answering import Shadow
    from recipeline.serving.state import Service

    threadpool_limits(1)  # a core has one worker; threads of its linear algebra would only get in the way of others
    logging.basicConfig(level=logging.INFO, force=True)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_Lines("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    settings, metrics = serving.settings, Metrics(meeting)
    service = Service(serving.model_name, settings, metrics, serving.tokens, drain_reader(meeting), is_private)
    if settings.access_log:
        service.access_log = BackgroundLog(to_stderr, bytes, metrics.dropped.labels("access").inc)
    if settings.shadow:
        service.shadow = Shadow(serving.model_name, settings, metrics.shadow)
    archiver = None
    if settings.prediction_log and serving.log_folder:
        archiver = open_request_log(service, serving.log_folder, serving.log_archive, meeting)
    if settings.self_watch_rows:
        service.self_watch = SelfWatch(settings.self_watch_rows, metrics.dropped.labels("self-watch").inc)
    for one in (service.access_log, archiver, service.prediction_log, service.quota, service.self_watch, service.shadow):
        if one:
            Finalize(None, one.close, exitpriority=0)  # at its end, what is still in the queue; the last one first
    aliases = [CHAMPION, settings.shadow] if settings.shadow else [CHAMPION]
    board = Board(meeting, serving.poll_seconds)
    service.wake = board.wake
    Poller(board, serving.open_store, serving.model_name, aliases).start()
    watch = partial(Watch, open_store=serving.open_store, trusted=settings.trusted_types, board=board)
    watch(service, folder=serving.copies).start()
    if service.shadow:
        # In a folder of its own: a copy that was in shadow is none to be recalled where Production is away.
        folder = serving.copies.with_name(f"{serving.copies.name} shadow")
        watch(service.shadow, folder=folder, alias=settings.shadow, recalls=False).start(wait_seconds=0)
    app, arrivals = create_app(service, serving.add_hooks), Arrivals(settings.body_seconds, PLACES)
    arrivals.watch()
    hand_over(Gateway(app, arrivals))
    return app
