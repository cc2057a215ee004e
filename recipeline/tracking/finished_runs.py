"""Finished runs, found by step, recipe, profile and fingerprint, or by ID."""

from __future__ import annotations

from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException

from recipeline.errors import UnavailableError
from recipeline.tracking.failures import is_missing
from recipeline.tracking.filters import quoted
from recipeline.tracking.tags import PREFIX, RunTags


@dataclass(frozen=True)
class History:
    """The finished runs of one recipe under one profile, in all experiments."""

    client: MlflowClient
    recipe: str
    profile: str

    def newest(self, step: str, *, fingerprint: str = "", limit: int = 1) -> list[Run]:
        """Return the FINISHED runs of `step`, newest first, by fingerprint if given."""
        tags = {"step": step, "recipe": self.recipe, "profile": self.profile}
        if fingerprint:
            tags["fingerprint"] = fingerprint
        conditions = [f"tags.`{PREFIX}{name}` = {quoted(value)}" for name, value in tags.items()]
        conditions.append("attributes.status = 'FINISHED'")
        experiments = [e.experiment_id for e in self.client.search_experiments(view_type=ViewType.ACTIVE_ONLY)]
        if not experiments:
            return []
        return list(
            self.client.search_runs(
                experiments, " and ".join(conditions), max_results=limit, order_by=["attributes.start_time DESC"]
            )
        )

    def get(self, step: str, run_id: str) -> Run:
        """Return the finished run `run_id` of `step`.

        Raises
        ------
        UnavailableError : there is none, it was deleted, did not finish, or is of another step.
        """
        rule = f"{step}_run_id must be the ID of a finished run of {step}."
        again = f"See `mlflow ui` for the runs, or leave {step}_run_id empty for the newest one."
        try:
            run = self.client.get_run(run_id)
        except MlflowException as error:
            if not is_missing(error):
                raise
            raise UnavailableError(rule, got=f"'{run_id}', which the store does not have,", fix=again) from None
        its_step = run.data.tags.get(RunTags.STEP, "no step of this project")
        if run.info.lifecycle_stage != "active":
            raise UnavailableError(
                rule,
                got=f"'{run_id}', which was deleted,",
                fix=f"Restore it with `mlflow runs restore --run-id {run_id}`. {again}",
            )
        if its_step != step:
            raise UnavailableError(rule, got=f"'{run_id}', a run of {its_step},", fix=again)
        if run.info.status != "FINISHED":
            raise UnavailableError(rule, got=f"'{run_id}', which is {run.info.status},", fix=again)
        return run
