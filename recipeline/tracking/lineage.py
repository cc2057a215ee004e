"""Lineage: the run IDs of the steps that a run or a version was made by."""

from __future__ import annotations

from contextlib import suppress

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion

from recipeline.artifacts import FINGERPRINT
from recipeline.errors import UnavailableError
from recipeline.tracking.manifest import Reader
from recipeline.tracking.results import Recorded

TAG_PREFIX = "recipeline."


def lineage_of_version(version: ModelVersion, steps: tuple[str, ...]) -> dict[str, str]:
    """Return the run IDs of the `steps` that a version was made by, in their order."""
    ids = {step: str(version.tags.get(f"{TAG_PREFIX}{step}_run_id", "")) for step in steps}
    return {step: run_id for step, run_id in ids.items() if run_id}


def lineage_of(run: Run, steps: tuple[str, ...]) -> dict[str, str]:
    """Return the run IDs of the upstream `steps` that `run` was made from, and its own, in their order."""
    ids = {step: run.data.tags.get(f"recipeline.{step}_run_id", "") for step in steps}
    ids[run.data.tags["recipeline.step"]] = run.info.run_id
    return {step: ids[step] for step in steps if ids.get(step)}


def lineage_of_chain(chain: Run, steps: tuple[str, ...]) -> dict[str, str]:
    """Return the run IDs of the `steps` that a run of main came to, in their order."""
    ids = {step: chain.data.tags.get(f"recipeline.{step}_run_id", "") for step in steps}
    return {step: run_id for step, run_id in ids.items() if run_id}


def recorded(reader: Reader, run: Run) -> Recorded:
    """Return what the run's result depends on; nothing where that is gone."""
    with suppress(UnavailableError):
        return reader.load(FINGERPRINT, run.info.run_id)
    return Recorded({}, {})
