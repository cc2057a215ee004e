"""Why: the origin of a version and the decision on it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import click

from recipeline.cli.command import reading_command
from recipeline.cli.output.terminal import local_time
from recipeline.errors import UnavailableError
from recipeline.orchestration.provenance import Provenance, explain_version
from recipeline.orchestration.session import Session
from recipeline.registry.stages import CHAMPION, NO_STAGE
from recipeline.reports.summary import tabulate


@reading_command("why")
@click.option("--version", default="", show_default="the one in Production", help="The version to explain.")
def why(session: Session, version: str) -> tuple[Any, str]:
    """Show a version's lineage and its differences from the version before it.

    The lineage: runs, digests, parameters, metrics and decision.

    \b
    Reads:  the registry, the version's runs
    Example: recipeline why --version 3
    """
    found = session.registry.version(version) if version else session.registry.holder(CHAMPION)
    if found is None:
        raise UnavailableError(
            f"No version of {session.registry.name} in Production.",
            fix="Name a version with version=N, or run `make pipeline`.",
        )
    values = explain_version(session, found)
    return values, _words(values)


def _words(found: Provenance) -> str:
    tags, decision = found.tags, found.decision
    candidate = tags.get("candidate", "registered by other means than the chain")
    stage = "in no stage" if found.stage == NO_STAGE else found.stage
    lines = [f"{found.name} version {found.version}, {stage}: {candidate}"]
    lines += [
        f"In Production from {local_time(term.since)} until {local_time(term.until) if term.until else 'now'} "
        f"({term.kind} by {term.actor}): {term.reason}."
        for term in found.terms
    ]
    if decision:
        lines.append(f"The gate: {decision.outcome} ({decision.rule}): {decision.reason}.")
    if "withdrawn" in tags:
        lines.append(f"Withdrawn: {tags['withdrawn']}.")
    keys = ["data_source", "data_digest", "split_method", "git_commit", "git_dirty", "recipe_digest", "training_rows"]
    keys += ["source_uri", "source_version"]  # of a version that was transferred
    tables: dict[tuple[str, ...], Sequence[Sequence[object]]] = {
        ("", "value"): [(key, _short(tags[key])) for key in keys if key in tags],
        ("step", "run ID", "state"): [(step, run.run_id, run.state) for step, run in found.runs.items()],
        ("metric", "value"): [
            (name, f"{value:.4f}") for name, value in sorted(found.metrics.items()) if name != "cv_fold_score"
        ],
        ("parameter", "value"): sorted(found.params.items()),
    }
    for names, rows in tables.items():
        lines += ["", tabulate(names, rows)] if rows else []
    if found.before:
        lines += ["", f"Changes since version {found.before}:"]
        lines += [f"  {line}" for line in found.differences] or ["  none recorded"]
    return "\n".join(lines)


def _short(value: str) -> str:
    """Return the first characters of a sha256, enough to identify it.

    With --json it is whole.
    """
    return value[:16] if re.fullmatch("[0-9a-f]{64}", value) else value
