"""The chain through an MLflow server: requests by purpose, time against SQLite.

Usage: make bench-server [ARGS="data=wines.csv rounds=3 models=lr,rf database=postgres artifacts=direct list=cold"]
The server has PostgreSQL and an S3 endpoint behind it. Every request that any process of a command begins is counted, those to
the S3 endpoint too.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from benchmarks.chain import ROOT
from benchmarks.tables import new_table
from recipeline.config.recipe import load_recipe
from recipeline.data.origin.sources import read_source
from recipeline.hosting import mlflow_server, object_store, postgres
from recipeline.hosting.stack import require_extra, stop_server
from recipeline.hosting.state import FOLDER, ServerFolder

#: The most requests that a chain of two candidates may make.
MOST = {"cold": 150, "cached": 40}
#: How much longer a cold chain may take through the server than on SQLite.
RATIO = 1.5
#: Every process of a command imports this at its start, and notes each request that it begins.
_COUNT = """
import http.client, os
_begin, _file = http.client.HTTPConnection.putrequest, os.environ["RECIPELINE_BENCH_REQUESTS"]
def putrequest(self, method, url, *args, **options):
    line = f"{method} {self.port} {url}\\n".encode()
    file = os.open(_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line)
    os.close(file)
    return _begin(self, method, url, *args, **options)
http.client.HTTPConnection.putrequest = putrequest
"""
#: The purposes of requests, by the first pattern that is found in a method and a path.
PURPOSES = {
    "artifact: list": r"GET \S*(mlflow-artifacts/artifacts\?|/artifacts/list|\?list-type=2)",
    "artifact: upload": r"(PUT|POST) \S*(mlflow-artifacts|(/logged_models|/runs)?/\w+/artifacts|/mlflow/(served|direct)/)",
    "artifact: download": r"GET \S*(mlflow-artifacts/(artifacts|presigned)|/mlflow/(served|direct)/)|HEAD ",
    "server: health, abilities": r"GET \S*(/health|/version|/server-info)",
    "experiment: find": r"experiments/",
    "run: find": r"runs/search",
    "run: read": r"GET \S*runs/get\?",
    "run: open": r"runs/create",
    "run: log": r"runs/(log|set-tag|outputs|inputs)",
    "run: close": r"runs/update",
    "logged model: read": r"GET \S*logged-models/",
    "logged model: write": r"logged-models",
    "registry: read": r"GET \S*(registered-models|model-versions)/",
    "registry: change": r"(registered-models|model-versions)/",
}


@dataclass(frozen=True)
class Place:
    """A running MLflow server: its URI, and the settings that its clients need."""

    uri: str
    environment: dict[str, str]
    artifact_location: str = ""


@contextmanager
def running_server(folder: Path, *, database: str = "postgres", artifacts: str = "proxied") -> Iterator[Place]:
    """Run an MLflow server for the block, with the parts of `make server-up`.

    `database` is ``postgres`` or ``sqlite``. Artifacts are in a bucket of an S3 endpoint; ``proxied`` through the server,
    ``direct``, or ``folder``: in a folder of the server, without S3.
    """
    require_extra()
    server = ServerFolder(folder / FOLDER)
    server.make()
    ports, secrets = server.ports(), server.secrets()
    server.write("ports.json", ports)
    try:
        if database == "postgres":
            postgres.wait(server, postgres.start(server, ports["postgres"], secrets), ports["postgres"], secrets)
        if artifacts != "folder":
            object_store.wait(server, object_store.start(server, ports, secrets), ports["s3"], secrets)
        process = mlflow_server.start(
            server,
            ports,
            secrets,
            2,
            backend="" if database == "postgres" else f"sqlite:///{folder}/server.db",
            artifacts="" if artifacts != "folder" else str(folder / "artifacts"),
        )
        mlflow_server.wait(server, process, ports["mlflow"])
        is_direct = artifacts == "direct"
        yield Place(
            f"http://127.0.0.1:{ports['mlflow']}",
            object_store.client_environment(ports["s3"], secrets) if is_direct else {},
            f"s3://{object_store.BUCKET}/direct" if is_direct else "",
        )
    finally:
        stop_server(server)


def _inherited() -> dict[str, str]:
    """Return the environment without the user's own store, run, cache and keys."""
    mine = ("MLFLOW_", "AWS_", "RECIPELINE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(mine)}


@dataclass(frozen=True)
class Done:
    """A finished command: its seconds, and a line for each of its requests."""

    seconds: float
    requests: tuple[str, ...]


class Commands:
    """Commands of one project folder on one store, with their requests counted."""

    def __init__(self, folder: Path, profile: Path, cache: Path, environment: dict[str, str], *, recipe: str = "") -> None:
        self._folder, self._noted = folder, folder / "requests.txt"
        self._options = ["--profile", str(profile), *(["--recipe", recipe] if recipe else [])]
        (folder / "sitecustomize.py").write_text(_COUNT, encoding="utf-8")
        self._environment = {
            **_inherited(),
            **environment,
            "PYTHONPATH": str(folder),
            "RECIPELINE_BENCH_REQUESTS": str(self._noted),
            "RECIPELINE_CACHE": str(cache),
        }

    def run(self, module: str, *words: str) -> Done:
        """Run `python -m <module>`; end the bench with its output if it fails."""
        self._noted.unlink(missing_ok=True)
        command = [sys.executable, "-m", *module.split(), *self._options, *words]
        start = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - start
        if done.returncode:
            sys.exit(f"bench: {' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
        requests = self._noted.read_text(encoding="utf-8").splitlines() if self._noted.exists() else []
        return Done(seconds, tuple(requests))


def write_profile(folder: Path, uri: str, data: Path, *, artifact_location: str = "") -> Path:
    """Write the profile of a store into `folder`; return its path."""
    path = folder / "bench.yaml"
    place = f", artifact_location: '{artifact_location}'" if artifact_location else ""
    path.write_text(f"store: {{tracking_uri: '{uri}'{place}}}\ndata: '{data}'\n", encoding="utf-8")
    return path


def purpose_of(request: str) -> str:
    """Return the purpose of a request, given as method, port and path."""
    method, _, path = request.split(" ", 2)
    line = f"{method} {path}"
    return next((purpose for purpose, pattern in PURPOSES.items() if re.search(pattern, line)), "other")


def shorten(request: str) -> str:
    """Return a request with its IDs and file names of runs replaced, for a list."""
    method, _, path = request.split(" ", 2)
    path = re.sub(r"[0-9a-f]{32}", "<id>", path)
    path = re.sub(r"\?X-Amz.*", "", re.sub(r"m-<id>", "<model>", path))
    return f"{method} {path[:150]}"


def tabulate(counts: dict[str, Counter[str]]) -> str:
    """Return the numbers of requests by purpose and in all, a column for each chain."""
    table = new_table(["requests", *counts])
    for purpose in [*PURPOSES, "other"]:
        if any(count[purpose] for count in counts.values()):
            table.add_row([purpose, *(count[purpose] for count in counts.values())])
    table.add_row(["all", *(count.total() for count in counts.values())])
    return str(table.get_string())


def judge(requests: dict[str, int], ratio: float) -> list[str]:
    """Return a sentence for each target, and whether it is met."""
    found = [
        (f"a {kind} chain makes {requests[kind]} requests, target at most {most}", requests[kind] <= most)
        for kind, most in MOST.items()
    ]
    found.append((f"a cold chain takes {ratio:.2f} of the time on SQLite, target at most {RATIO}", ratio <= RATIO))
    return [f"{sentence}: {'met' if is_met else 'NOT MET'}" for sentence, is_met in found]


class Bench:
    """Chains through a server and on SQLite: their seconds, and the last requests."""

    def __init__(self, data: Path, models: str) -> None:
        self._data, self._models = data, models
        self.seconds: dict[str, list[float]] = {}
        self.requests: dict[str, tuple[str, ...]] = {}

    def run(self, folder: Path, place: Place) -> None:
        """Run a cold and a cached chain on both, with a cache of their own each."""
        for label, uri, environment, location in (
            ("server", place.uri, place.environment, place.artifact_location),
            ("SQLite", f"sqlite:///{folder}/mlflow.db", {}, str(folder / "mlruns")),
        ):
            own = folder / label
            own.mkdir()
            profile = write_profile(own, uri, self._data, artifact_location=location)
            commands = Commands(own, profile, own / "cache", environment)
            for kind in MOST:
                done = commands.run("steps.main", "--model", self._models)
                self.seconds.setdefault(f"{label}, {kind}", []).append(done.seconds)
                if label == "server":
                    self.requests[kind] = done.requests
                words = f"{label}, {kind}: {done.seconds:.1f} s, {len(done.requests)} requests"
                print(f"  {folder.name}: {words}", file=sys.stderr, flush=True)

    def ratio(self, kind: str) -> float:
        """Return the median of the rounds' ratios of server to SQLite."""
        pairs = zip(self.seconds[f"server, {kind}"], self.seconds[f"SQLite, {kind}"], strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)

    def report(self) -> str:
        """Return the tables, and a sentence for each target."""
        times = new_table(["seconds (median)", "server", "SQLite", "ratio"])
        for kind in MOST:
            pair = [statistics.median(self.seconds[f"{label}, {kind}"]) for label in ("server", "SQLite")]
            times.add_row([f"{kind} chain", *(f"{it:.1f}" for it in pair), f"{self.ratio(kind):.2f}"])
        counts = {kind: Counter(map(purpose_of, lines)) for kind, lines in self.requests.items()}
        verdicts = judge({kind: len(lines) for kind, lines in self.requests.items()}, self.ratio("cold"))
        return "\n".join([tabulate(counts), times.get_string(), *verdicts])

    def list_requests(self, kind: str) -> Iterator[str]:
        """Yield each kind of request of a chain: its number, purpose, method and path."""
        for line, number in Counter(map(shorten, self.requests[kind])).most_common():
            method, path = line.split(" ", 1)
            yield f"{number:4} {purpose_of(f'{method} 0 {path}'):26} {line}"


def main(options: dict[str, str]) -> None:
    """Run the chains in turn in each round; print the tables."""
    rounds, models = int(options.get("rounds", "3")), options.get("models", "lr,rf")
    database, artifacts = options.get("database", "postgres"), options.get("artifacts", "proxied")
    source = read_source(
        options.get("data", "auto"),
        load_recipe(ROOT / "recipe.yaml", os.environ),
        folder=Path.cwd(),
        cache=Path(platformdirs.user_cache_dir("recipeline", appauthor=False)),
    )
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data.csv"
        shutil.copyfile(source.files[0].path, data)
        bench = Bench(data, models)
        for number in range(1, rounds + 1):
            folder = Path(name) / f"round{number}"  # PostgreSQL takes no space in it
            folder.mkdir()
            with running_server(folder, database=database, artifacts=artifacts) as place:
                bench.run(folder, place)
    print(f"data: {source.origin} [{source.kind}]; models {models}")
    print(f"server on {database}, artifacts {artifacts}; {os.cpu_count()} cores; {rounds} rounds")
    if "list" in options:
        print("\n".join(bench.list_requests(options["list"])))
    print(bench.report())


if __name__ == "__main__":
    main(dict(argument.split("=", 1) for argument in sys.argv[1:]))
