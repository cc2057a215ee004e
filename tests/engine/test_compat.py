"""Each private part of joblib that the library uses, against the installed joblib."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from joblib.externals.loky.backend import fork_exec as backend

from recipeline.engine import _compat
from tests.conftest import ROOT

#: A process that opens a file, imports a module, and asks two workers what they have of that.
_FORKS = """
import json, os, signal, sys, time
from recipeline.engine._compat import may_fork
may = [may_fork()]
from recipeline.engine.local import LocalWorkers

def ask(number):
    import threadpoolctl, numpy as np
    time.sleep(0.3)  # both have a call then
    said = print("a worker's words")
    files = [os.readlink(f"/proc/self/fd/{it}") for it in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{it}")]
    return {
        "pid": os.getpid(), "parent": os.getppid(), "argv": sys.argv, "has": "wave" in sys.modules, "files": files,
        "threads": sorted({it["num_threads"] for it in threadpoolctl.threadpool_info()}), "set": os.environ["OMP_NUM_THREADS"],
        "signals": [int(signal.getsignal(it)) for it in (signal.SIGTERM, signal.SIGINT)], "drawn": float(np.random.rand()),
    }

if __name__ == "__main__":
    import wave
    import numpy as np
    kept = open("/proc/self/cmdline")
    signal.signal(signal.SIGTERM, lambda *_: None)
    workers = LocalWorkers(2, preload="recipeline.training.weights")
    workers.start(forks=FORKS)
    found = list(workers.map([(ask, (number,)) for number in range(2)]))
    may.append(may_fork())
    print(json.dumps({"me": os.getpid(), "may": may, "found": found}))
"""


def ask_workers(*, forks: bool) -> dict[str, Any]:
    code = _FORKS.replace("FORKS", str(forks))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert done.stderr == ""
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")
def test_a_forked_worker_has_the_imports_of_the_command_and_else_is_as_a_new_one() -> None:
    made = ask_workers(forks=True)
    assert made["may"] == [True, False]
    first, second = made["found"]
    assert {first["parent"], second["parent"]} == {made["me"]}
    assert len({first["pid"], second["pid"], made["me"]}) == 3
    assert first["drawn"] != second["drawn"]
    for one in (first, second):
        assert one["has"] is True
        assert (one["threads"], one["set"]) == ([int(one["set"])], one["set"])
        assert one["signals"] == [0, 1]  # the default, and ignored
        assert not any("cmdline" in file for file in one["files"])


@pytest.mark.full
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")
def test_the_checks_above_tell_a_fork_from_a_new_process() -> None:
    for one in ask_workers(forks=False)["found"]:
        assert one["has"] is False
        assert one["threads"] == [int(one["set"])]
        assert one["signals"] == [0, 1]


@pytest.fixture
def _as_before() -> Iterator[None]:
    before = backend.fork_exec
    yield
    assert backend.fork_exec is before


@pytest.mark.usefixtures("_as_before")
def test_workers_are_forked_in_the_block_only(monkeypatch: pytest.MonkeyPatch) -> None:
    before = backend.fork_exec
    assert [*inspect.signature(before).parameters] == ["cmd", "keep_fds", "env"]
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    seen = []

    def fail() -> None:
        with _compat.forked_workers():
            seen.append(backend.fork_exec)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert seen == [_compat.fork]
    assert backend.fork_exec is before


@pytest.mark.usefixtures("_as_before")
@pytest.mark.parametrize(("system", "threads"), [("darwin", 1), ("linux", 2)])
def test_a_process_with_threads_or_of_another_system_is_not_forked(
    monkeypatch: pytest.MonkeyPatch, system: str, threads: int
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(threading, "active_count", lambda: threads)
    before = backend.fork_exec
    with _compat.forked_workers():
        assert backend.fork_exec is before
    assert _compat.may_fork() is False


@pytest.mark.parametrize(
    ("imported", "threads", "may"), [((), 3, True), (("sklearn",), 1, True), (("sklearn",), 2, False), (("mlflow",), 2, False)]
)
def test_a_fork_is_made_before_libraries_with_threads_or_without_any(
    monkeypatch: pytest.MonkeyPatch, imported: tuple[str, ...], threads: int, may: bool
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.setattr(sys, "modules", dict.fromkeys(imported))
    monkeypatch.setattr(_compat, "Path", lambda _: SimpleNamespace(iterdir=lambda: iter(range(threads))))
    assert _compat.may_fork() is may


def test_a_fork_that_fails_ends_and_says_why(capfd: pytest.CaptureFixture[str]) -> None:
    process = _compat.fork(["python", "--pipe", "999"], (), {})
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 1
    assert "Bad file descriptor" in capfd.readouterr().err
