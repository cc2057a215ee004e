"""Processes that outlive the command that started them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from recipeline.errors import UnavailableError
from recipeline.hosting.state import ServerFolder

#: How often something is looked at that is awaited, in seconds.
_LOOK_SECONDS = 0.1

#: How many of a log's last lines an error shows.
_LINES = 5


def find(folder: ServerFolder, name: str) -> psutil.Process | None:
    """Return the running process that was started under a name; None if it has ended.

    Another process that got the same ID later is not taken for it.
    """
    record = folder.read(f"{name}.pid.json")
    if record is None:
        return None
    with suppress(psutil.Error):
        process = psutil.Process(record["pid"])
        if process.create_time() == record["started"] and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def start(
    folder: ServerFolder, name: str, command: Sequence[str], *, environment: Mapping[str, str], ports: Iterable[int]
) -> psutil.Process:
    """Start a process in a session of its own, with a log and a record of its ID.

    If an earlier one of that name left children running, they are ended before.

    Raises
    ------
    UnavailableError : another program listens on one of the ports.
    """
    end_session(folder, name)
    for port in ports:
        require_free(port, name)
    with open(log_of(folder, name), "ab", opener=_private) as log:
        popen = subprocess.Popen(
            command,
            cwd=folder.path,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _CHILDREN.append(popen)
    try:
        process = psutil.Process(popen.pid)
        folder.write(f"{name}.pid.json", {"pid": popen.pid, "started": process.create_time()})
    except BaseException:
        popen.kill()
        raise
    return process


#: Those that this process started: Python warns about one that is forgotten while it runs.
_CHILDREN: list[subprocess.Popen[bytes]] = []


def wait_until(is_ready: Callable[[], bool], process: psutil.Process, log: Path, *, name: str, seconds: float) -> None:
    """Wait until a started process is ready.

    Raises
    ------
    UnavailableError : it ended, or is not ready in time; with the last lines of its log.
    """
    deadline = time.monotonic() + seconds
    while not is_ready():
        has_ended = not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
        if has_ended or time.monotonic() > deadline:
            problem = "ended while it started" if has_ended else f"was not ready after {seconds:.0f} s"
            raise UnavailableError(f"{name} {problem}.", fix=f"Its log is {log}.", details=_last_lines(log))
        time.sleep(_LOOK_SECONDS)


def stop(folder: ServerFolder, name: str, *, how: signal.Signals, seconds: float) -> bool:
    """End the process of a name and its children; return whether it was running.

    After `seconds` it is killed.
    """
    process = find(folder, name)
    if process is not None:
        with suppress(psutil.Error):
            process.send_signal(how)
            with suppress(psutil.TimeoutExpired):
                process.wait(seconds)
    end_session(folder, name)
    folder.forget(f"{name}.pid.json")
    return process is not None


def end_session(folder: ServerFolder, name: str) -> None:
    """Kill the remaining processes of the session of a name.

    Children of a process that was killed go on without it. Those of a later session with the same ID are left alone.
    """
    record = folder.read(f"{name}.pid.json")
    if record is None or _is_another(record):
        return
    left, path = [], folder.path.resolve()
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if os.getsid(process.pid) != record["pid"]:
                continue
            # All of them work in the folder; after a new boot, the children of a later leader that has ended do not.
            if process.pid == record["pid"] or Path(process.cwd()).is_relative_to(path):
                process.kill()
                left.append(process)
    psutil.wait_procs(left, timeout=10)


def _is_another(record: Mapping[str, float]) -> bool:
    """Whether a process has the ID of a record, and began at another time.

    No process gets the ID of a session that has members left: then the recorded session is gone.
    """
    with suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(int(record["pid"])).create_time() != record["started"])
    return False


def log_of(folder: ServerFolder, name: str) -> Path:
    """Return the log of a name."""
    return folder.logs / f"{name}.log"


def require_free(port: int, name: str) -> None:
    """Raise UnavailableError if a program listens on a port of this machine."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            fix = "End that program" + (", or choose another port with port=." if name == "mlflow" else ".")
            raise UnavailableError(f"Another program listens on port {port} of this machine.", fix=fix) from None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _last_lines(log: Path) -> list[str]:
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    lines = [re.sub(r"\s+", " ", line).strip()[:200] for line in text.splitlines()]
    return [line for line in lines if line][-_LINES:]
