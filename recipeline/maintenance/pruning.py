"""Old runs, versions and models without a use: found and deleted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mlflow.entities import Run, ViewType
from mlflow.entities.model_registry import ModelVersion

from recipeline.data.origin.uris import scrub
from recipeline.orchestration.session import Session
from recipeline.registry.ledger import ATTEMPT, LOOK
from recipeline.registry.stages import PRODUCTION, STAGING
from recipeline.tracking._compat import PARENT_RUN_ID
from recipeline.tracking.connection.failures import gone_is_fine
from recipeline.tracking.connection.store import search_all_runs, search_all_versions
from recipeline.tracking.filters import quoted
from recipeline.tracking.tags import RunTags

#: MLflow's command line. Its words come by stdin: those of a process, passwords among them, are seen by all users of a machine.
_MLFLOW = "import json, sys; from mlflow.cli import cli; cli.main(json.load(sys.stdin), prog_name='mlflow')"


@dataclass(frozen=True)
class Unneeded:
    """Old versions that never were in Production, and old runs without a use."""

    versions: tuple[ModelVersion, ...]
    runs: tuple[Run, ...]


def find_unneeded(session: Session) -> Unneeded:
    """Return the versions and runs of this recipe and profile that can be deleted.

    Kept are: everything younger than the recipe's `retention.days`; every version that the ledger names, or that is in Staging
    or Production; every run that a kept version, a version of another model, or a ledger leads to, with the runs nested in it;
    unfinished runs and their upstream runs.
    """
    before = _retained_since(session)
    unneeded = _old_versions(session)
    old_numbers = {version.version for version in unneeded}
    entries = session.registry.ledger.read().entries
    needed = {entry.run_id for entry in entries if entry.kind not in (LOOK, ATTEMPT)}  # what these say stays in the ledger
    for version in session.registry.versions():
        if version.version not in old_numbers:
            needed |= _run_ids(version.tags) | {version.run_id}
    needed |= _needed_elsewhere(session)
    runs = list(_runs(session))
    for run in runs:
        if run.info.status == "RUNNING":  # it is about to build on them
            needed |= _run_ids(run.data.tags)
    # A nested run stays with the one it is nested in, and the other way round.
    for run in runs:
        parent = run.data.tags.get(PARENT_RUN_ID, "")
        if run.info.run_id in needed and parent:
            needed.add(parent)
    for _ in range(2):  # candidates are nested in train, train in main
        needed |= {run.info.run_id for run in runs if run.data.tags.get(PARENT_RUN_ID) in needed}
    old = tuple(
        run
        for run in runs
        if run.info.run_id not in needed and run.info.status != "RUNNING" and (run.info.end_time or before) < before
    )
    return Unneeded(unneeded, old)


def _retained_since(session: Session) -> float:
    """Return the time from which on everything is kept, in milliseconds."""
    return (datetime.now(UTC) - timedelta(days=session.recipe.retention.days)).timestamp() * 1000


def _old_versions(session: Session) -> tuple[ModelVersion, ...]:
    """Return the versions that `prune` may delete, as things stand now."""
    before = _retained_since(session)
    served = {name for entry in session.registry.ledger.read().entries for name in (entry.before, entry.after)}
    named = session.registry.with_alias()
    return tuple(
        version
        for version in session.registry.versions()
        if version.creation_timestamp < before
        and str(version.version) not in served
        and version.current_stage not in (STAGING, PRODUCTION)
        and str(version.version) not in named
    )


def _needed_elsewhere(session: Session) -> set[str]:
    """Return the runs that versions and ledgers of other models of the store lead to.

    `promote --to models:/<name>` makes versions of the same runs.
    """
    client, own = session.store.client, session.registry.name
    needed: set[str] = set()
    for version in search_all_versions(client):
        if version.name not in (own, f"{own}.ledger"):
            needed |= _run_ids(version.tags) | {version.run_id}
    return needed


def _run_ids(tags: Mapping[str, str]) -> set[str]:
    return {value for key, value in tags.items() if key.endswith("_run_id")}


def _runs(session: Session) -> Iterator[Run]:
    """Yield this recipe and profile's runs and their nested runs.

    Runs of the recipe that were transferred from another store are among them. All experiments are searched.
    """
    own, found = set(), search_all_runs(session.store.client)
    for run in found:
        tags = run.data.tags
        is_of_profile = tags.get(RunTags.PROFILE) == session.profile_name or RunTags.SOURCE_RUN_ID in tags
        if tags.get(RunTags.RECIPE) == session.recipe.name and is_of_profile:
            own.add(run.info.run_id)
    yield from (run for run in found if run.info.run_id in own or run.data.tags.get(PARENT_RUN_ID) in own)


def delete_unneeded(session: Session) -> tuple[Unneeded, str]:
    """Find and delete unneeded versions and runs; return them and remaining work.

    One lock is held throughout, so that none of them is promoted meanwhile. A command on another machine, which does not share
    the lock, may promote all the same: each version is checked again before it is deleted, and runs are searched for
    afterwards. Files are deleted where the store's database is accessible.
    """
    client, versions = session.store.client, []
    with session.registry.locked():
        for version in _old_versions(session):
            session.registry.refresh()
            if version.version in {old.version for old in _old_versions(session)}:
                with gone_is_fine():
                    client.delete_model_version(version.name, str(version.version))
                versions.append(version)
        session.registry.refresh()
        unneeded = Unneeded(tuple(versions), find_unneeded(session).runs)
        for run in unneeded.runs:
            with gone_is_fine():
                client.set_tag(run.info.run_id, RunTags.PRUNED, "true")
                client.delete_run(run.info.run_id)
    now = [run.info.run_id for run in unneeded.runs]
    return unneeded, _delete_files(session, list(dict.fromkeys([*now, *_left_behind(session)])))


def _left_behind(session: Session) -> list[str]:
    """Return runs that an earlier `prune` deleted and whose files it could not.

    It was killed, or `mlflow gc` failed. Runs that a person deleted may be restored, and are none.
    """
    if _is_server(session):
        return []
    mark = f"tags.`{RunTags.PRUNED}` = 'true' and tags.`{RunTags.RECIPE}` = {quoted(session.recipe.name)}"
    return [run.info.run_id for run in search_all_runs(session.store.client, mark, ViewType.DELETED_ONLY)]


def _is_server(session: Session) -> bool:
    """Whether the store's files are deleted by an administrator only."""
    return session.store.uri.startswith(("http://", "https://"))


def _delete_files(session: Session, ids: list[str]) -> str:
    """Delete the files of deleted runs; return the remaining work as text."""
    if not ids:
        return ""
    if _is_server(session):
        return "The files are deleted when the server's administrator runs `mlflow gc`."
    for start in range(0, len(ids), 200):
        words = [
            "gc",
            "--backend-store-uri",
            session.store.uri,
            "--tracking-uri",
            session.store.uri,
            "--run-ids",
            ",".join(ids[start:][:200]),
        ]
        done = subprocess.run(
            [sys.executable, "-c", _MLFLOW], input=json.dumps(words), capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = scrub(done.stderr, session.store.uri).strip().splitlines() or ["nothing"]
            return f"Their files are not deleted: `mlflow gc` failed with '{said[-1]}'."
    return ""
