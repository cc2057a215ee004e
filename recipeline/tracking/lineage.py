"""Lineage: the run IDs of the steps that a run or a version comes from, its rows."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion

from recipeline.artifacts import FINGERPRINT, FITTED, TRAIN, Artifact, T
from recipeline.data.results import FittedRows
from recipeline.errors import UnavailableError
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.results import Recorded
from recipeline.tracking.tags import PREFIX, RunTags, run_id_tag

if TYPE_CHECKING:
    import pandas as pd


class _Run(Protocol):
    """The part of a `StepRun` that leads to rows."""

    lineage: dict[str, str]
    reader: Reader

    def has(self, artifact: Artifact[Any]) -> bool: ...

    def load(self, artifact: Artifact[T]) -> T: ...


def lineage_of_version(version: ModelVersion, steps: tuple[str, ...]) -> dict[str, str]:
    """Return the run IDs of the `steps` that a version was made by, in their order."""
    ids = {step: str(version.tags.get(run_id_tag(step), "")) for step in steps}
    return {step: run_id for step, run_id in ids.items() if run_id}


def run_of_version(version: ModelVersion, step: str) -> str:
    """Return the ID of the run of `step` that a version was made by.

    Raises
    ------
    UnavailableError : none is known.
    """
    run_id = str(version.tags.get(run_id_tag(step), ""))
    if not run_id:
        raise UnavailableError(
            f"models:/{version.name}/{version.version} has no run of {step}: it was registered by other means than the chain.",
            fix="Register a version with `make pipeline`, or restore one with `recipeline rollback`.",
        )
    return run_id


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


def load_fitted(run: _Run) -> pd.DataFrame:
    """Return the rows that candidates were fitted to: all training rows, or some.

    Raises
    ------
    UnavailableError : the file is missing or changed.
    """
    return run.load(FITTED if run.has(FITTED) else TRAIN)


def fitted_tags(limit: int | None, fitted: FittedRows | None) -> dict[str, str | float]:
    """Return the tags of a run of train that say how many rows models were fitted to."""
    of_rows: dict[str, str | float] = {} if fitted is None else {"fitted_rows": fitted.rows, "available_rows": fitted.available}
    return {} if limit is None else {"max_train_rows": limit, **of_rows}


def find_fitted(run: _Run) -> tuple[int | None, FittedRows | None]:
    """Return the limit of the run of train before `run`, and its number of rows.

    None: it had no limit, or fitted models to all rows.
    """
    if FITTED.step not in run.lineage:
        return None, None
    tags = run.reader.runs.get(run.lineage[FITTED.step]).data.tags
    names = (RunTags.MAX_TRAIN_ROWS, RunTags.FITTED_ROWS, RunTags.AVAILABLE_ROWS)
    limit, rows, available = (int(tags[name]) if name in tags else None for name in names)
    if limit is None or rows is None or available is None:
        return limit, None
    return limit, FittedRows(rows, available, limit)
