"""The server of this machine in words."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recipeline.errors import UsageError

if TYPE_CHECKING:
    from recipeline.hosting.stack import ServerStatus


@dataclass(frozen=True)
class ServerPart:
    """A part of the server: name, address and process ID; None: it is not running."""

    title: str
    address: str
    pid: int | None


@dataclass(frozen=True)
class ServerValues:
    """The server for ``--json``: its folder, address and parts; no secrets."""

    folder: str
    tracking_uri: str
    is_running: bool
    parts: tuple[ServerPart, ...]


@dataclass(frozen=True)
class StoppedValues:
    """The parts that were stopped, by name, and the folder with their data."""

    folder: str
    stopped: tuple[str, ...]


def as_values(status: ServerStatus) -> ServerValues:
    """Return the server for ``--json``."""
    parts = tuple(ServerPart(part.title, part.address, part.pid) for part in status.parts)
    return ServerValues(str(status.folder.path), status.tracking_uri, status.is_running, parts)


def count_workers(wanted: str, cores: int | None) -> int:
    """Return the number of worker processes; "": one per core, 2 to 4.

    Raises
    ------
    UsageError : `wanted` is not a positive number.
    """
    if not wanted:
        return min(4, max(2, cores or 2))
    if not (wanted.isascii() and wanted.isdigit() and 0 < int(wanted) <= 64):
        raise UsageError("workers must be a number from 1 to 64.", got=f"'{wanted}'", fix="Leave it out for one per core.")
    return int(wanted)


def describe(status: ServerStatus) -> str:
    """Return what runs, its addresses and what to type; no secrets."""
    from recipeline.hosting.stack import DIRECT

    lines = [
        f"{part.title:<14}{'stopped' if part.pid is None else f'process {part.pid}':<18}{part.address}" for part in status.parts
    ]
    if not status.is_running:
        return "\n".join([*lines, "", "Start what is stopped: make server-up"])
    folder = status.folder.path
    return "\n".join(
        [
            *lines,
            "",
            "Use it:",
            f"  export MLFLOW_TRACKING_URI={status.tracking_uri}",
            '  make pipeline ARGS="profile=server"',
            "Artifacts straight to the object store, not through MLflow's server:",
            f"  . {shlex.quote(str(folder / DIRECT))}",
            f"Logs are in {folder / 'logs'}. Secrets are in {folder}, which only you can read.",
        ]
    )
