"""Processes of their own, forked from one that has imported what commands need."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

#: To import them takes seconds, which each process would take for itself. The one that has them lives as long as the tests do;
#: its environment is that of the first test that asked for it, so that paths are given, not looked up.
PRELOADED = ["pytest", "tests.registry.helpers", "tests.preloaded"]


def _server() -> ForkServerContext:
    """Return the context of the process that others are forked from."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # as tests have it, also where a shared fixture comes first
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def new_processes(count: int, initializer: Callable[..., object] | None = None, *arguments: Any) -> ProcessPoolExecutor:
    """Return a pool of new processes, which share nothing with one another."""
    return ProcessPoolExecutor(count, mp_context=_server(), initializer=initializer, initargs=arguments)


class Command:
    """`python -m MODULE WORD...` as a Popen, without the time of its imports.

    In a session of its own.

    Its folder, environment, streams, signals and exit code are those of such a process. Its own imports are tested
    elsewhere: `tests/scenarios/test_make.py`, `tests/cli/test_process.py` and `make test-full`.
    """

    def __init__(self, module: str, *words: str, environment: Mapping[str, str], stdout: Path, stderr: Path) -> None:
        self._stdout, self._stderr = stdout, stderr
        arguments = (module, words, dict(environment), str(stdout), str(stderr))
        self._process = _server().Process(target=_become, args=arguments)
        self._process.start()
        self.pid = int(self._process.pid or 0)

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        return self._process.exitcode

    @property
    def returncode(self) -> int | None:
        """The exit code, negative that of a signal; None while it runs."""
        return self.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code when it has ended."""
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Return what it wrote to stdout and stderr when it has ended."""
        self.wait(timeout)
        return self._stdout.read_text(encoding="utf-8"), self._stderr.read_text(encoding="utf-8")

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


def _become(module: str, words: tuple[str, ...], environment: dict[str, str], stdout: str, stderr: str) -> None:
    """Let this process be a command."""
    os.setsid()
    multiprocessing.set_start_method(None, force=True)  # that of this process is not the one of its own children
    for number, path in enumerate((os.devnull, stdout, stderr)):
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [str(ROOT), *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv = ["", *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
