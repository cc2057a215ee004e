"""Restore: replace the local store by the store of an archive."""

from __future__ import annotations

import click

from recipeline.cli.command import Result, entry_point
from recipeline.cli.environment import open_settings
from recipeline.cli.options import name_file, session_options
from recipeline.cli.output.caller import reporter
from recipeline.cli.output.results import RestoreValues
from recipeline.maintenance.backup import require_local, restore_archive
from recipeline.tracking.connection.failures import store_errors


@entry_point("restore")
@session_options
@click.option("--input", "source", required=True, help="An archive that `backup` wrote, in this folder.")
def restore(recipe: str, profile: str, source: str) -> Result:
    """Replace the local store by the store of an archive.

    The present store is moved aside, not deleted. Stop its servers first.

    \b
    Reads:  the archive
    Writes: the store
    Example: recipeline restore --input before.tar.gz
    """
    settings = open_settings(recipe, profile)
    store = require_local(settings.store_uri, settings.artifact_root)
    path = name_file(source, settings.cwd, "input")
    with store_errors(settings.store_uri):
        aside = restore_archive(store, settings.store_uri, path, reporter().tick)
    words = [f"{settings.store_uri} is restored from {source}", *(f"the store before: {it}" for it in aside)]
    return Result("\n".join(words), values=RestoreValues(settings.store_uri, source, tuple(map(str, aside))))
