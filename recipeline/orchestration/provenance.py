"""The provenance of a version: runs, digests, parameters, metrics, changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion

from recipeline.artifacts import DECISION
from recipeline.errors import UnavailableError
from recipeline.orchestration.fingerprints import RESULT, differences
from recipeline.orchestration.session import Session
from recipeline.promotion.results import RecordedDecision
from recipeline.registry.facts import facts_of
from recipeline.registry.history import Term, terms
from recipeline.tracking.lineage import lineage_of_version, recorded
from recipeline.tracking.tags import PREFIX, bare


@dataclass(frozen=True)
class StepRunState:
    """A run of a version's lineage: ID and state (`active`, `deleted` or `gone`)."""

    run_id: str
    state: str


@dataclass(frozen=True)
class Provenance:
    """The provenance of a version, as `why` shows it.

    `tags` has all facts, `before` is the version before it. `created` is in milliseconds since 1970; `differences` are a line
    each.
    """

    name: str
    version: str
    stage: str
    created: int
    candidate_run_id: str
    runs: Mapping[str, StepRunState]
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    decision: RecordedDecision | None
    terms: Sequence[Term]
    before: str | None
    differences: Sequence[str]


def explain_version(session: Session, version: ModelVersion) -> Provenance:
    """Return the provenance of a version."""
    tags = {bare(key): value for key, value in version.tags.items() if key.startswith(PREFIX)}
    with suppress(UnavailableError):  # the rest is told without version.json too
        tags = facts_of(session.reader, version)
    runs = {step: tags.get(f"{step}_run_id", "") for step in session.order}
    found = {step: session.find_run(run_id) for step, run_id in runs.items()}
    fitted = session.find_run(version.run_id)
    try:
        decision = session.reader.load(DECISION, tags["gate_run_id"]) if "gate_run_id" in tags else None
    except UnavailableError:
        decision = None
    before = _before(session, version)
    lineages = [lineage_of_version(it, session.order) for it in (before, version) if it]
    return Provenance(
        name=version.name,
        version=str(version.version),
        stage=version.current_stage,
        created=version.creation_timestamp,
        candidate_run_id=version.run_id,
        runs={
            step: StepRunState(run_id, run.info.lifecycle_stage if (run := found[step]) else "gone")
            for step, run_id in runs.items()
            if run_id
        },
        tags=tags,
        params=dict(fitted.data.params) if fitted else {},
        metrics=dict(fitted.data.metrics) if fitted else {},
        decision=decision,
        terms=[term for term in terms(session.registry.ledger.read().changes) if term.version == str(version.version)],
        before=str(before.version) if before else None,
        differences=differing_components(session, *lineages) if before and all(lineages) else [],
    )


def _before(session: Session, version: ModelVersion) -> ModelVersion | None:
    """Return the version in Production before this one, else the previous number."""
    registry, number = session.registry, str(version.version)
    versions = {str(other.version): other for other in registry.versions()}
    for entry in registry.ledger.read().changes:
        if entry.after == number and entry.before in versions:
            return versions[entry.before]
    lower = [other for other in versions if int(other) < int(number)]
    return versions[max(lower, key=int)] if lower else None


def differing_components(session: Session, before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return a line per component that differs between two lineages.

    A lineage has run IDs by step, of those that were run.
    """
    lines = []
    for step in session.order:
        if before.get(step) == now.get(step):
            continue
        if step not in before or step not in now:
            lines.append(f"{step}: run in one of the two only")
            continue
        pair = [session.find_run(lineage[step]) for lineage in (before, now)]
        parts = [recorded(session.reader, run).components if run else {} for run in pair]
        if not all(parts):
            lines.append(f"{step}: unknown: its upstream run was deleted")
            continue
        changed = differences(*({k: v for k, v in part.items() if not k.startswith(RESULT)} for part in parts))
        lines += [f"{step}: {line}" for line in changed if "run_id" not in line]
    return lines
