"""The service against other servers on the same model: rate and latency.

Usage: make bench-serving [ARGS="data=wines.csv seconds=5 rounds=3 pairs=60 only=ours,mlflow environments=FOLDER"]

The results are ratios. The model is a forest of 200 trees, trained by the project's own chain. In a closed loop 1 and 8 clients
send 1 and 100 rows at a time, and latencies are corrected for the requests that a client left out while it waited; then ours is
measured in an open loop at half of its rate, and latency counts from when a request was due. One server runs at a time, all
take turns in every round, and a sample of the answers is compared with the model's own predictions. The cost of the self-watch
is less than the variation of a machine's speed between two rounds: both run, and take turns, in `pairs` of bursts of a second.
MLServer and BentoML are installed into environments of their own, which `environments` keeps for the next time.
"""

from __future__ import annotations

import gc
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import mlflow.artifacts
import mlflow.sklearn
import numpy as np
import platformdirs
from joblib import cpu_count

from benchmarks.ceiling import measure_ceiling
from benchmarks.contenders import (
    MODEL,
    OURS,
    ROOT,
    UNWATCHED,
    Contender,
    Place,
    Row,
    Skipped,
    all_contenders,
    inherited,
    unwatched,
)
from benchmarks.latency import correct, quantile
from benchmarks.load import Load, Report
from benchmarks.serving_tables import (
    BUSY,
    CASES,
    SIZES,
    Case,
    Figure,
    Results,
    tabulate,
    tabulate_latencies,
    tabulate_parts,
    tabulate_ratios,
)
from recipeline.config.recipe import load_recipe
from recipeline.data.checking.schema import validate_table
from recipeline.data.origin.sources import read_source

#: Of so many answers one is held against the model.
CHECKED = 20
OPEN_CLIENTS, OPEN_SHARE = 8, 0.5
BURST_SECONDS = 1.0


@dataclass(frozen=True)
class Asked:
    """The requests: rows by size, and the model's own predictions of them."""

    rows: dict[int, list[list[Row]]]
    expected: dict[int, list[np.ndarray]]


class WrongAnswer(Exception):
    """A server that answers something else than the model does, or not with 200."""


def prepare(model: Any, table: Any) -> Asked:
    """Return requests from the rows of a table, in turn, and expected answers."""
    features = table[list(model.feature_names_in_)].astype(float)
    records, answers = features.to_dict("records"), np.asarray(model.predict(features))
    rows: dict[int, list[list[Row]]] = {}
    expected: dict[int, list[np.ndarray]] = {}
    for size, count in SIZES.items():
        places = [np.arange(number * size, (number + 1) * size) % len(records) for number in range(count)]
        rows[size] = [[records[place] for place in part] for part in places]
        expected[size] = [answers[part] for part in places]
    return Asked(rows, expected)


def check(contender: Contender, report: Report, expected: list[np.ndarray]) -> None:
    """Raise WrongAnswer for an answer that is missing, not 200 or wrong.

    Wrong ones are found among those that were kept.
    """
    if report.broken or set(report.statuses) != {200}:
        raise WrongAnswer(f"{dict(report.statuses)}, {len(report.broken)} broken")
    for answer in report.kept:
        got, wanted = contender.decode(answer.body), expected[answer.request]
        same = got == len(wanted) if isinstance(got, int) else np.shape(got) == wanted.shape and np.allclose(got, wanted, 1e-6)
        if not same:
            raise WrongAnswer(f"{str(got)[:80]} instead of {str(wanted.tolist())[:80]}")


def measure(contender: Contender, port: int, asked: Asked, case: Case, *, seconds: float, rate: float | None = None) -> Figure:
    """Return a contender's figures after a warm-up, its answers checked."""
    requests = [contender.request(port, rows) for rows in asked.rows[case.rows]]
    Load(port, requests, clients=case.clients).run(min(1.0, seconds / 3))
    gc.collect()
    gc.disable()
    report = Load(port, requests, clients=case.clients, rate=rate, keep_every=CHECKED).run(seconds)
    gc.enable()
    check(contender, report, asked.expected[case.rows])
    latencies = np.array([1000 * (answer.done - answer.due) for answer in report.answers])
    latencies = correct(latencies, 0 if rate else 1000 * report.seconds * case.clients / len(latencies))
    return Figure(report.rate, quantile(latencies, 0.5), quantile(latencies, 0.99), server_timing(report), latencies)


def server_timing(report: Report) -> dict[str, float]:
    """Return the mean of each part of the header Server-Timing, in milliseconds."""
    found: dict[str, list[float]] = {}
    for answer in report.kept:
        for name, value in re.findall(r"([\w-]+);dur=([\d.]+)", answer.header("Server-Timing")):
            found.setdefault(name, []).append(float(value))
    return {name: statistics.fmean(values) for name, values in found.items()}


def run_round(contenders: list[Contender], asked: Asked, results: Results, folder: Path, *, seconds: float) -> None:
    """Measure each contender in turn; a new process each, and no other one beside it."""
    for contender in [one for one in contenders if one.name not in results.skipped]:
        try:
            with contender.started(folder / "server.log", asked.rows[1][0]) as port:
                for case in CASES:
                    figure = measure(contender, port, asked, case, seconds=seconds)
                    results.closed.setdefault((contender.name, case), []).append(figure)
                if contender.name == OURS:
                    rate = OPEN_SHARE * results.closed[OURS, BUSY][-1].rate
                    results.open.append(measure(contender, port, asked, Case(1, OPEN_CLIENTS), seconds=seconds, rate=rate))
        except (Skipped, WrongAnswer) as error:
            results.skipped[contender.name] = str(error)
        if reason := results.skipped.get(contender.name):
            tell(f"  SKIPPED {contender.name}: {reason}")
        else:
            rates = ", ".join(f"{results.closed[contender.name, case][-1].rate:,.0f}/s" for case in CASES)
            tell(f"  {contender.name}: {rates}")


def run_pairs(one: Contender, other: Contender, asked: Asked, folder: Path, *, pairs: int) -> Iterator[float]:
    """Yield the ratios of the rates of two servers in alternating bursts."""
    first = asked.rows[1][0]
    with one.started(folder / "server.log", first) as port, other.started(folder / "other.log", first) as other_port:
        servers = [(one, port), (other, other_port)]
        for number in range(pairs):
            order = servers[:: -1 if number % 2 else 1]
            rates = {who.name: measure(who, place, asked, BUSY, seconds=BURST_SECONDS).rate for who, place in order}
            yield rates[one.name] / rates[other.name]


def tell(text: str) -> None:
    """Say how far it is, on stderr."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def trained(data: str, environments: str, model: str = "rf") -> Iterator[tuple[Place, Any]]:
    """Train with the project's own chain in a new store; yield places and rows."""
    recipe = load_recipe(ROOT / "recipe.yaml", os.environ)
    source = read_source(
        data,
        recipe,
        folder=Path.cwd(),
        cache=Path(platformdirs.user_cache_dir("recipeline", appauthor=False)),
    )
    print(f"data: {source.origin} [{source.kind}]; {os.cpu_count()} cores", flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        shutil.copyfile(source.files[0].path, folder / "data.csv")
        profile, uri = folder / "bench.yaml", f"sqlite:///{folder}/mlflow.db"
        store = f"store: {{tracking_uri: '{uri}', artifact_location: '{folder}/mlruns'}}\ndata: '{folder}/data.csv'\n"
        profile.write_text(store, encoding="utf-8")
        command = [sys.executable, "-m", "steps.main", "--profile", str(profile), "--model", model]
        done = subprocess.run(command, cwd=ROOT, env=inherited(), capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"bench: {' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
        mlflow.set_tracking_uri(uri)
        files = mlflow.artifacts.download_artifacts(MODEL, dst_path=str(folder / "model"))
        kept = Path(environments).resolve() if environments else folder / "environments"
        place = Place(folder, profile, uri, Path(files), cpu_count(), kept)
        yield place, validate_table(source.open(recipe), recipe, origin=source.origin)


def main(options: dict[str, str]) -> None:
    """Measure in rounds and print tables."""
    seconds, rounds, pairs = (
        float(options.get("seconds", "5")),
        int(options.get("rounds", "3")),
        int(options.get("pairs", "60")),
    )
    only = [word for word in options.get("only", "").split(",") if word]
    results = Results()
    with trained(options.get("data", "auto"), options.get("environments", "")) as (place, table):
        asked = prepare(mlflow.sklearn.load_model(str(place.model)), table)
        contenders = [one for one in all_contenders(place) if not only or any(word in one.name for word in only)]
        for contender in contenders:
            try:
                contender.install()
            except Skipped as error:
                results.skipped[contender.name] = str(error)
        for number in range(rounds):
            tell(f"round {number + 1} of {rounds}; {', '.join(f'{case.rows} rows {case.clients} clients' for case in CASES)}")
            run_round(contenders, asked, results, place.folder, seconds=seconds)
        if pairs and OURS in [one.name for one in contenders]:
            tell(f"{pairs} pairs of bursts, with the self-watch and without it")
            try:
                results.watched = list(run_pairs(contenders[0], unwatched(place), asked, place.folder, pairs=pairs))
            except (Skipped, WrongAnswer) as error:
                results.skipped[UNWATCHED] = str(error)
    ceiling = measure_ceiling(min(seconds, 2), BUSY.clients)
    print(f"{rounds} rounds of {seconds:g} s a case; the generator's own ceiling, 8 clients: {ceiling.rate:,.0f} requests/s")
    for text in (tabulate(results), tabulate_ratios(results), tabulate_parts(results), tabulate_latencies(results)):
        print(text, flush=True)


if __name__ == "__main__":
    main(dict(argument.split("=", 1) for argument in sys.argv[1:]))
