"""Backup: the local store, database and artifacts, in one archive."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from recipeline.cli.command import Result, entry_point
from recipeline.cli.environment import open_settings
from recipeline.cli.options import name_file, session_options
from recipeline.cli.output.caller import reporter
from recipeline.cli.output.results import BackupValues
from recipeline.maintenance.backup import require_local, write_archive
from recipeline.tracking.connection.failures import store_errors


@entry_point("backup")
@session_options
@click.option("--output", default="", show_default="backup-<time>.tar.gz", help="The archive to write, a new file.")
def backup(recipe: str, profile: str, output: str) -> Result:
    """Save the local store, database and artifacts, in one archive.

    Commands that change the registry wait until it is written.

    \b
    Reads:  the store
    Writes: the archive, whole or not at all
    Example: recipeline backup --output before.tar.gz
    """
    settings = open_settings(recipe, profile)
    store = require_local(settings.store_uri, settings.artifact_root)
    target = name_file(output or f"backup-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz", settings.cwd, "output")
    with store_errors(settings.store_uri):
        path = write_archive(store, settings.store_uri, target, reporter().tick)
    return Result(f"{path}", values=BackupValues(str(path), path.stat().st_size))
