"""The MLflow dataset inputs of runs."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence

import mlflow.data
import numpy as np
import pandas as pd
from mlflow.entities import Dataset, DatasetInput, InputTag

from recipeline.artifacts import Rows
from recipeline.config.recipe import Recipe
from recipeline.data.origin.sources import Source
from recipeline.data.stored_rows import StoredRows
from recipeline.tracking._compat import describe_source
from recipeline.tracking.artifacts.artifact_folders import place_of
from recipeline.tracking.connection.failures import retry_conflict
from recipeline.tracking.runs import TAG_LENGTH, StepRun
from recipeline.tracking.tags import Tag, bare

#: The names on MLflow's pages for the rows that a model was fitted to, and those that it was scored on.
TRAINING, EVALUATION = "training", "evaluation"

# As many hex digits of a sha256 as MLflow takes (36), rounded.
_DIGEST_LENGTH = 32

# So many rows show MLflow the types of a large table's columns.
_FEW = 1000


def tag_digests(tag: Tag, digests: Sequence[str]) -> dict[str, str]:
    """Return the tags that hold digests; further tags have a number behind it.

    Each tag holds as many as its length allows.
    """
    room = TAG_LENGTH // (len(digests[0]) + 1)
    parts = [",".join(digests[start : start + room]) for start in range(0, len(digests), room)]
    name = bare(tag)
    return {f"{name}{f'_{number}' if number else ''}": part for number, part in enumerate(parts)}


def find_digests(tags: Mapping[str, str], tag: Tag) -> list[str]:
    """Return the digests in a run's tags `tag`, `tag_1` and so on."""
    return [digest for name, value in tags.items() if name.startswith(tag) for digest in value.split(",")]


def log_dataset(run: StepRun, rows: StoredRows, recipe: Recipe, source: Source) -> None:
    """Log `rows` as the run's dataset input, with the source's digest."""
    _log(run, [run.id], _describe(rows, recipe, source.origin, source.sha256), "ingest")


def log_rows(
    run: StepRun,
    artifact: Rows,
    recipe: Recipe,
    context: str,
    candidate_runs: Iterable[str],
    *,
    saved: str = "",
) -> None:
    """Log an artifact's rows as dataset input of the run and candidates.

    The digest is the file's, its source the file's location: `mlflow.data.get_source(...).load()` downloads it. It is an
    upstream artifact, or one that the run itself has `saved`, given by its sha256.
    """
    writer = run.id if saved else run.lineage[artifact.step]
    place, digest = place_of(run.reader.root(writer), artifact.name), saved or run.reader.digest(artifact, writer)
    _log(run, [run.id, *candidate_runs], _describe(run.open(artifact), recipe, place, digest), context)


def _describe(rows: StoredRows, recipe: Recipe, origin: str, sha256: str) -> Dataset:
    table = stand_in(rows) if rows.is_large else rows.read()
    with warnings.catch_warnings():
        # MLflow's words about a path that two of its own classes understand, and about integers that are never missing.
        warnings.simplefilter("ignore", UserWarning)
        dataset = mlflow.data.from_pandas(
            table, source=describe_source(origin), targets=recipe.target, name=recipe.name, digest=sha256[:_DIGEST_LENGTH]
        )
        size = {"num_rows": len(rows), "num_elements": len(rows) * len(rows.columns)}
        return Dataset(**{**dataset.to_dict(), "profile": json.dumps(size)})


def stand_in(rows: StoredRows) -> pd.DataFrame:
    """Return a few rows from which MLflow reads the schema of all of them.

    A column has a missing value where that of the whole table has any, and text where that has text.
    """
    table = rows.take(np.arange(min(len(rows), _FEW)))
    for name, missing in rows.missing.items():
        if missing and not table[name].isna().any():
            table[name] = table[name].where(np.arange(len(table)) > 0)
        elif missing < len(rows) and pd.api.types.is_string_dtype(table[name].dtype) and table[name].isna().all():
            table[name] = table[name].where(np.arange(len(table)) > 0, "")  # MLflow would take any type for it
    return table


def _log(run: StepRun, run_ids: Iterable[str], dataset: Dataset, context: str) -> None:
    entity = DatasetInput(dataset, [InputTag("mlflow.data.context", context)])
    for run_id in run_ids:
        if run_id == run.id:
            run.log_inputs([entity])
        else:
            retry_conflict(lambda run_id=run_id: run.client.log_inputs(run_id, [entity]))  # type: ignore[misc]
