"""The service against others on the same model, machine and minutes: requests/s and latency, and what counts, ratios.

Usage: make bench-serving [ARGS="data=wines.csv seconds=5 rounds=3 pairs=60 only=ours,mlflow environments=FOLDER"]

The model is a forest of 200 trees, trained by the project's own chain. In a closed loop 1 and 8 clients ask 1 and 100 rows at a
time; then ours is asked in an open loop at half of what it reached, and latency counts from when a request was due. One server
runs at a time, all take turns in every round, and of the answers a sample is held against the model's own predictions. What the
self-watch costs is less than what a machine's speed changes by between two rounds: both run, and are asked in turn, in `pairs`
of bursts of a second.
MLServer and BentoML are installed into environments of their own, which `environments` keeps for the next time.
"""

from __future__ import annotations

import gc
import itertools
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import mlflow.artifacts
import mlflow.sklearn
import numpy as np
import platformdirs
from joblib import cpu_count
from prettytable import PrettyTable, TableStyle
from scipy.stats import bootstrap

from benchmarks.contenders import (
    ECHO,
    MLFLOW,
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
from benchmarks.load import Load, Report, measure_ceiling
from recipeline.config.recipe import load_recipe
from recipeline.data.schema import validate_table
from recipeline.data.sources import read_source
from recipeline.data.tables import read_table

#: Rows of a request, and how many requests are made of the data.
SIZES = {1: 256, 100: 32}
CLIENTS = (1, 8)
#: Of so many answers one is held against the model.
CHECKED = 20
OPEN_CLIENTS, OPEN_SHARE = 8, 0.5
BURST_SECONDS = 1.0
PARTS = ("parse", "validate", "predict", "encode")


class Case(NamedTuple):
    """Rows in a request, and clients."""

    rows: int
    clients: int


CASES = tuple(itertools.starmap(Case, itertools.product(SIZES, CLIENTS)))
BUSY = Case(1, 8)


@dataclass(frozen=True)
class Asked:
    """What is asked: for each size the rows of each request, and the model's own predictions of them."""

    rows: dict[int, list[list[Row]]]
    expected: dict[int, list[np.ndarray]]


@dataclass(frozen=True)
class Figure:
    """What one measurement gave."""

    rate: float
    p50: float
    p99: float
    parts: dict[str, float]


@dataclass
class Results:
    """Figures of the rounds by contender and case, those of the open loop, the ratios with and without the self-watch, and why
    contenders are missing.
    """

    closed: dict[tuple[str, Case], list[Figure]] = field(default_factory=dict)
    watched: list[float] = field(default_factory=list)
    open: list[Figure] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    def ratio(self, name: str, other: str, case: Case, value: str = "rate") -> float | None:
        """Return the median of the rounds' ratios; None where one of both is missing."""
        found = [self.closed.get((who, case), []) for who in (name, other)]
        ratios = [getattr(a, value) / getattr(b, value) for a, b in zip(*found, strict=False)]
        return statistics.median(ratios) if ratios else None


class WrongAnswer(Exception):
    """A server that answers something else than the model does, or not with 200."""


def prepare(model: Any, table: Any) -> Asked:
    """Return requests made of the rows of a table, in turn, and what the model answers them."""
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
    """Raise WrongAnswer where an answer is not 200, did not come, or, of those kept, is not the model's."""
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
    return Figure(report.rate, report.milliseconds(0.5), report.milliseconds(0.99), server_timing(report))


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
        tell(f"  {contender.name}: {results.skipped.get(contender.name) or _briefly(results, contender.name)}")


def run_pairs(one: Contender, other: Contender, asked: Asked, folder: Path, *, pairs: int) -> Iterator[float]:
    """Yield the ratios of the rates of two servers that are asked for a burst each, one at once after the other."""
    first = asked.rows[1][0]
    with one.started(folder / "server.log", first) as port, other.started(folder / "other.log", first) as other_port:
        servers = [(one, port), (other, other_port)]
        for number in range(pairs):
            order = servers[:: -1 if number % 2 else 1]
            rates = {who.name: measure(who, place, asked, BUSY, seconds=BURST_SECONDS).rate for who, place in order}
            yield rates[one.name] / rates[other.name]


def _briefly(results: Results, name: str) -> str:
    return ", ".join(f"{results.closed[name, case][-1].rate:,.0f}/s" for case in CASES)


def tell(text: str) -> None:
    """Say how far it is, on stderr."""
    print(text, file=sys.stderr, flush=True)


# --- what is printed -----------------------------------------------------------------------------------------------------


def tabulate(results: Results) -> str:
    """Return the medians of the rounds: requests/s, p50 and p99 of each contender and case."""
    table = _table(["requests/s, p50 ms, p99 ms", *(f"{case.rows} rows, {case.clients} clients" for case in CASES)])
    for name in dict.fromkeys(name for name, _ in results.closed):
        table.add_row([name, *(_cell(results.closed.get((name, case), [])) for case in CASES)])
    for name, reason in results.skipped.items():
        table.add_row([f"SKIPPED {name}", *[""] * len(CASES)])
        tell(f"SKIPPED {name}: {reason}")
    return str(table.get_string())


def _cell(figures: list[Figure]) -> str:
    if not figures:
        return ""
    rate, p50, p99 = (statistics.median(getattr(figure, name) for figure in figures) for name in ("rate", "p50", "p99"))
    return f"{rate:,.0f}  {p50:.2f}  {p99:.2f}"


def tabulate_ratios(results: Results) -> str:
    """Return what counts: ratios of the same round, the median of the rounds, and what they are to be."""
    table, many = _table(["", "measured", "target", "met"]), Case(100, 8)
    p99 = statistics.median(figure.p99 for figure in results.open) if results.open else None
    watched = statistics.median(results.watched) if results.watched else None
    targets: list[tuple[str, float | None, str, Callable[[float], bool]]] = [
        ("ours / mlflow, requests/s, 1 row, 8 clients", results.ratio(OURS, MLFLOW, BUSY), ">= 100", lambda v: v >= 100),
        ("ours / mlflow, p99, 1 row, 8 clients", results.ratio(OURS, MLFLOW, BUSY, "p99"), "<= 0.025", lambda v: v <= 1 / 40),
        ("ours / mlflow, requests/s, 100 rows, 8 clients", results.ratio(OURS, MLFLOW, many), ">= 20", lambda v: v >= 20),
        ("ours / bare echo, requests/s, 1 row, 8 clients", results.ratio(OURS, ECHO, BUSY), ">= 0.5", lambda v: v >= 0.5),
        (
            f"{OURS} / {UNWATCHED}, requests/s, 1 row, 8 clients{_interval(results.watched)}",
            watched,
            ">= 0.97",
            lambda v: v >= 0.97,
        ),
        ("ours, open loop at half of its capacity, p99 ms", p99, "< 10", lambda v: v < 10),
    ]
    for label, value, target, met in targets:
        shown = ["", ""] if value is None else [f"{value:.3g}", "yes" if met(value) else "NO"]
        table.add_row([label, shown[0], target, shown[1]])
    return str(table.get_string())


def _interval(ratios: list[float]) -> str:
    """Return between what the median of the ratios lies at 95 %, by the bootstrap."""
    if len(ratios) < 3:
        return ""
    found = bootstrap((ratios,), np.median, rng=0).confidence_interval
    return f" ({found.low:.3f} to {found.high:.3f})"


def tabulate_parts(results: Results) -> str:
    """Return where our time goes, by the header Server-Timing: mean milliseconds, the median of the rounds."""
    table = _table(["ours, ms", *PARTS])
    cases = {f"{case.rows} rows, {case.clients} clients": results.closed.get((OURS, case), []) for case in CASES}
    for label, figures in (cases | {"1 row, open loop": results.open}).items():
        if figures:
            parts = [statistics.median(figure.parts.get(part, float("nan")) for figure in figures) for part in PARTS]
            table.add_row([label, *(f"{value:.3f}" for value in parts)])
    return str(table.get_string())


def _table(columns: list[str]) -> PrettyTable:
    table = PrettyTable(columns)
    table.set_style(TableStyle.SINGLE_BORDER)
    table.align = "r"
    table.align[columns[0]] = "l"
    return table


# --- the run -------------------------------------------------------------------------------------------------------------


@contextmanager
def trained(data: str, environments: str, model: str = "rf") -> Iterator[tuple[Place, Any]]:
    """Train with the project's own chain in a new store; give where everything is, and the rows, for as long as the block."""
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
        (folder / "data.csv").write_bytes(source.content)
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
        table = read_table(source.content, columns=list(recipe.columns), origin=source.origin)
        yield place, validate_table(table, recipe, origin=source.origin)


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
    for text in (tabulate(results), tabulate_ratios(results), tabulate_parts(results)):
        print(text, flush=True)


if __name__ == "__main__":
    main(dict(argument.split("=", 1) for argument in sys.argv[1:]))
