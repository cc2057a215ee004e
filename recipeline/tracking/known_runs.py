"""Runs by ID, each finished one read once per command."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mlflow import MlflowClient
from mlflow.entities import DatasetInput, Metric, Param, Run, RunData, RunInfo, RunInputs, RunTag
from mlflow.exceptions import MlflowException

from recipeline.errors import UnavailableError
from recipeline.tracking._compat import RUN_NAME
from recipeline.tracking.connection.failures import is_missing
from recipeline.tracking.connection.store import now_ms
from recipeline.tracking.tags import RunTags


class KnownRuns:
    """The runs that a command has read or made, by ID.

    A finished run of a step does not change. Candidates' runs do: `evaluate` adds test scores. They are read each time, as are
    runs that are still open or deleted.
    """

    def __init__(self, client: MlflowClient) -> None:
        self._client = client
        self._runs: dict[str, Run] = {}

    def get(self, run_id: str) -> Run:
        """Return a run of the store.

        Raises
        ------
        MlflowException : there is none, or the store does not answer.
        """
        if run_id not in self._runs:
            run = self._client.get_run(run_id)
            self.add([run])
            return run
        return self._runs[run_id]

    def add(self, runs: Iterable[Run]) -> None:
        """Keep those of the runs that do not change any more."""
        self._runs |= {run.info.run_id: run for run in runs if _is_settled(run)}

    def keep(self, run: Run) -> None:
        """Keep a run of this command's own, whose changes it knows."""
        self._runs[run.info.run_id] = run


def as_deleted(client: MlflowClient, run_id: str, error: BaseException) -> UnavailableError | None:
    """Return the error of an open run that was deleted from the store, for `error`.

    By a person, or by `restore`, which replaces the store. None where `error` does not say that something is missing, or where
    the run is there.
    """
    if not isinstance(error, MlflowException) or not is_missing(error):
        return None
    try:
        if client.get_run(run_id).info.lifecycle_stage == "active":
            return None
    except MlflowException as answer:
        if not is_missing(answer):
            return None
    return UnavailableError(
        f"The run {run_id} was deleted from the store while it was at work.",
        fix="Run the command again, at a time when nobody restores the store or deletes its runs.",
    )


def closed_run(
    opened: Run,
    status: str,
    metrics: Sequence[Metric],
    params: Sequence[Param],
    tags: Mapping[str, str],
    inputs: Sequence[DatasetInput],
) -> Run:
    """Return a run as the store has it after what was logged since it was opened."""
    before, info = opened.data, opened.info
    all_tags = {**before.tags, **tags}
    return Run(
        RunInfo(
            run_id=info.run_id,
            experiment_id=info.experiment_id,
            user_id=info.user_id,
            status=status,
            start_time=info.start_time,
            end_time=now_ms(),
            lifecycle_stage=info.lifecycle_stage,
            artifact_uri=info.artifact_uri,
            run_name=all_tags.get(RUN_NAME, info.run_name),
        ),
        RunData(
            [*metrics],
            [*(Param(*it) for it in before.params.items()), *params],
            [RunTag(*tag) for tag in all_tags.items()],
        ),
        RunInputs([*(opened.inputs.dataset_inputs if opened.inputs else []), *inputs]),
    )


def _is_settled(run: Run) -> bool:
    info = run.info
    return bool(info.status == "FINISHED" and info.lifecycle_stage == "active" and RunTags.STEP in run.data.tags)
