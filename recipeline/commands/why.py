"""Why: the origin of a version and the decision on it."""

from __future__ import annotations

import re
from typing import Any

import click

from recipeline.cli.command import reading_command
from recipeline.errors import UnavailableError
from recipeline.orchestration.provenance import explain_version
from recipeline.orchestration.session import Session
from recipeline.registry.stages import CHAMPION
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


def _words(values: dict[str, Any]) -> str:
    tags, decision = values["tags"], values["decision"]
    lines = [f"{values['name']} version {values['version']}, {values['stage']}: {tags.get('candidate', 'unknown')}"]
    lines += [
        f"In Production from {term['since']} until {term['until'] or 'now'} ({term['kind']} by {term['actor']}): "
        f"{term['reason']}."
        for term in values["terms"]
    ]
    if decision:
        lines.append(f"The gate: {decision['outcome']} ({decision['rule']}): {decision['reason']}.")
    if "withdrawn" in tags:
        lines.append(f"Withdrawn: {tags['withdrawn']}.")
    keys = ("data_source", "data_digest", "split_method", "git_commit", "git_dirty", "recipe_digest", "training_rows")
    lines += ["", tabulate(["", "value"], [(key, _short(tags[key])) for key in keys if key in tags])]
    runs = [(step, run["run_id"], run["state"]) for step, run in values["runs"].items()]
    lines += ["", tabulate(["step", "run ID", "state"], runs)]
    figures = [(name, f"{value:.4f}") for name, value in sorted(values["metrics"].items())]
    parameters = sorted(values["params"].items())
    lines += ["", tabulate(["metric", "value"], figures), "", tabulate(["parameter", "value"], parameters)]
    if values["before"]:
        lines += ["", f"Changes since version {values['before']}:"]
        lines += [f"  {line}" for line in values["differences"]] or ["  none recorded"]
    return "\n".join(lines)


def _short(value: str) -> str:
    """Return the first characters of a sha256, enough to identify it.

    The full value is in --json.
    """
    return value[:16] if re.fullmatch("[0-9a-f]{64}", value) else value
