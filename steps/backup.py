"""Backup: the local store, database and artifacts, in one archive."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from pipeline.housekeeping import back_up
from pipeline.store import store_errors
from steps.command import Result, entry_point, open_session, session_options


@entry_point("backup")
@session_options
@click.option("--output", default="", show_default="backup-<time>.tar.gz", help="The archive to write, a new file.")
def backup(recipe: str, profile: str, output: str) -> Result:
    """Save the local store, database and artifacts, in one archive; while it is written, no command changes the registry.

    \b
    Reads:  the store
    Writes: the archive, whole or not at all
    Example: python -m steps.backup --output before.tar.gz
    """
    session = open_session(recipe, profile)
    name = output or f"backup-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz"
    with store_errors(session.store.uri):
        path = back_up(session, session.cwd / Path(name))
    return Result(f"{path}")


if __name__ == "__main__":
    backup()
