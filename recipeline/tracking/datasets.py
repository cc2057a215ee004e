"""The MLflow dataset input of a run."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import mlflow.data
import pandas as pd
from mlflow.entities import Dataset, DatasetInput, InputTag

from recipeline.config.recipe import Recipe
from recipeline.data.sources import Source
from recipeline.tracking._compat import describe_source
from recipeline.tracking.failures import retry_conflict
from recipeline.tracking.runs import TAG_LENGTH, StepRun

#: The tags of the digests of the files that a source is made of.
PARTS = "part_digest"


def tag_digests(name: str, digests: Sequence[str]) -> dict[str, str]:
    """Return the tags that hold digests, as many in each as it has room for; further ones have a number behind `name`."""
    room = TAG_LENGTH // (len(digests[0]) + 1)
    parts = [",".join(digests[start : start + room]) for start in range(0, len(digests), room)]
    return {f"{name}{f'_{number}' if number else ''}": part for number, part in enumerate(parts)}


def find_digests(tags: Mapping[str, str], name: str) -> list[str]:
    """Return the digests that the tags of a run hold under `name`."""
    return [digest for tag, value in tags.items() if tag.startswith(f"recipeline.{name}") for digest in value.split(",")]


def log_dataset(run: StepRun, table: pd.DataFrame, recipe: Recipe, source: Source) -> None:
    """Log `table` as the run's dataset input, with the source's digest (its first 32 hex digits: MLflow takes 36)."""
    with warnings.catch_warnings():
        # MLflow's words about a path that two of its own classes understand, and about integers that are never missing.
        warnings.simplefilter("ignore", UserWarning)
        dataset = mlflow.data.from_pandas(
            table,
            source=describe_source(source.origin),
            targets=recipe.target,
            name=recipe.name,
            digest=source.sha256[:32],
        )
        entity = DatasetInput(Dataset(**dataset.to_dict()), [InputTag("mlflow.data.context", "ingest")])
    retry_conflict(lambda: run.client.log_inputs(run.id, [entity]))
