"""A warm `python`: commands forked from a process with all imports done.

To import MLflow and scikit-learn takes most of a small command's time. The arguments, the folder, the environment, the input
and output and the exit code are as in a process of its own; that each step imports what it needs, `make test-full` sees.

Usage: warm.py serve SOCKET, in the project's folder, once; warm.py run SOCKET MODULE ARGUMENT..., for each command
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: The variable of the environment that lets the plots of cards be empty: to draw them takes a third of a small chain's time.
UNDRAWN = "TESTS_UNDRAWN"

_LONGEST = 1 << 20


def serve(path: str) -> None:
    """Run commands one after the other; end with the process's parent."""
    sys.path[0] = str(Path.cwd())
    import_all()
    parent = os.getppid()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        listener.settimeout(1)
        while os.getppid() == parent:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with connection:
                request, streams, *_ = socket.recv_fds(connection, _LONGEST, 3)
                child = os.fork()
                if not child:
                    _become(json.loads(request), streams)
                    return
                for stream in streams:
                    os.close(stream)
                connection.sendall(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())


def paint_nothing(page: Any) -> Callable[[Any], Any]:
    """Return a maker of empty plots, in place of the page's.

    That of `recipeline.reports.page._plot_drawer`.
    """
    from markupsafe import Markup

    def paint(plot: Any) -> Markup:
        page.plots[plot.name] = b""
        return Markup("<svg></svg>")

    return paint


def import_all(root: Path = Path()) -> None:
    """Import the library and the cards, but no step, for `python -m`.

    It runs a module that nobody has imported.

    Neither the service: what counts its requests reads the environment when it is imported.
    """
    paths = [path.relative_to(root).with_suffix("") for path in (root / "recipeline").rglob("[a-z]*.py")]
    own = [".".join(path.parts) for path in paths if not {"commands", "serving"} & set(path.parts)]
    stores = [f"mlflow.store.{name}.sqlalchemy_store" for name in ("tracking", "model_registry")]
    for name in ("scipy.special", "skops.io", "mlflow.pyfunc", "mlflow.sklearn", "matplotlib.figure", *stores, *own):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:  # the client of an extra that is not installed
            if not name.startswith("recipeline.") or str(error.name).startswith("recipeline"):
                raise


def _become(request: dict, streams: list[int]) -> None:  # type: ignore[type-arg]
    """Let this process be the command that was asked for; it ends as that does."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    if UNDRAWN in os.environ:
        importlib.import_module("recipeline.reports.page")._plot_drawer = paint_nothing
    sys.argv = ["", *request["arguments"]]
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


def run(path: str, module: str, *arguments: str) -> int:
    """Have a command run by the process that serves at `path`; return its exit code."""
    request = {"module": module, "arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
        return int(connection.recv(16) or 1)


if __name__ == "__main__":
    sys.exit({"serve": serve, "run": run}[sys.argv[1]](*sys.argv[2:]))
