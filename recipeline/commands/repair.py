"""Repair: mend what can be mended without losing anything."""

from __future__ import annotations

from recipeline.cli.command import registry_command
from recipeline.errors import EXIT_BROKEN
from recipeline.maintenance.doctor import examine_registry
from recipeline.orchestration.session import Session
from recipeline.tracking.runs import StepRun


@registry_command("repair")
def repair(session: Session, run: StepRun) -> str:
    """Mend what doctor found and can be mended safely; what cannot is named.

    \b
    Reads:  the registry, the ledger
    Writes: stages that follow the alias, begun changes finished, the ledger's damage taken note of
    Nothing is deleted: no version, no run, no entry.
    Exit code 7: something is left that it cannot mend.
    Example: recipeline repair
    """
    registry, changed_by = session.registry, session.changed_by(run)
    before = [finding for finding in examine_registry(session) if finding.state == "broken"]
    for note in registry.reconcile(changed_by):
        session.reporter.say(note)
    reading = registry.ledger.read()
    known = {str(version.version) for version in registry.versions()}
    lost = {f"version {entry.after}" for entry in reading.changes if entry.after and entry.after not in known}
    names = tuple(sorted({*reading.faults, *(lost - reading.acknowledged)}))
    if names:
        registry.acknowledge(names, f"seen and taken note of: {', '.join(names)}", changed_by)
    after = [finding for finding in examine_registry(session) if finding.state == "broken"]
    left = {finding.what for finding in after}
    lines = [
        f"{'noted' if 'takes note' in finding.fix else 'mended'}: {finding.what}"
        for finding in before
        if finding.what not in left
    ]
    run.exit_code = EXIT_BROKEN if after else 0
    lines += [f"not mended: {finding.what}\n    → {finding.fix}" for finding in after]
    return "\n".join(lines or ["nothing was broken"])
