"""The MLflow dataset input of a run."""

from __future__ import annotations

import warnings

import mlflow.data
import pandas as pd
from mlflow.entities import DatasetInput, InputTag

from pipeline.recipe import Recipe
from pipeline.runs import StepRun
from pipeline.sources import Source, redact


def log_dataset(run: StepRun, table: pd.DataFrame, recipe: Recipe, source: Source) -> None:
    """Log `table` as the run's dataset input, with the source's digest (its first 32 hex digits: MLflow takes 36)."""
    with warnings.catch_warnings():
        # MLflow's words about a path that two of its own classes understand, and about integers that are never missing.
        warnings.simplefilter("ignore", UserWarning)
        dataset = mlflow.data.from_pandas(
            table, source=redact(source.origin), targets=recipe.target, name=recipe.name, digest=source.sha256[:32]
        )
        entity = DatasetInput(dataset._to_mlflow_entity(), [InputTag("mlflow.data.context", "ingest")])
    run.client.log_inputs(run.id, [entity])
