"""The MLflow dataset input of a run."""

from __future__ import annotations

import warnings

import mlflow.data
import pandas as pd
from mlflow.entities import Dataset, DatasetInput, InputTag

from recipeline.config.recipe import Recipe
from recipeline.data.sources import Source
from recipeline.tracking._compat import describe_source
from recipeline.tracking.failures import retry_conflict
from recipeline.tracking.runs import StepRun


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
