"""Results of `make bench-serving`, and their tables."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy.stats import bootstrap

from benchmarks.contenders import ECHO, MLFLOW, OURS, UNWATCHED
from benchmarks.latency import draw_histogram
from benchmarks.tables import new_table

#: Rows of a request, and how many requests are made of the data.
SIZES = {1: 256, 100: 32}
CLIENTS = (1, 8)
PARTS = ("parse", "validate", "predict", "encode")


class Case(NamedTuple):
    """Rows in a request, and clients."""

    rows: int
    clients: int


CASES = tuple(itertools.starmap(Case, itertools.product(SIZES, CLIENTS)))
ALONE, BUSY = Case(1, 1), Case(1, 8)


@dataclass(frozen=True)
class Figure:
    """The result of one measurement."""

    rate: float
    p50: float
    p99: float
    parts: dict[str, float]
    #: In milliseconds, sorted; in a closed loop with those of the requests left out.
    latencies: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False)


@dataclass
class Results:
    """The measurements of all rounds by contender and case.

    They include those of the open loop, the ratios with and without the self-watch, and the reasons for missing contenders.
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


def tabulate(results: Results) -> str:
    """Return the medians of the rounds: requests/s, p50 and p99."""
    table = new_table(["requests/s, p50 ms, p99 ms", *(f"{case.rows} rows, {case.clients} clients" for case in CASES)])
    for name in dict.fromkeys(name for name, _ in results.closed):
        table.add_row([name, *(_cell(results.closed.get((name, case), [])) for case in CASES)])
    for name in results.skipped:
        table.add_row([f"SKIPPED {name}", *[""] * len(CASES)])
    return str(table.get_string())


def _cell(figures: list[Figure]) -> str:
    if not figures:
        return ""
    rate, p50, p99 = (statistics.median(getattr(figure, name) for figure in figures) for name in ("rate", "p50", "p99"))
    return f"{rate:,.0f}  {p50:.2f}  {p99:.2f}"


def tabulate_ratios(results: Results) -> str:
    """Return the median ratios of the rounds, and their targets."""
    table, many = new_table(["", "measured", "target", "met"]), Case(100, 8)
    p99 = statistics.median(figure.p99 for figure in results.open) if results.open else None
    watched = statistics.median(results.watched) if results.watched else None
    targets: list[tuple[str, float | None, str, Callable[[float], bool]]] = [
        ("ours / mlflow, requests/s, 1 row, 8 clients", results.ratio(OURS, MLFLOW, BUSY), ">= 100", lambda v: v >= 100),
        ("ours / mlflow, p99, 1 row, 8 clients", results.ratio(OURS, MLFLOW, BUSY, "p99"), "<= 0.025", lambda v: v <= 1 / 40),
        ("ours, p99 / median, 1 row, 1 client", _tail(results), "<= 6", lambda v: v <= 6),
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


def _tail(results: Results) -> float | None:
    """Return how many times the median the p99 of one client is, in the median round."""
    ratios = [figure.p99 / figure.p50 for figure in results.closed.get((OURS, ALONE), [])]
    return statistics.median(ratios) if ratios else None


def tabulate_latencies(results: Results) -> str:
    """Return the histogram of latencies of all rounds, ours beside MLflow's."""
    chosen = {"ours, 1 client": (OURS, ALONE), "ours, 8 clients": (OURS, BUSY), "mlflow, 8 clients": (MLFLOW, BUSY)}
    found = {title: [figure.latencies for figure in results.closed.get(key, [])] for title, key in chosen.items()}
    return draw_histogram({title: np.concatenate(parts) for title, parts in found.items() if parts})


def _interval(ratios: list[float]) -> str:
    """Return between what the median of the ratios lies at 95 %, by the bootstrap."""
    if len(ratios) < 3:
        return ""
    found = bootstrap((ratios,), np.median, rng=0).confidence_interval
    return f" ({found.low:.3f} to {found.high:.3f})"


def tabulate_parts(results: Results) -> str:
    """Return the mean milliseconds of each part of our time, by Server-Timing.

    It is the median of the rounds.
    """
    table = new_table(["ours, ms", *PARTS])
    cases = {f"{case.rows} rows, {case.clients} clients": results.closed.get((OURS, case), []) for case in CASES}
    for label, figures in (cases | {"1 row, open loop": results.open}).items():
        if figures:
            parts = [statistics.median(figure.parts.get(part, float("nan")) for figure in figures) for part in PARTS]
            table.add_row([label, *(f"{value:.3f}" for value in parts)])
    return str(table.get_string())
