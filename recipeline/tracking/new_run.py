"""A new run or logged model: made once, also where it is asked for twice.

A request whose answer was lost is sent again, and a run is never left open by whoever does not know its ID.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelStatus, Run
from mlflow.exceptions import MlflowException

from recipeline.tracking.connection.patience import note_answer, parting, repetitions
from recipeline.tracking.filters import quoted
from recipeline.tracking.tags import RunTags


def create_run(
    client: MlflowClient, experiment_id: str, tags: Mapping[str, str], fail: Callable[[str, BaseException], object]
) -> Run:
    """Return a new run.

    If an interrupt comes before the ID is known, the run is found again and given to `fail`. A request whose answer was lost is
    sent again and makes a second run; the first one is deleted.
    """
    mark, before = uuid.uuid4().hex, repetitions()
    try:
        made = client.create_run(experiment_id, tags={**tags, RunTags.OPENING: mark})
    except BaseException as error:
        with suppress(MlflowException), parting(error, client.tracking_uri):
            for run_id in _marked(client, experiment_id, mark):
                fail(run_id, error)
        raise
    note_answer(client.tracking_uri)
    if repetitions() != before:
        with suppress(MlflowException):
            for run_id in _marked(client, experiment_id, mark):
                if run_id != made.info.run_id:
                    client.delete_run(run_id)
    return made


def create_model(
    client: MlflowClient, experiment_id: str, run_id: str, *, name: str, tags: Mapping[str, str], params: Mapping[str, str]
) -> LoggedModel:
    """Return a new logged model of a run that has no other one in the making.

    A request whose answer was lost is sent again and makes a second model; the first one is deleted.
    """
    before = repetitions()
    made = client.create_logged_model(experiment_id, name=name, source_run_id=run_id, tags=dict(tags), params=dict(params))
    if repetitions() != before:
        with suppress(MlflowException):
            for model in client.search_logged_models([experiment_id], f"source_run_id = {quoted(run_id)}"):
                if model.status == LoggedModelStatus.PENDING and model.model_id != made.model_id:
                    client.delete_logged_model(model.model_id)
    return made


def _marked(client: MlflowClient, experiment_id: str, mark: str) -> list[str]:
    """Return the IDs of the runs with a mark."""
    found = client.search_runs([experiment_id], f"tags.`{RunTags.OPENING}` = {quoted(mark)}")
    return [run.info.run_id for run in found]
