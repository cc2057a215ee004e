"""Approve: promote a challenger that passed the gate and waits for a person."""

from __future__ import annotations

import click

from recipeline.cli.command import record_change, registry_command
from recipeline.errors import UnavailableError
from recipeline.orchestration.session import Session
from recipeline.registry.ledger import APPROVE
from recipeline.registry.loading import load_golden
from recipeline.registry.stages import CHALLENGER, CHAMPION
from recipeline.tracking.runs import StepRun


@registry_command("approve")
@click.option("--version", default="", show_default="the challenger", help="The version to approve.")
@click.option("--reason", default="", show_default="none", help="Why, for the ledger.")
def approve(session: Session, run: StepRun, version: str, reason: str) -> str:
    """Promote a challenger that passed the gate and waits for a person (promote=manual).

    \b
    Reads:  the challenger, the gate's finding on it
    Writes: the new Production, an entry in the ledger, change.json
    Example: recipeline approve --reason "seen with those who use it"
    """
    registry, changed_by = session.registry, session.changed_by(run)
    for note in registry.reconcile(changed_by):
        session.reporter.say(f"warning: {note}")
    challenger, champion = registry.version(version) if version else registry.holder(CHALLENGER), registry.holder(CHAMPION)
    if challenger is None:
        raise UnavailableError("There must be a challenger.", got="none", fix="Make one with `python -m steps.register`.")
    number, now = str(challenger.version), str(champion.version) if champion else ""
    tags = challenger.tags
    against = tags.get("recipeline.held_against", "nothing")
    if tags.get("recipeline.gate_passed") != "true" or against != (now or "mean predictor"):
        found = {"true": f"passed against {against}", "false": f"failed against {against}"}
        raise UnavailableError(
            f"Version {number} must have passed the gate against what is in Production now ({now or 'nothing'}).",
            got=f"one that {found.get(tags.get('recipeline.gate_passed', ''), 'was never held against it')}",
            fix="Run promote first; promote=always forces it.",
        )
    load_golden(session.reader, challenger)
    entry = registry.change(number, expected=now, kind=APPROVE, reason=reason or "no reason given", changed_by=changed_by)
    if entry is None:
        raise UnavailableError(
            f"Version {now or 'none'} must be in Production while version {number} is approved.",
            got="another one, put there meanwhile,",
            fix="Run promote again: the challenger must pass against that one.",
        )
    record_change(run, entry)
    return f"version {number} is approved and in Production of {registry.name} (entry {entry.number} of the ledger)"
