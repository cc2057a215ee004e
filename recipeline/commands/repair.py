"""Repair: fix the problems that can be fixed without loss."""

from __future__ import annotations

from recipeline.cli.command import Result, entry_point
from recipeline.cli.environment import open_session, open_settings
from recipeline.cli.options import session_options
from recipeline.cli.output.results import RepairValues
from recipeline.errors import EXIT_BROKEN
from recipeline.maintenance.doctor import Finding, examine_registry
from recipeline.orchestration.session import Session
from recipeline.tracking.connection.failures import store_errors
from recipeline.tracking.connection.local import find_local, find_old_root, relocate
from recipeline.tracking.connection.store import held, store_lock
from recipeline.tracking.runs import StepRun


@entry_point("repair")
@session_options
def repair(recipe: str, profile: str) -> Result:
    """Repair the problems that doctor finds where that is safe; list the others.

    \b
    Reads:  the registry, the ledger
    Writes: stages that follow the alias, interrupted changes completed, ledger damage acknowledged; in a store that was moved,
            the location of its artifacts
    Nothing is deleted: no version, no run, no entry.
    Exit code 7: a problem is left that it cannot repair.
    Example: recipeline repair
    """
    moved = _relocate_store(recipe, profile)  # before a run writes to where the store was
    session = open_session(recipe, profile, makes=False)
    with session.open_run("repair") as run:
        repaired, left = _repair_registry(session, run)
    lines = [*moved, *repaired, *(f"not repaired: {finding.what}\n    → {finding.fix}" for finding in left)]
    values = RepairValues((*moved, *repaired), tuple(finding.what for finding in left))
    return Result("\n".join(lines or ["nothing was broken"]), run.exit_code, run.id, run.outcome, values)


def _relocate_store(recipe: str, profile: str) -> list[str]:
    """Update artifact locations in a store that was moved.

    Return one line per former folder.
    """
    settings = open_settings(recipe, profile)
    store, lines = find_local(settings.store_uri, settings.artifact_root), []
    if store is not None and store.database.exists():
        with store_errors(settings.store_uri), held(store_lock(settings.store_uri), settings.store_uri):
            while (before := find_old_root(store.database, store.artifacts)) is not None:
                relocate(store.database, before, store.artifacts)
                lines.append(f"repaired: the store was moved; its artifacts are in {store.artifacts} now, not in {before}.")
    return lines


def _repair_registry(session: Session, run: StepRun) -> tuple[list[str], list[Finding]]:
    """Repair the registry and the ledger; return lines, and the findings left."""
    registry, changed_by = session.registry, session.changed_by(run)
    before = [finding for finding in examine_registry(session) if finding.state == "broken"]
    for note in registry.reconcile(changed_by):
        session.reporter.say(note)
    reading = registry.ledger.read()
    known = {str(version.version) for version in registry.versions()}
    lost = {f"version {entry.after}" for entry in reading.changes if entry.after and entry.after not in known}
    names = tuple(sorted({*reading.faults, *(lost - reading.acknowledged)}))
    if names:
        registry.acknowledge(names, f"acknowledged: {', '.join(names)}", changed_by)
    after = [finding for finding in examine_registry(session) if finding.state == "broken"]
    left = {finding.what for finding in after}
    lines = [
        f"{'acknowledged' if 'acknowledges it' in finding.fix else 'repaired'}: {finding.what}"
        for finding in before
        if finding.what not in left
    ]
    run.exit_code = EXIT_BROKEN if after else 0
    return lines, after
