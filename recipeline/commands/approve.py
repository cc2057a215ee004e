"""Approve: promote a challenger that passed the gate under promote=manual."""

from __future__ import annotations

from typing import TypeGuard

import click

from recipeline.cli.command import reconcile, record_change, record_reported, registry_command
from recipeline.errors import UnavailableError
from recipeline.monitoring.wording import describe_shadow
from recipeline.orchestration.session import Session
from recipeline.promotion.results import MEAN_PREDICTOR
from recipeline.registry.ledger import APPROVE
from recipeline.registry.loading import load_golden
from recipeline.registry.results import Entry
from recipeline.registry.shadow import find_shadow
from recipeline.registry.stages import CHALLENGER, CHAMPION
from recipeline.registry.versions import Registry
from recipeline.tracking.runs import StepRun
from recipeline.tracking.tags import VersionTags


@registry_command("approve")
@click.option("--version", default="", show_default="the challenger", help="The version to approve.")
@click.option("--reason", default="", show_default="none", help="The reason, for the ledger.")
def approve(session: Session, run: StepRun, version: str, reason: str) -> str:
    """Promote a challenger that passed the gate and awaits approval.

    The gate leaves a challenger to a person where promote=manual.

    \b
    Reads:  the challenger and the gate's result
    Writes: the new Production, an entry in the ledger, change.json
    Example: recipeline approve --reason "reviewed with the laboratory"
    """
    registry, changed_by = session.registry, session.changed_by(run)
    done = reconcile(session, run)
    if _is_approval(done, registry, version):
        record_reported(session, run, done)
        return _describe(registry, done)
    challenger, champion = registry.version(version) if version else registry.holder(CHALLENGER), registry.holder(CHAMPION)
    if challenger is None:
        raise UnavailableError("No challenger to approve.", fix="Register one: `python -m steps.register`.")
    number, now = str(challenger.version), str(champion.version) if champion else ""
    tags = challenger.tags
    against = tags.get(VersionTags.HELD_AGAINST, "nothing")
    if tags.get(VersionTags.GATE_PASSED) != "true" or against != (now or MEAN_PREDICTOR):
        found = {"true": f"passed against {against}", "false": f"failed against {against}"}
        raise UnavailableError(
            f"Version {number} has not passed the gate against the present Production ({now or 'none'}): "
            f"it {found.get(tags.get(VersionTags.GATE_PASSED, ''), 'was never compared with it')}.",
            fix="Run promote first; promote=always forces it.",
        )
    load_golden(session.reader.fresh(), challenger)
    shadow = find_shadow(session.store.client, session.reader, session.recipe.name, challenger, champion) if champion else None
    if shadow:
        run.tag(shadow_run_id=shadow.run_id)
        for line in describe_shadow(shadow, session.recipe.task):
            session.reporter.say(line)
    entry = registry.change(number, expected=now, kind=APPROVE, reason=reason or "no reason given", changed_by=changed_by)
    if entry is None and (newest := registry.newest(APPROVE)) is not None and newest.after == number:
        entry = newest  # by another user, at the same time
    if entry is None:
        raise UnavailableError(
            f"Production changed while version {number} was approved: it is no longer version {now or 'none'}.",
            fix="Run promote again: the challenger must pass the gate against the new Production.",
        )
    record_change(run, entry)
    return _describe(registry, entry)


def _is_approval(done: Entry | None, registry: Registry, version: str) -> TypeGuard[Entry]:
    """Whether an interrupted change is the approval that is asked for.

    With another challenger, that one is meant.
    """
    if done is None or done.kind != APPROVE or done.after != registry.champion_number():
        return False
    return version == done.after if version else registry.holder(CHALLENGER) is None


def _describe(registry: Registry, entry: Entry) -> str:
    """Return what the command says of an approval."""
    return f"version {entry.after} is approved and in Production of {registry.name} (entry {entry.number} of the ledger)"
