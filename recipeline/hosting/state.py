"""The folder of a server: ports, secrets and records of its processes."""

from __future__ import annotations

import base64
import json
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from recipeline.errors import UnavailableError, UsageError

#: The folder's name in a project; git ignores it.
FOLDER = ".server"

#: What listens on this machine; an object store has a port for each of its parts.
PORTS = (
    "mlflow",
    "postgres",
    "s3",
    "s3_grpc",
    "filer",
    "filer_grpc",
    "master",
    "master_grpc",
    "volume",
    "volume_grpc",
)

#: How long a command waits for another one that starts or stops the same server, in seconds.
_LOCK_SECONDS = 300


@dataclass(frozen=True)
class Secrets:
    """The generated secrets of a server."""

    postgres_password: str
    s3_access_key: str
    s3_secret_key: str
    #: Between the parts of the object store.
    store_key: str
    #: Encrypts the secrets of webhooks in the database; base64 of 32 bytes.
    webhook_key: str

    @classmethod
    def generate(cls) -> Secrets:
        """Return new secrets."""
        webhook_key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        return cls(secrets.token_hex(24), secrets.token_hex(10), secrets.token_hex(24), secrets.token_hex(32), webhook_key)


@dataclass(frozen=True)
class ServerFolder:
    """The folder of a server; only its user can read it."""

    path: Path

    @property
    def exists(self) -> bool:
        """Whether a server was started in it before."""
        return (self.path / "ports.json").is_file()

    @property
    def logs(self) -> Path:
        """The folder of the logs."""
        return self.path / "logs"

    def make(self) -> None:
        """Create the folder, for this user only."""
        for folder in (self.path, self.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)

    def lock(self) -> filelock.BaseFileLock:
        """Return the lock of the commands that start or stop the server."""
        return filelock.FileLock(self.path / "lock", timeout=_LOCK_SECONDS)

    def read(self, name: str) -> Any:
        """Return the content of a JSON file of the folder; None if there is none.

        Raises
        ------
        UnavailableError : it is not JSON.
        """
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError:
            raise UnavailableError(
                f"The file {self.path / name} is not valid JSON.", fix="Restore it, or move the folder away for a new server."
            ) from None

    def write(self, name: str, content: str | Mapping[str, str] | Mapping[str, float]) -> None:
        """Write a file of the folder, whole or not at all, readable by this user only."""
        text = content if isinstance(content, str) else json.dumps(content, indent=2) + "\n"
        new = self.path / f"{name}.new"
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        new.replace(self.path / name)

    def forget(self, name: str) -> None:
        """Delete a file of the folder."""
        (self.path / name).unlink(missing_ok=True)

    def secrets(self) -> Secrets:
        """Return the server's secrets, generated at its first start."""
        known = self.read("secrets.json")
        if known is None:
            if self.exists:
                raise UnavailableError(
                    f"The secrets of the server are gone: no {self.path / 'secrets.json'}.",
                    fix="Restore the file, or move the folder away for a new server.",
                )
            known = vars(Secrets.generate())
            self.write("secrets.json", known)
        return Secrets(**known)

    def ports(self, wanted: str = "") -> dict[str, int]:
        """Return the server's ports; those of an earlier start where there was one.

        `wanted` is MLflow's; "": the earlier one, else any free port.

        Raises
        ------
        UsageError : `wanted` is no port.
        """
        if wanted and not (wanted.isascii() and wanted.isdigit() and 0 < int(wanted) < 65536):
            raise UsageError("port must be a number from 1 to 65535.", got=f"'{wanted}'", fix="Leave it out for a free one.")
        known: dict[str, int] = self.read("ports.json") or dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
        return {**known, "mlflow": int(wanted)} if wanted else known


def _free_ports(count: int) -> Sequence[int]:
    """Return ports of the loopback address that nobody listens on now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in sockets]
