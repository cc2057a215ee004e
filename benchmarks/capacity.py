"""Capacity on paper: what breaks first at a scale, and what it costs.

Usage: make bench-capacity [ARGS="measured=FILE prices=FILE"]; `python -m benchmarks.capacity line` measures a line of the log

Inputs are figures that were measured (benchmarks/measured.json names the command of each) and prices (benchmarks/prices.json),
which are examples: put your own there. Each part of the system has a load at which it breaks, by queues that are simulated
(benchmarks/queueing.py) or by a limit that is given; the part with the lowest breaks first.
"""

from __future__ import annotations

import json
import math
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.queueing import draw_arrivals, draw_polls, greatest_load, rise, waits
from benchmarks.tables import new_table

HERE = Path(__file__).parent
DAY, MONTH, GIB = 86_400, 30 * 86_400, 2**30

#: The steps of the chain were measured with so many rows.
STEP_ROWS = 400_000

#: Customers of a simulated queue, and its seed: the same figures each time.
_CUSTOMERS, _SEED = 40_000, 1


@dataclass(frozen=True)
class Measured:
    """The measured inputs; a field's meaning, date and command are in measured.json."""

    logged_request_cpu_seconds: float
    poll_cpu_seconds: float
    chain_requests: float
    start_seconds: float
    batch_row_cpu_seconds: float
    monitor_row_seconds: float
    line_bytes: float
    line_archived_bytes: float
    split_seconds: float
    split_power: float
    train_seconds: float
    train_power: float
    evaluate_seconds: float
    evaluate_power: float
    train_row_bytes: float


@dataclass(frozen=True)
class Prices:
    """Prices in dollars: of a core, of a stored GB, of 1,000 requests to a store."""

    core_hour: float
    gb_month: float
    thousand_puts: float
    thousand_gets: float


@dataclass(frozen=True)
class Plant:
    """The setup that is to carry the load, and what is asked of it.

    A machine has a worker per core. `wait_seconds` is the 99 % quantile of the wait of a request, `poll_wait_seconds` that of a
    question to the registry. A day's log must be monitored in `monitor_seconds`, and an object store may be away for
    `outage_seconds`. `puts_second` is the store's own limit for a prefix; a file takes `file_requests`, as its
    upload has two parts.
    """

    cores: int = 8
    memory_gib: float = 16
    concurrency: int = 32
    wait_seconds: float = 0.005
    tracking_workers: int = 4
    poll_seconds: float = 10
    poll_wait_seconds: float = 1
    monitor_seconds: float = 3600
    outage_seconds: float = 3600
    disk_gib: float = 10
    file_mib: float = 64
    file_seconds: float = 900
    file_requests: float = 5
    puts_second: float = 3500
    keep_days: float = 30
    batch_seconds: float = 3600
    chain_seconds: float = 12 * 3600


@dataclass(frozen=True)
class Part:
    """A part of the system that breaks at `limit`; `change` is what to do."""

    name: str
    limit: float
    change: str


@dataclass(frozen=True)
class Scenario:
    """A load, the parts that it meets, and a month's bill in dollars."""

    name: str
    unit: str
    load: float
    parts: tuple[Part, ...]
    bill: tuple[tuple[str, float], ...]

    @property
    def first(self) -> Part:
        """The part that breaks first as the load grows."""
        return min(self.parts, key=lambda part: part.limit)


def read(kind: type[Any], file: Path, key: str = "") -> Any:
    """Return the inputs in a JSON file; each may have its value in a mapping.

    Raises
    ------
    KeyError : one is missing.
    """
    content = json.loads(file.read_text(encoding="utf-8"))
    values = content[key] if key else content
    found = {field.name: values[field.name] for field in fields(kind)}
    return kind(**{name: float(it["value"] if isinstance(it, dict) else it) for name, it in found.items()})


@cache
def worker_load(request_seconds: float, wait_seconds: float) -> float:
    """Return the share of its time that a worker may be at work.

    Beyond, the 99 % quantile of the wait exceeds its limit. Connections stay with their worker, so that each has a queue.
    """
    random = np.random.default_rng(_SEED)
    gaps, services = draw_arrivals(1.0, _CUSTOMERS, random), random.exponential(request_seconds, _CUSTOMERS)

    def wait_at(load: float) -> float:
        return float(np.quantile(waits(gaps * request_seconds / load, services, 1), 0.99))

    return greatest_load(wait_at, wait_seconds)


@cache
def most_pollers(poll_seconds: float, every: float, workers: int, wait_seconds: float) -> int:
    """Return how many services may poll a tracking server."""
    full = workers * every / poll_seconds

    def wait_at(load: float) -> float:
        random = np.random.default_rng(_SEED)
        asked = draw_polls(max(int(full * load), 1), every, 20 * every, 0.1, random)
        late = asked >= every  # the first polls come as they happen to
        return float(np.quantile(waits(asked, random.exponential(poll_seconds, len(asked)), workers)[late], 0.99))

    return int(full * greatest_load(wait_at, wait_seconds, steps=8))


def requests_at(load: float, known: Measured, prices: Prices, plant: Plant) -> Scenario:
    """Return the scenario of `load` requests of one row a second, all logged."""
    share = worker_load(known.logged_request_cpu_seconds, plant.wait_seconds)
    machine = plant.cores * share / known.logged_request_cpu_seconds
    machines = math.ceil(load / machine)
    pollers = most_pollers(known.poll_cpu_seconds, plant.poll_seconds, plant.tracking_workers, plant.poll_wait_seconds)
    files_row = known.line_bytes / (plant.file_mib * 2**20) + plant.cores / plant.file_seconds / machine
    parts = (
        Part(
            "monitor, a day's log in an hour", monitored(known, plant), f"rate: {rate_for(machines, known, plant)} per service"
        ),
        Part("disk of a machine, store away for 1 h", machine_disk(known, plant), "rate, or a larger disk_mb"),
        Part("one machine", machine, f"{machines} machines behind a load balancer"),
        Part("polls of all machines", pollers * machine, "poll_seconds: 60, or tracking workers"),
        Part(
            "requests to one prefix of the store",
            plant.puts_second / (files_row * plant.file_requests),
            "larger files: max_mb, archive_minutes",
        ),
    )
    stored = load * known.line_archived_bytes * DAY * plant.keep_days / 1e9
    bill = (
        ("cores of the service", load * known.logged_request_cpu_seconds / share * prices.core_hour * MONTH / 3600),
        ("log in the store", stored * prices.gb_month),
        ("requests to the store", load * files_row * MONTH * per_file(prices, plant)),
        ("monitor, every row", load * MONTH * known.monitor_row_seconds / 3600 * prices.core_hour),
    )
    return Scenario("requests", "requests/s", load, parts, bill)


def terabytes_at(load: float, known: Measured, prices: Prices, plant: Plant) -> Scenario:
    """Return the scenario of `load` TB of logged rows a day."""
    found = requests_at(load * 1e12 / known.line_bytes / DAY, known, prices, plant)
    day = known.line_bytes * DAY / 1e12
    parts = tuple(Part(part.name, part.limit * day, part.change) for part in found.parts)
    return Scenario("rows a day", "TB/day", load, parts, found.bill)


def services_at(load: float, known: Measured, prices: Prices, plant: Plant) -> Scenario:
    """Return the scenario of `load` services that answer little, with a chain a night."""
    pollers = most_pollers(known.poll_cpu_seconds, plant.poll_seconds, plant.tracking_workers, plant.poll_wait_seconds)
    chain_cpu = known.chain_requests * known.poll_cpu_seconds
    night = 8 * 3600
    restart = plant.tracking_workers * known.start_seconds / known.poll_cpu_seconds
    parts = (
        Part("polls", pollers, "poll_seconds: 60, a webhook, or tracking workers"),
        Part("all start at once, registry asked in 5 s", restart, "services keep a copy and answer meanwhile"),
        Part(
            "chains of a night, requests to MLflow",
            plant.tracking_workers * night / chain_cpu,
            "tracking workers, or two nights",
        ),
        Part(
            "files of quiet logs",
            plant.puts_second * plant.file_seconds / plant.cores / plant.file_requests,
            "a prefix per model",
        ),
    )
    files = load * plant.cores / plant.file_seconds
    bill = (
        ("tracking server, polls", load / plant.poll_seconds * known.poll_cpu_seconds * prices.core_hour * MONTH / 3600),
        ("tracking server, chains", load * 30 * chain_cpu / 3600 * prices.core_hour),
        ("requests to the store", files * MONTH * per_file(prices, plant)),
        ("cores of the services, idle", load * plant.cores * prices.core_hour * MONTH / 3600),
    )
    return Scenario("services", "services", load, parts, bill)


def rows_at(load: float, known: Measured, prices: Prices, plant: Plant) -> Scenario:
    """Return the scenario of a table of `load` rows: a chain and a prediction a day."""
    steps = {
        "split": (known.split_seconds, known.split_power),
        "train": (known.train_seconds, known.train_power),
        "evaluate": (known.evaluate_seconds, known.evaluate_power),
    }
    changes = {"split": "shards by group", "train": "train on a sample of the rows", "evaluate": "a test part of fixed size"}
    parts = [
        Part(f"{name} in 12 h", STEP_ROWS * (plant.chain_seconds / seconds) ** (1 / power), changes[name])
        for name, (seconds, power) in steps.items()
    ]
    parts.append(Part("memory of train", plant.memory_gib * GIB / known.train_row_bytes, "train on a sample of the rows"))
    parts.append(Part("predict in 1 h, one core", plant.batch_seconds / known.batch_row_cpu_seconds, "shards on several cores"))
    hour = prices.core_hour / 3600
    bill = [
        (f"{name}, a chain a day", seconds * (load / STEP_ROWS) ** power * hour * 30)
        for name, (seconds, power) in steps.items()
    ]
    bill.append(("predict, once a day", load * known.batch_row_cpu_seconds * hour * 30))
    return Scenario("table", "rows", load, tuple(parts), tuple(bill))


def per_file(prices: Prices, plant: Plant) -> float:
    """Return the price of a file: it is written, and read once by monitor."""
    return (plant.file_requests * prices.thousand_puts + prices.thousand_gets) / 1000


def monitored(known: Measured, plant: Plant) -> float:
    """Return the rows a second that a day's run of monitor can take."""
    return plant.monitor_seconds / known.monitor_row_seconds / DAY


def machine_disk(known: Measured, plant: Plant) -> float:
    """Return the rows a second that one machine's disk takes while the store is away."""
    return plant.disk_gib * GIB / plant.outage_seconds / known.line_bytes


def rate_for(machines: int, known: Measured, plant: Plant) -> int:
    """Return the `rate` of each service with which monitor takes the rows of all."""
    return max(int(monitored(known, plant) / machines), 1)


SCENARIOS = ((requests_at, 1e6), (terabytes_at, 1.0), (services_at, 1000.0), (rows_at, 1e9))


def report(known: Measured, prices: Prices, plant: Plant = Plant()) -> str:
    """Return all scenarios as text, of at most 80 columns."""
    parts = []
    for make, load in SCENARIOS:
        found = make(load, known, prices, plant)
        table = new_table([f"{shown(load)} {found.unit}", "breaks at", "over by"])
        for part in sorted(found.parts, key=lambda part: part.limit):
            over = load / part.limit
            table.add_row([part.name, shown(part.limit), f"{shown(over)} x" if over > 1 else "-"])
        costs = new_table(["a month", "dollars"])
        for name, dollars in found.bill:
            costs.add_row([name, f"{dollars:,.0f}"])
        over_limit = [part for part in sorted(found.parts, key=lambda part: part.limit) if part.limit < load]
        changes = [f"- {part.name}: {part.change}" for part in over_limit] or ["- nothing breaks"]
        parts.append("\n".join([table.get_string(), "Change:", *changes, costs.get_string()]))
    return "\n\n".join([*parts, surge(known, plant)])


def surge(known: Measured, plant: Plant) -> str:
    """Return what becomes of requests when the load of a machine rises at once."""
    share = worker_load(known.logged_request_cpu_seconds, plant.wait_seconds)
    full = plant.cores / known.logged_request_cpu_seconds
    places = plant.cores * plant.concurrency
    table = new_table(["load rises by", "refused (429)", "for"])
    for factor in (1.1, 1.5, 2.0):
        found = rise(full * share, full * share * factor, full, start_seconds=known.start_seconds, places=places)
        table.add_row([f"{factor - 1:.0%}", f"{found.refused / found.arrived:.1%} of a minute", f"{found.seconds_over:.1f} s"])
    head = f"A process more starts in {known.start_seconds:g} s; workers were at work {share:.0%} of the time:"
    return f"{head}\n{table.get_string()}"


def shown(value: float) -> str:
    """Return a number with two significant digits, for people."""
    if value <= 0:
        return "0"
    digits = math.floor(math.log10(value))
    rounded = round(value, 1 - digits)
    for size, word in ((1e9, "G"), (1e6, "M")):
        if rounded >= size:
            return f"{rounded / size:,.3g} {word}"
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:.2g}"


def measure_line() -> tuple[float, float]:
    """Return the bytes of a line of the log with 11 numbers, and in the archive."""
    import orjson

    from custom.red_wine import draw
    from recipeline.monitoring.live.log_format import STAMP
    from recipeline.serving.logs.background import as_line

    random, lines = np.random.default_rng(_SEED), []
    for number, row in enumerate(draw(1).drop(columns="quality").to_dict("records")):
        line = {"time": 1.7e9 + number / 75, "request_id": random.bytes(16).hex(), "version": "3", "row": 0}
        lines.append(STAMP + as_line(line | {"prediction": 5 + float(random.random()), "features": row})[1:])
    content = b"".join(lines)
    assert orjson.loads(lines[0])
    return len(content) / len(lines), len(zlib.compress(content, 3)) / len(lines)


def main(words: Sequence[str]) -> None:
    """Print the report, or with `line` the measured line."""
    if "line" in words:
        print("line_bytes {:.0f}, line_archived_bytes {:.0f}".format(*measure_line()))
        return
    options = dict(word.split("=", 1) for word in words)
    known = read(Measured, Path(options.get("measured", HERE / "measured.json")), "inputs")
    print(report(known, read(Prices, Path(options.get("prices", HERE / "prices.json")))))


if __name__ == "__main__":
    main(sys.argv[1:])
