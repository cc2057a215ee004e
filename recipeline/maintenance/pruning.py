"""Old runs, versions and models that nothing needs: found and deleted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mlflow.entities import Run, ViewType
from mlflow.entities.model_registry import ModelVersion

from recipeline.orchestration.session import Session
from recipeline.registry.ledger import ATTEMPT, LOOK
from recipeline.registry.stages import PRODUCTION, STAGING
from recipeline.tracking._compat import PARENT_RUN_ID


@dataclass(frozen=True)
class Waste:
    """What is old and needed by nothing: versions that never were in Production, and runs."""

    versions: tuple[ModelVersion, ...]
    runs: tuple[Run, ...]


def find_waste(session: Session) -> Waste:
    """Return the versions and runs of this recipe and profile that `prune` may delete.

    Kept are: what is younger than the recipe's `retention.days`; every version that the ledger names, or that is in Staging or
    Production; every run that a kept version, or the ledger, leads to, with the runs nested in it; runs that are not finished.
    """
    before = (datetime.now(UTC) - timedelta(days=session.recipe.retention.days)).timestamp() * 1000
    entries = session.registry.ledger.read().entries
    served = {name for entry in entries for name in (entry.before, entry.after)}
    versions = session.registry.versions()
    waste = tuple(
        version
        for version in versions
        if version.creation_timestamp < before
        and str(version.version) not in served
        and version.current_stage not in (STAGING, PRODUCTION)
        and not version.aliases
    )
    needed = {entry.run_id for entry in entries if entry.kind not in (LOOK, ATTEMPT)}  # what these say stays in the ledger
    for version in versions:
        if version not in waste:
            needed |= {value for key, value in version.tags.items() if key.endswith("_run_id")} | {version.run_id}
    runs = list(_runs(session))
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
    return Waste(waste, old)


def _runs(session: Session) -> Iterator[Run]:
    """Yield the runs of the steps of this recipe and profile, and those nested in them, in all experiments."""
    client = session.store.client
    experiments = [e.experiment_id for e in client.search_experiments(view_type=ViewType.ACTIVE_ONLY)]
    own, token = set(), None
    found: list[Run] = []
    while token != "":
        page = client.search_runs(experiments, max_results=1000, page_token=token)
        found, token = found + list(page), page.token or ""
    for run in found:
        tags = run.data.tags
        if (tags.get("recipeline.recipe"), tags.get("recipeline.profile")) == (session.recipe.name, session.profile_name):
            own.add(run.info.run_id)
    yield from (run for run in found if run.info.run_id in own or run.data.tags.get(PARENT_RUN_ID) in own)


def delete_waste(session: Session, waste: Waste) -> str:
    """Delete what `find_waste` found, files too where the store's database is open to us; return what is left to do."""
    client, ids = session.store.client, [run.info.run_id for run in waste.runs]
    with session.registry.locked():
        for version in waste.versions:
            client.delete_model_version(version.name, str(version.version))
        for run_id in ids:
            client.delete_run(run_id)
    if not ids:
        return ""
    if session.store.uri.startswith(("http://", "https://")):
        return "The files go when the server's administrator runs `mlflow gc`."
    for start in range(0, len(ids), 200):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "mlflow",
                "gc",
                "--backend-store-uri",
                session.store.uri,
                "--run-ids",
                ",".join(ids[start:][:200]),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            return f"Their files are still there: `mlflow gc` said '{done.stderr.strip().splitlines()[-1]}'."
    return ""
