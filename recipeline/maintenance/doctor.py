"""Checks of a store, a registry and this machine, each with its repair."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlflow.entities.model_registry import ModelVersion

from recipeline.errors import UnavailableError
from recipeline.orchestration.commit import describe_commit
from recipeline.orchestration.session import Session
from recipeline.registry.loading import load_golden
from recipeline.registry.results import OPEN
from recipeline.registry.stages import CHAMPION, PREVIOUS, PRODUCTION
from recipeline.tracking.connection.local import check_database, find_local, find_old_root
from recipeline.tracking.models import model_id_of
from recipeline.tracking.tags import run_id_tag

REPAIR = "recipeline repair"


@dataclass(frozen=True)
class Finding:
    """The result of one check: `ok`, `note`, or `broken` with a repair command."""

    state: Literal["ok", "note", "broken"]
    what: str
    fix: str = ""


def examine_machine(root: Path, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield findings on environment managers, inherited variables and checkout."""
    managers = [name for name in ("pyenv", "uv", "conda") if shutil.which(name)]
    yield Finding(
        "note",
        f"Environment managers on PATH: {', '.join(managers) or 'none'}. `mlflow run` and `mlflow models serve` need "
        "pyenv; `--env-manager uv` takes uv, `--env-manager local` the active environment.",
    )
    run_id = environment.get("MLFLOW_RUN_ID")
    if run_id:
        yield Finding(
            "broken",
            f"The environment has MLFLOW_RUN_ID={run_id} of another command: commands may write into that run.",
            "unset MLFLOW_RUN_ID",
        )
    commit = describe_commit(root)
    if commit["git_dirty"] == "true":
        yield Finding("note", f"The checkout differs from its commit {commit['git_commit'][:12]}.", "git status")
    elif commit["git_commit"] == "unknown":
        yield Finding("note", "The project is not a git checkout: versions have no commit.", "git init")
    else:
        yield Finding("ok", f"The checkout is commit {commit['git_commit'][:12]}.")


def examine_files(uri: str, artifact_root: str | None) -> Iterator[Finding]:
    """Yield findings on a local store that must be repaired before it is opened.

    They are a damaged database, and artifact locations that are out of date.
    """
    store = find_local(uri, artifact_root)
    if store is None:
        return
    try:
        check_database(store.database)
        before = find_old_root(store.database, store.artifacts)
    except sqlite3.OperationalError:
        return  # opening the store reports it
    except sqlite3.DatabaseError as error:
        yield Finding("broken", f"The database {store.database} is damaged: {error}.", "recipeline restore --input <a backup>")
        return
    if before is not None:
        yield Finding(
            "broken",
            f"The store {store.database} was moved: its artifacts are in {store.artifacts}, and it refers to {before}.",
            REPAIR,
        )


def examine_registry(session: Session) -> Iterator[Finding]:
    """Yield findings on Production, the ledger and the files of the versions."""
    yield from _production(session)
    yield from _ledger(session)
    for version in sorted(session.registry.versions(), key=lambda version: int(version.version)):
        yield from _version(session, version)


def _production(session: Session) -> Iterator[Finding]:
    registry = session.registry
    champion = registry.holder(CHAMPION)
    in_stage = [str(version.version) for version in registry.versions() if version.current_stage == PRODUCTION]
    number = str(champion.version) if champion else ""
    if champion is None and not in_stage:
        yield Finding("note", f"No version of {registry.name} is in Production.", "make pipeline")
    elif len(in_stage) > 1:
        yield Finding("broken", f"Versions {' and '.join(sorted(in_stage, key=int))} are both in stage Production.", REPAIR)
    elif in_stage != [number]:
        yield Finding(
            "broken",
            f"The alias {CHAMPION} is on version {number or 'none'}, the stage Production on "
            f"{in_stage[0] if in_stage else 'none'}.",
            REPAIR,
        )
    else:
        yield Finding("ok", f"Version {number} of {registry.name} is in Production, alias and stage.")


def _ledger(session: Session) -> Iterator[Finding]:
    registry = session.registry
    reading, champion = registry.ledger.read(), registry.holder(CHAMPION)
    number = str(champion.version) if champion else ""
    for fault in reading.faults.values():
        yield Finding("broken", fault, f"{REPAIR}   (acknowledges it; the entry cannot be recovered)")
    if reading.head and reading.head.state == OPEN:
        yield Finding(
            "broken",
            f"Entry {reading.head.number} of the ledger, version {reading.head.before or 'none'} to {reading.head.after}, was "
            "interrupted.",
            REPAIR,
        )
    elif (reading.changes[-1].after if reading.changes else "") != number:
        last = reading.changes[-1].after if reading.changes else ""
        yield Finding(
            "broken",
            f"Production was changed outside of the pipeline: the ledger ends with version {last or 'none'}, the "
            f"alias {CHAMPION} is on {number or 'none'}.",
            f"{REPAIR}   (records it), or recipeline rollback",
        )
    elif not reading.faults:
        signed = "signed and " if session.ledger_key else ""
        noted = f"; acknowledged damage: {', '.join(sorted(reading.acknowledged))}" if reading.acknowledged else ""
        yield Finding("ok", f"The ledger of {registry.name} is {signed}complete: {len(reading.entries)} entries{noted}.")
    if not session.ledger_key and (fault := registry.ledger.key_fault()):  # with another key, the entries are faults
        yield Finding("note", f"{fault} Signatures were not checked.", "export RECIPELINE_LEDGER_KEY=<the key>")
    known = {str(version.version) for version in registry.versions()}
    served = dict.fromkeys(entry.after for entry in reading.changes if entry.after)
    for gone in served:
        if gone not in known and f"version {gone}" not in reading.acknowledged:
            yield Finding(
                "broken",
                f"Version {gone}, which was in Production, was deleted from the registry.",
                f"{REPAIR}   (acknowledges it; the version cannot be recovered)",
            )


def _version(session: Session, version: ModelVersion) -> Iterator[Finding]:
    """Yield findings on a version's files and runs.

    Versions that Production needs must also reproduce their golden rows.
    """
    number, tags, reader = version.version, version.tags, session.reader.fresh()
    aliases = {str(v.version) for v in map(session.registry.holder, (CHAMPION, PREVIOUS)) if v}
    again = "Restore it from a backup, or train and register it again."
    try:
        if version.run_id and run_id_tag("train") in tags:
            reader.require_model(model_id_of(version), tags[run_id_tag("train")])
        if str(number) in aliases:
            load_golden(reader, version)
    except UnavailableError as error:
        yield Finding("broken", f"Version {number}: {error.sentence}", again)
        return
    gone = [
        step
        for step in session.order[:4]
        if (run := session.find_run(tags.get(run_id_tag(step), ""))) is None or run.info.lifecycle_stage != "active"
    ]
    if gone and run_id_tag("train") in tags:
        run_id = tags.get(run_id_tag(gone[0]), "")
        yield Finding(
            "note",
            f"Version {number}: deleted runs: {', '.join(gone)}.",
            f"mlflow runs restore --run-id {run_id}",
        )
    else:
        yield Finding("ok", f"Version {number} ({version.current_stage}) is complete.")
