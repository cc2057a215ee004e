"""Prune: delete old runs and models that no version needs."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from recipeline.cli.command import registry_command
from recipeline.cli.options import parse_switch
from recipeline.cli.output.results import PrunedItem, PruneValues
from recipeline.maintenance.pruning import delete_unneeded, find_unneeded
from recipeline.orchestration.session import Session
from recipeline.reports.summary import tabulate
from recipeline.tracking.runs import StepRun


@registry_command("prune")
@click.option("--dry-run", default="", show_default="on", metavar="on|off", help="on: list without deleting; off: delete.")
def prune(session: Session, run: StepRun, dry_run: str) -> str:
    """Delete old, unneeded runs, versions and their files; by default, list them.

    \b
    Reads:  the registry, the ledger, the runs; retention.days of the recipe
    Writes: nothing, unless dry_run=off
    Kept: everything younger, all versions that are or were in Production or are in Staging, and all of their runs.
    Example: recipeline prune --dry-run off
    """
    only_say = parse_switch("dry_run", dry_run, default=True)
    unneeded, left = (find_unneeded(session), "") if only_say else delete_unneeded(session)
    days = f"{session.recipe.retention.days:g} days"
    items = [PrunedItem("version", str(v.version), v.name, _day(v.creation_timestamp)) for v in unneeded.versions]
    items += [
        PrunedItem("run", r.info.run_id, r.data.tags.get("mlflow.runName", "run"), _day(r.info.start_time))
        for r in unneeded.runs
    ]
    run.values = PruneValues(not only_say, session.recipe.retention.days, tuple(items), left)
    if not unneeded.runs and not unneeded.versions:
        return f"nothing is older than {days} and not needed"
    rows = [("version" if it.kind == "version" else it.name, it.id, it.made) for it in items]
    table = tabulate(["what", "which", "made"], rows)
    if only_say:
        return f"{table}\nwould be deleted ({len(rows)}, older than {days}); dry_run=off deletes them"
    run.tag(deleted=len(rows))
    return f"{table}\ndeleted ({len(rows)}, older than {days})" + (f"\n{left}" if left else "")


def _day(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d}"
