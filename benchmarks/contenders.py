"""The servers of the comparison: installation, start, requests and answers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.load import ask, build_request, free_port
from recipeline.config.profile import Service

ROOT = Path(__file__).resolve().parents[1]
PEERS = Path(__file__).with_name("peers")
MODEL = "models:/WineQualityBestModel/Production"
#: A server that answers nothing for so long is not started.
START_SECONDS = 120.0
#: From the first answer on, for the other workers to start.
SETTLE_SECONDS = 2.0
OURS, MLFLOW, ECHO = "ours", "mlflow models serve", "bare echo, same server"
UNWATCHED = "ours, without its self-watch"
MLFLOW_DEFAULT = "mlflow models serve, 1 worker"
MLSERVER_VERSION, BENTOML_VERSION = "1.7.1", "1.4.39"
Row = Mapping[str, float]


class Skipped(Exception):
    """A contender that does not install or start; the text says why."""


@dataclass(frozen=True)
class Place:
    """Shared locations: run folder, profile, store, model folder, processes."""

    folder: Path
    profile: Path
    tracking_uri: str
    model: Path
    workers: int
    environments: Path


@dataclass(frozen=True)
class Contender:
    """A server.

    `command` gets the port; `encode` makes a body of rows, and `decode` predictions of a body, or a count.
    """

    name: str
    command: Callable[[int], list[str]]
    path: str = "/predict"
    encode: Callable[[list[Row]], Any] = list
    decode: Callable[[Any], Any] = lambda body: body["predictions"]
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path = ROOT
    install: Callable[[], None] = lambda: None

    def request(self, port: int, rows: list[Row]) -> bytes:
        """Return the request for the predictions of `rows`."""
        return build_request(port, self.path, json.dumps(self.encode(rows)).encode())

    @contextmanager
    def started(self, log: Path, rows: list[Row]) -> Iterator[int]:
        """Start the server with its output in `log`; yield its port, and end it.

        The port is yielded when it answers `rows`.

        Raises
        ------
        Skipped : it cannot be started here.
        """
        port, environment = free_port(), {**inherited(), **self.environment}
        with log.open("wb") as file:
            server = subprocess.Popen(
                self.command(port), cwd=self.folder, env=environment, stdout=file, stderr=file, start_new_session=True
            )
            try:
                self._wait(server, port, rows, log)
                time.sleep(SETTLE_SECONDS)
                yield port
            finally:
                _end(server)

    def _wait(self, server: subprocess.Popen[bytes], port: int, rows: list[Row], log: Path) -> None:
        deadline, status = time.monotonic() + START_SECONDS, 0
        while time.monotonic() < deadline:
            if server.poll() is not None:
                raise Skipped(f"it ended with {server.returncode}: {last_line(log.read_text(errors='replace'))}")
            try:
                status = ask(port, self.request(port, rows)).status
            except (OSError, ValueError):
                status = 0
            if status == 200:
                return
            time.sleep(0.2)
        said = last_line(log.read_text(errors="replace"))
        raise Skipped(f"no answer with status 200 within {START_SECONDS:g} s, last {status or 'none'}: {said}")


def last_line(text: str) -> str:
    """Return the last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no output"


def _end(server: subprocess.Popen[bytes]) -> None:
    """End a server and all that it started: they are one process group."""
    for number, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 15)):
        try:
            os.killpg(server.pid, number)
            server.wait(timeout=seconds)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def inherited() -> dict[str, str]:
    """Return the environment without the user's store and run.

    This environment's programs come first.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    return kept | {"PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}", "MLFLOW_DISABLE_TELEMETRY": "true"}


# --- the contenders ------------------------------------------------------------------------------------------------------


def all_contenders(place: Place) -> list[Contender]:
    """Return the contenders, ours first."""
    return [*_ours(place), *_echoes(place), *_mlflow(place), _mlserver(place), _bentoml(place)]


def _ours(place: Place) -> list[Contender]:
    meeting = place.folder / "meeting"
    meeting.mkdir(exist_ok=True)
    cache = _cache(place)
    environment = cache | {"BENCH_PROFILE": str(place.profile), "PROMETHEUS_MULTIPROC_DIR": str(meeting)}

    command = partial(_serve, place.profile)
    return [
        Contender(OURS, command, environment=cache),
        Contender("ours, /invocations", command, path="/invocations", encode=_split, environment=cache),
        *(
            Contender(f"ours under gunicorn {kind}", _gunicorn(kind, "make_service()", place.workers), environment=environment)
            for kind in ("sync", "gthread")
        ),
    ]


def unwatched(place: Place) -> Contender:
    """Return ours, without its self-watch."""
    profile = place.profile.with_name("unwatched.yaml")
    profile.write_text(f"{place.profile.read_text(encoding='utf-8')}service: {{self_watch_rows: 0}}\n", encoding="utf-8")
    return Contender(UNWATCHED, partial(_serve, profile), environment=_cache(place))


def _serve(profile: Path, port: int) -> list[str]:
    return [sys.executable, "-m", "recipeline", "serve", "--profile", str(profile), "--port", str(port)]


def _cache(place: Place) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(place.folder / "cache")}


def _echoes(place: Place) -> list[Contender]:
    def granian(port: int) -> list[str]:
        from recipeline.serving.server import SPARE_THREADS

        threads = str(Service().concurrency + SPARE_THREADS)
        words = ["granian", "--interface", "wsgi", "--workers", str(place.workers), "--no-ws", "--log-level", "warning"]
        words += ["--blocking-threads", threads, "--backpressure", threads, "--port", str(port), "--factory"]
        return [*words, "benchmarks.wsgi:make_echo"]

    def count(body: Any) -> Any:
        return body["length"]

    return [
        Contender(ECHO, granian, decode=count),
        *(
            Contender(f"bare echo under gunicorn {kind}", _gunicorn(kind, "make_echo()", place.workers), decode=count)
            for kind in ("sync", "gthread")
        ),
    ]


def _gunicorn(kind: str, factory: str, workers: int) -> Callable[[int], list[str]]:
    def command(port: int) -> list[str]:
        words = ["gunicorn", "--workers", str(workers), "--worker-class", kind, "--log-level", "warning"]
        words += ["--threads", str(Service().concurrency)] if kind == "gthread" else []
        return [*words, "--bind", f"127.0.0.1:{port}", f"benchmarks.wsgi:{factory}"]

    return command


def _split(rows: list[Row]) -> Any:
    return {"dataframe_split": {"columns": list(rows[0]), "data": [list(row.values()) for row in rows]}}


def _mlflow(place: Place) -> list[Contender]:
    """MLflow's own server with as many workers as ours has, and with its default, one."""

    def command(workers: int, port: int) -> list[str]:
        words = ["mlflow", "models", "serve", "-m", MODEL, "--env-manager", "local", "--workers", str(workers)]
        return [*words, "--port", str(port)]

    return [
        Contender(
            name,
            partial(command, workers),
            path="/invocations",
            encode=_split,
            environment={"MLFLOW_TRACKING_URI": place.tracking_uri},
            folder=place.folder,
        )
        for name, workers in ((MLFLOW, place.workers), (MLFLOW_DEFAULT, 1))
    ]


def _mlserver(place: Place) -> Contender:
    """Return MLServer with inference in its one process.

    Its pool of workers does not start beside a current Python.
    """
    folder, programs = place.folder / "mlserver", place.environments / "mlserver" / "bin"

    def command(port: int) -> list[str]:
        ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
        settings = {"host": "127.0.0.1", "parallel_workers": 0, "debug": False, **ports}
        model = {"name": "wine", "implementation": "mlserver_model.Wine", "parameters": {"uri": str(place.model)}}
        (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        (folder / "model-settings.json").write_text(json.dumps(model), encoding="utf-8")
        return [str(programs / "mlserver"), "start", "."]

    def encode(rows: list[Row]) -> Any:
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        shape = {"shape": [len(rows)], "datatype": "FP64"}
        return {"inputs": [{"name": name, **shape, "data": values} for name, values in columns.items()]}

    def install() -> None:
        folder.mkdir(exist_ok=True)
        shutil.copy(PEERS / "mlserver_model.py", folder)
        _install(programs.parent, f"mlserver=={MLSERVER_VERSION}")

    return Contender(
        f"MLServer {MLSERVER_VERSION}",
        command,
        path="/v2/models/wine/infer",
        encode=encode,
        decode=lambda body: body["outputs"][0]["data"],
        folder=folder,
        install=install,
    )


def _bentoml(place: Place) -> Contender:
    folder, programs = place.folder / "bentoml", place.environments / "bentoml" / "bin"
    words = [str(programs / "bentoml"), "serve", "bentoml_service:Wine", "--host", "127.0.0.1", "--port"]
    environment = {
        "BENCH_MODEL": str(place.model),
        "BENCH_WORKERS": str(place.workers),
        "BENTOML_HOME": str(folder),
        "BENTOML_DO_NOT_TRACK": "true",
    }

    def install() -> None:
        folder.mkdir(exist_ok=True)
        shutil.copy(PEERS / "bentoml_service.py", folder)
        _install(programs.parent, f"bentoml=={BENTOML_VERSION}")

    return Contender(
        f"BentoML {BENTOML_VERSION}",
        lambda port: [*words, str(port)],
        encode=lambda rows: {"rows": rows},
        decode=lambda body: body,
        environment=environment,
        folder=folder,
        install=install,
    )


def _install(environment: Path, requirement: str) -> None:
    """Create an environment with the requirement and the model's own.

    Raises
    ------
    Skipped : it cannot be installed.
    """
    if (environment / "installed").is_file():
        return
    needed = [f"{name}=={metadata.version(name)}" for name in ("mlflow", "scikit-learn", "skops", "pandas")]
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in ([sys.executable, "-m", "venv", str(environment)], [*pip, requirement, *needed]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Skipped(f"{requirement} does not install: {last_line(done.stderr)}")
    (environment / "installed").touch()
