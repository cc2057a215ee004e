"""The reusable part of the chain, and the reasons for re-running the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from recipeline.orchestration.fingerprints import RESULT, differences, fingerprint
from recipeline.orchestration.session import Session
from recipeline.orchestration.step import Params
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.connection.failures import is_missing
from recipeline.tracking.lineage import lineage_of, recorded
from recipeline.tracking.tags import RunTags

#: Registering and promoting change the registry, whose state no fingerprint covers: they always run, and do nothing twice.
CACHED = ("ingest", "split", "train", "evaluate")


@dataclass(frozen=True)
class Reuse:
    """The run IDs of reusable steps in order, and a reason for each other step."""

    lineage: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def find_reusable(session: Session, names: tuple[str, ...], params: Mapping[str, Params]) -> Reuse:
    """Return the longest prefix of `names` that one earlier lineage holds whole.

    A step is reused only together with its upstream runs, so that a registered version leads back to its rows. A run counts
    when it is finished, its fingerprint is current, and all its artifacts and models are present and unchanged.
    """
    reader = session.reader
    components, fingerprints, parent = {}, {}, ""
    for name in names:
        components[name] = session.components(session.step(name), params[name], parent)
        parent = fingerprints[name] = fingerprint(components[name])
    faults: dict[str, list[str]] = {}
    for length in range(len(names), 0, -1):
        prefix, last = names[:length], names[length - 1]
        for run in session.history.newest(last, fingerprint=fingerprints[last], limit=5):
            lineage = lineage_of(run, prefix)
            if _is_whole(session, reader, lineage, prefix, fingerprints, faults):
                return Reuse(
                    lineage, {name: _reason(session, reader, name, components[name], faults) for name in names[length:]}
                )
    return Reuse({}, {name: _reason(session, reader, name, components[name], faults) for name in names})


def _is_whole(
    session: Session,
    reader: Reader,
    lineage: Mapping[str, str],
    prefix: tuple[str, ...],
    fingerprints: Mapping[str, str],
    faults: dict[str, list[str]],
) -> bool:
    for name in prefix:
        run_id = lineage.get(name)
        if run_id is None or not _is_finished(session, run_id, fingerprints[name]):
            return False
        if run_id not in faults:
            faults[run_id] = reader.faults(run_id)
        if faults[run_id]:
            return False
    return True


def _is_finished(session: Session, run_id: str, expected: str) -> bool:
    try:
        run = session.runs.get(run_id)
    except MlflowException as error:
        if not is_missing(error):
            raise
        return False
    return bool(
        run.info.status == "FINISHED"
        and run.info.lifecycle_stage == "active"
        and run.data.tags.get(RunTags.FINGERPRINT) == expected
    )


def _reason(session: Session, reader: Reader, name: str, components: Mapping[str, str], faults: Mapping[str, list[str]]) -> str:
    """Return in one line why the newest run of the step cannot be reused."""
    newest = session.history.newest(name)
    if not newest:
        return "not run before"
    run: Run = newest[0]
    before = recorded(reader, run).components
    changed = differences(before, components)
    own = [line for line in changed if not line.startswith(RESULT)]
    if own and before:
        return "; ".join(own[:5]) + (f"; and {len(own) - 5} more" if len(own) > 5 else "")
    if changed and before:
        return changed[0]
    broken = faults.get(run.info.run_id) or reader.faults(run.info.run_id)
    return broken[0] if broken else f"its upstream run of {session.upstream(name)[-1]} is incomplete"
