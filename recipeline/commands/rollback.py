"""Rollback: restore a version that was in Production before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from recipeline.cli.command import reconcile, record_change, record_reported, registry_command
from recipeline.errors import UnavailableError, UsageError
from recipeline.orchestration.session import Session
from recipeline.promotion.gate import loses_real_rows
from recipeline.registry.decision import as_contender
from recipeline.registry.ledger import ROLLBACK
from recipeline.registry.loading import load_golden
from recipeline.registry.stages import CHAMPION
from recipeline.registry.versions import Registry
from recipeline.tracking.runs import StepRun

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from recipeline.registry.results import Entry


@registry_command("rollback")
@click.option("--version", default="", show_default="the previous Production", help="The registered version to restore.")
@click.option("--reason", default="", show_default="none", help="The reason, for the ledger.")
def rollback(session: Session, run: StepRun, version: str, reason: str) -> str:
    """Restore the previous version in Production, or the one named.

    The version that is rolled back is withdrawn: it is no longer promoted automatically, and a second rollback skips it. A
    version trained on synthetic rows never replaces one trained on real rows. A rollback that was interrupted, or that another
    user made at the same time, is not repeated.

    \b
    Reads:  the ledger; the version's golden rows
    Writes: the new Production, an entry in the ledger, change.json
    Example: recipeline rollback --reason "grades too high"
    """
    registry, changed_by = session.registry, session.changed_by(run)
    done = reconcile(session, run)
    while True:
        champion = registry.holder(CHAMPION)
        now = str(champion.version) if champion else ""
        if done is not None and done.kind == ROLLBACK and done.after == now and version in ("", now):
            record_reported(session, run, done)
            return _describe_done(done)
        target = _named(registry, version, champion) if version else _before(session, champion)
        load_golden(session.reader.fresh(), registry.version(target))
        entry = registry.change(target, expected=now, kind=ROLLBACK, reason=reason or "no reason given", changed_by=changed_by)
        if entry is not None:
            break
        if version:
            raise UnavailableError(
                f"Production changed during the rollback: it is no longer version {now or 'none'}.",
                fix="See `history`, and roll back again if it is still needed.",
            )
        newest = registry.newest(ROLLBACK)
        done = newest if newest is not None and newest.before == now else None  # of the version that was to go
    record_change(run, entry)
    withdrawn = f"; version {now} is withdrawn" if now else ""
    return f"version {target} is back in Production of {registry.name}{withdrawn} (entry {entry.number} of the ledger)"


def _describe_done(entry: Entry) -> str:
    """Return what a rollback says that was made already."""
    return (
        f"version {entry.after} is in Production: version {entry.before or 'none'} was rolled back by {entry.actor} at "
        f"{entry.when:%Y-%m-%d %H:%M:%S} UTC and is withdrawn (entry {entry.number} of the ledger)\n"
        "To go back further, run rollback again."
    )


def _named(registry: Registry, version: str, champion: ModelVersion | None) -> str:
    found = registry.version(version)
    if champion and found.version == champion.version:
        raise UsageError(
            "version must differ from the version in Production.", got=f"'{version}'", fix="See `history` for the others."
        )
    if _loses_real_rows(found, champion):
        raise UsageError(
            "version must be trained on real rows, like the version in Production.",
            got=f"version {found.version}, trained on synthetic rows,",
            fix="See `history` for the others.",
        )
    return str(found.version)


def _before(session: Session, champion: ModelVersion | None) -> str:
    """Return the newest earlier version of Production that can be restored.

    It exists, is not withdrawn, and reproduces its golden rows. Versions trained on synthetic rows are skipped where the
    champion was trained on real ones.
    """
    registry, now = session.registry, str(champion.version) if champion else ""
    known = {str(version.version): version for version in registry.versions()}
    passed_by = []
    served = [entry.after for entry in reversed(registry.ledger.read().changes) if entry.after != now]
    for number in dict.fromkeys(served):
        if number not in known:
            continue
        if registry.withdrawn(known[number]):
            passed_by.append(f"version {number} is withdrawn")
            continue
        if _loses_real_rows(known[number], champion):
            passed_by.append(f"version {number} was trained on synthetic rows")
            continue
        try:
            load_golden(session.reader.fresh(), known[number])
        except UnavailableError as error:
            passed_by.append(error.sentence)
            continue
        return number
    others = [it for number, it in known.items() if number != now and not _loses_real_rows(it, champion)]
    raise UnavailableError(
        "No earlier version of Production to restore.",
        fix="Name a registered version with version=N." if others else "Promote a version first.",
        details=passed_by,
    )


def _loses_real_rows(version: ModelVersion, champion: ModelVersion | None) -> bool:
    return loses_real_rows(as_contender(version), as_contender(champion) if champion else None)
