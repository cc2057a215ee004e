"""The MLflow dataset inputs of runs."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence

import mlflow.data
import pandas as pd
from mlflow.entities import Dataset, DatasetInput, InputTag

from recipeline.artifacts import Artifact
from recipeline.config.recipe import Recipe
from recipeline.data.origin.sources import Source
from recipeline.tracking._compat import describe_source
from recipeline.tracking.artifacts.artifact_folders import place_of
from recipeline.tracking.connection.failures import retry_conflict
from recipeline.tracking.runs import TAG_LENGTH, StepRun
from recipeline.tracking.tags import Tag, bare

#: The names on MLflow's pages for the rows that a model was fitted to, and those that it was scored on.
TRAINING, EVALUATION = "training", "evaluation"

# As many hex digits of a sha256 as MLflow takes (36), rounded.
_DIGEST_LENGTH = 32


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


def log_dataset(run: StepRun, table: pd.DataFrame, recipe: Recipe, source: Source) -> None:
    """Log `table` as the run's dataset input, with the source's digest."""
    _log(run, [run.id], _describe(table, recipe, source.origin, source.sha256), "ingest")


def log_rows(
    run: StepRun,
    artifact: Artifact[pd.DataFrame],
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
    _log(run, [run.id, *candidate_runs], _describe(run.load(artifact), recipe, place, digest), context)


def _describe(table: pd.DataFrame, recipe: Recipe, origin: str, sha256: str) -> Dataset:
    with warnings.catch_warnings():
        # MLflow's words about a path that two of its own classes understand, and about integers that are never missing.
        warnings.simplefilter("ignore", UserWarning)
        dataset = mlflow.data.from_pandas(
            table, source=describe_source(origin), targets=recipe.target, name=recipe.name, digest=sha256[:_DIGEST_LENGTH]
        )
        return Dataset(**dataset.to_dict())


def _log(run: StepRun, run_ids: Iterable[str], dataset: Dataset, context: str) -> None:
    entity = DatasetInput(dataset, [InputTag("mlflow.data.context", context)])
    for run_id in run_ids:
        if run_id == run.id:
            run.log_inputs([entity])
        else:
            retry_conflict(lambda run_id=run_id: run.client.log_inputs(run_id, [entity]))  # type: ignore[misc]
