"""Lineage: the run IDs of the steps that a run or a version was made by."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion

from recipeline.artifacts import FINGERPRINT
from recipeline.errors import UnavailableError
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.results import Recorded
from recipeline.tracking.tags import PREFIX, RunTags, run_id_tag


def lineage_of_version(version: ModelVersion, steps: tuple[str, ...]) -> dict[str, str]:
    """Return the run IDs of the `steps` that a version was made by, in their order."""
    ids = {step: str(version.tags.get(run_id_tag(step), "")) for step in steps}
    return {step: run_id for step, run_id in ids.items() if run_id}


def lineage_of(run: Run, steps: tuple[str, ...]) -> dict[str, str]:
    """Return the run IDs of the upstream `steps` of `run` and its own, in order."""
    ids = {step: run.data.tags.get(run_id_tag(step), "") for step in steps}
    ids[run.data.tags[RunTags.STEP]] = run.info.run_id
    return {step: ids[step] for step in steps if ids.get(step)}


def lineage_of_chain(chain: Run, steps: tuple[str, ...]) -> dict[str, str]:
    """Return the run IDs of the `steps` that a run of main came to, in their order."""
    ids = {step: chain.data.tags.get(run_id_tag(step), "") for step in steps}
    return {step: run_id for step, run_id in ids.items() if run_id}


def recorded(reader: Reader, run: Run) -> Recorded:
    """Return what the run's result depends on; nothing where that is gone."""
    with suppress(UnavailableError):
        return reader.load(FINGERPRINT, run.info.run_id)
    return Recorded({}, {})


def lineage_tags(lineage: Mapping[str, str], reader: Reader) -> dict[str, str]:
    """Return a run's tags, without prefix, of its upstream runs and their data."""
    of_rows = {name: value for name in ("data_source", "data_digest") if (value := newest_tag(lineage, name, reader))}
    return {**{f"{upstream}_run_id": run_id for upstream, run_id in lineage.items()}, **of_rows}


def newest_tag(lineage: Mapping[str, str], name: str, reader: Reader) -> str:
    """Return the tag ``recipeline.<name>`` of a lineage's last run; empty without."""
    if not lineage:
        return ""
    return str(reader.runs.get(list(lineage.values())[-1]).data.tags.get(f"{PREFIX}{name}", ""))
