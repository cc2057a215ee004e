"""Prune: delete old runs and models that nothing needs."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from recipeline.cli.command import registry_command
from recipeline.cli.options import parse_switch
from recipeline.maintenance.pruning import delete_waste, find_waste
from recipeline.orchestration.session import Session
from recipeline.reports.summary import tabulate
from recipeline.tracking.runs import StepRun


@registry_command("prune")
@click.option("--dry-run", default="", show_default="on", help="on only says what would be deleted; off deletes it.")
def prune(session: Session, run: StepRun, dry_run: str) -> str:
    """Delete old runs, versions and their files that nothing needs; by default only say which.

    \b
    Reads:  the registry, the ledger, the runs; retention.days of the recipe
    Writes: nothing, unless dry_run=off
    Kept is what is younger, what is or was in Production, what is in Staging, and all of their runs.
    Example: recipeline prune --dry-run off
    """
    only_say = parse_switch("dry_run", dry_run, default=True)
    waste, left = (find_waste(session), "") if only_say else delete_waste(session)
    days = f"{session.recipe.retention.days:g} days"
    if not waste.runs and not waste.versions:
        return f"nothing is older than {days} and not needed"
    rows = [("version", str(v.version), _day(v.creation_timestamp)) for v in waste.versions]
    rows += [(r.data.tags.get("mlflow.runName", "run"), r.info.run_id, _day(r.info.start_time)) for r in waste.runs]
    table = tabulate(["what", "which", "made"], rows)
    if only_say:
        return f"{table}\nwould be deleted ({len(rows)}, older than {days}); dry_run=off deletes them"
    run.tag(deleted=len(rows))
    return f"{table}\ndeleted ({len(rows)}, older than {days})" + (f"\n{left}" if left else "")


def _day(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d}"
