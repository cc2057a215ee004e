"""Types of what commands print with ``--json``.

No library is imported to read one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recipeline.monitoring.results import Finding, Monitored
from recipeline.promotion.results import RecordedDecision


@dataclass(frozen=True)
class CommandResult:
    """The object of a command: its run ID, outcome, exit code and values.

    `outcome` is ok, promoted, kept, rejected, drift, broken, listening, stopped or error. `run_id` is empty where there is no
    run; of a failure it is the run that failed. `exit_code` is None of a service, which prints its object when it listens.
    `output` is the text that is printed without ``--json``; `error` the sentence of a failure, with `details`, a line for each
    of several faults. `values` is None of a failure.
    """

    command: str
    run_id: str
    outcome: str
    exit_code: int | None
    output: str = ""
    error: str = ""
    details: tuple[str, ...] = ()
    values: Any = None


@dataclass(frozen=True)
class StepValues:
    """A step's run: upstream run IDs, tags, files, and its columns in MLflow.

    Tags are without prefix, `artifacts` are the names of its files, each with a schema of its own.
    """

    lineage: Mapping[str, str]
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    artifacts: tuple[str, ...]


@dataclass(frozen=True)
class ChainStep:
    """A step of a chain: its run, whether it was cached and why not, and its time.

    `outcome` is that of a run of this chain, ``cached`` of an earlier one.
    """

    step: str
    run_id: str
    cached: bool
    why: str
    outcome: str
    seconds: float


@dataclass(frozen=True)
class Rows:
    """The rows of a chain: kind of source, origin without secrets, sha256."""

    source: str
    origin: str
    digest: str


@dataclass(frozen=True)
class BestCandidate:
    """The best candidate: scores by metric on the test rows, and its verdict.

    A score or a limit is None where it is not defined. `failures` are the gates that it fails, a line each.
    """

    candidate: str
    run_id: str
    verdict: str
    metrics: Mapping[str, float | None]
    interval_95: Mapping[str, tuple[float | None, float | None]]
    failures: tuple[str, ...]


@dataclass(frozen=True)
class ChainVersion:
    """The version of a chain; `new`: this chain registered it."""

    name: str
    version: str
    new: bool


@dataclass(frozen=True)
class ChainValues:
    """A chain: steps, rows, best candidate, version and decision with its reason.

    Version and decision are None where the best candidate was rejected. `card` is a path or a URI.
    """

    steps: tuple[ChainStep, ...]
    data: Rows
    best: BestCandidate
    version: ChainVersion | None
    decision: RecordedDecision | None
    card: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class RetrainValues:
    """Retraining: its rows in words, the run of `main` and its chain."""

    rows: str
    main_run_id: str
    chain: ChainValues | None


@dataclass(frozen=True)
class MonitorValues:
    """Monitoring: verdicts, rows, findings of the window that decides, and the card.

    `verdict` is that of the newest complete window, `worst` that of all. Findings are those worse than ok. `retrained` is None
    unless drift led to it.
    """

    model: Monitored
    verdict: str
    worst: str
    rows: int
    windows: int
    findings: tuple[Finding, ...]
    card: str
    retrained: RetrainValues | None = None


@dataclass(frozen=True)
class ComparedSide:
    """One side of a comparison: evaluate run, verdict, best candidate and scores."""

    name: str
    run_id: str
    verdict: str
    candidate: str
    metrics: Mapping[str, float | None]


@dataclass(frozen=True)
class CompareValues:
    """A comparison: both sides, a line for each difference, and the card."""

    before: ComparedSide
    after: ComparedSide
    differences: tuple[str, ...]
    card: str


@dataclass(frozen=True)
class ReportValues:
    """The cards of the newest run of `main` and of its inspection, with run IDs."""

    main_run_id: str
    card: str
    inspection_run_id: str
    inspection_card: str


@dataclass(frozen=True)
class PrunedItem:
    """A version or a run that is not needed: its number or ID, name and day."""

    kind: str
    id: str
    name: str
    made: str


@dataclass(frozen=True)
class PruneValues:
    """Pruning: whether anything was deleted, the limit in days, and the items.

    `left` says what could not be deleted.
    """

    deleted: bool
    older_than_days: float
    items: tuple[PrunedItem, ...]
    left: str = ""


@dataclass(frozen=True)
class RepairValues:
    """Repairs, a line each, and problems that are left."""

    repaired: tuple[str, ...]
    left: tuple[str, ...]


@dataclass(frozen=True)
class BackupValues:
    """The archive and its size."""

    archive: str
    bytes: int


@dataclass(frozen=True)
class RestoreValues:
    """The restored store, its archive, and where the store before was moved."""

    store: str
    archive: str
    aside: tuple[str, ...]


@dataclass(frozen=True)
class CheckValues:
    """A valid recipe and profile; `warning` is empty where nothing is doubtful."""

    recipe: str
    profile: str
    target: str
    features: tuple[str, ...]
    candidates: tuple[str, ...]
    warning: str


@dataclass(frozen=True)
class NewValues:
    """A new project: its folder, its files, and the origin of its library."""

    folder: str
    files: tuple[str, ...]
    library: str


@dataclass(frozen=True)
class UpgradeFile:
    """A file that differs from the template; `written`: by this command."""

    path: str
    state: str
    is_safe: bool
    written: bool


@dataclass(frozen=True)
class UpgradeValues:
    """The differences of a project from the template of a version."""

    template: str
    files: tuple[UpgradeFile, ...] = field(default=())


@dataclass(frozen=True)
class ServeValues:
    """A service that listens: its address, model name and workers."""

    url: str
    model_name: str
    workers: int
    needs_token: bool
