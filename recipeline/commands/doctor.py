"""Doctor: problems of the store, the registry and the machine, with repairs."""

from __future__ import annotations

import os

from recipeline.cli.command import Result, entry_point
from recipeline.cli.environment import find_project, open_session, open_settings
from recipeline.cli.options import session_options
from recipeline.errors import EXIT_BROKEN, UnavailableError
from recipeline.maintenance.doctor import Finding, examine_files, examine_machine, examine_registry
from recipeline.tracking.connection.failures import store_errors
from recipeline.tracking.connection.sqlite import path_of

_MARKS = {"ok": "✓", "note": "·", "broken": "✗"}


@entry_point("doctor")
@session_options
def doctor(recipe: str, profile: str) -> Result:
    """Check the store, the registry and this machine; name the repair commands.

    \b
    Reads:  the environment, the store, the registry, the ledger, the files of the versions; changes nothing
    Exit code 7: something is broken.
    Example: recipeline doctor --json
    """
    findings = [*examine_machine(find_project(), os.environ), *_examine_store(recipe, profile)]
    broken = [finding for finding in findings if finding.state == "broken"]
    text = "\n".join([*map(_line, findings), "", f"{len(broken)} broken." if broken else "Nothing is broken."])
    return Result(text, EXIT_BROKEN if broken else 0, values=findings)


def _examine_store(recipe: str, profile: str) -> list[Finding]:
    settings = open_settings(recipe, profile)
    if not settings.has_store:
        return [Finding("note", f"There is no store yet at {path_of(settings.store_uri)}.", "make pipeline")]
    os.environ.pop("MLFLOW_RUN_ID", None)  # it was named above
    files = [*examine_files(settings.store_uri, settings.artifact_root)]
    if files:
        return files
    try:
        session = open_session(recipe, profile, reads=True)
        with store_errors(session.store.uri):
            return [Finding("ok", "The store answers, and its tables are up to date."), *examine_registry(session)]
    except UnavailableError as error:
        fix = "mlflow db upgrade <the store's URI>" if "out-of-date" in error.sentence else ""
        return [Finding("broken", error.sentence, fix)]


def _line(finding: Finding) -> str:
    return f"{_MARKS[finding.state]} {finding.what}" + (f"\n    → {finding.fix}" if finding.fix else "")
