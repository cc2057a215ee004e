"""The newest comparison of a challenger in shadow, as monitor recorded it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from recipeline.artifacts import DRIFT_REPORT
from recipeline.errors import UnavailableError
from recipeline.monitoring.results import ShadowCompared
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.connection.store import list_experiments
from recipeline.tracking.filters import quoted
from recipeline.tracking.tags import RunTags

#: So many runs are looked at: a recipe may have been given another model's name.
_MOST_RUNS = 10


def find_shadow(
    client: MlflowClient, reader: Reader, recipe: str, challenger: ModelVersion, champion: ModelVersion
) -> ShadowCompared | None:
    """Return the newest finished comparison of the two by monitor; None without one.

    `recipe` is the name of the recipe: versions of another one's model may have the same numbers.
    A run whose report is missing or changed is passed over.
    """
    wanted = {
        RunTags.RECIPE: recipe,
        RunTags.STEP: "monitor",
        RunTags.MODEL_VERSION: str(champion.version),
        RunTags.SHADOW_VERSION: str(challenger.version),
    }
    conditions = [f"tags.`{name}` = {quoted(value)}" for name, value in wanted.items()]
    experiments = [*list_experiments(client).values()]
    if not experiments:
        return None
    runs = client.search_runs(
        experiments,
        " and ".join([*conditions, "attributes.status = 'FINISHED'"]),
        max_results=_MOST_RUNS,
        order_by=["attributes.start_time DESC"],
    )
    for run in runs:
        with suppress(UnavailableError):
            report = reader.load(DRIFT_REPORT, run.info.run_id)
            if report.shadow and report.model.name == champion.name:
                return replace(report.shadow, run_id=run.info.run_id)
    return None
