"""Finished runs, found by step, recipe, profile and fingerprint, or by ID."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from recipeline.errors import UnavailableError
from recipeline.tracking.connection.failures import is_missing
from recipeline.tracking.connection.store import list_experiments
from recipeline.tracking.filters import quoted
from recipeline.tracking.known_runs import KnownRuns
from recipeline.tracking.tags import RunTags

#: The newest finished runs are read together; a chain makes seven of them.
_TOGETHER = 50


class History:
    """The finished runs of one recipe under one profile, in all experiments.

    The newest are read once, and again after `forget`.
    """

    def __init__(self, client: MlflowClient, recipe: str, profile: str, runs: KnownRuns | None = None) -> None:
        self.client, self.recipe, self.profile = client, recipe, profile
        self._runs = runs or KnownRuns(client)
        self._newest: list[Run] | None = None
        self._experiments: list[str] | None = None

    def know_experiments(self, experiment_ids: Iterable[str]) -> None:
        """Take these for the active experiments of the store, instead of asking it."""
        self._experiments = [*experiment_ids]

    def forget(self) -> None:
        """Ask the store again the next time: a run was finished."""
        self._newest = self._experiments = None

    def newest(self, step: str, *, fingerprint: str = "", limit: int = 1) -> list[Run]:
        """Return the FINISHED runs of `step`, newest first, by fingerprint if given."""
        if self._newest is None:
            self._newest = self._search({}, _TOGETHER)
            self._runs.add(self._newest)
        tags: dict[str, str] = {RunTags.STEP: step, **({RunTags.FINGERPRINT: fingerprint} if fingerprint else {})}
        found = [run for run in self._newest if tags.items() <= run.data.tags.items()]
        if len(found) < limit and len(self._newest) == _TOGETHER:
            found = self._search(tags, limit)
            self._runs.add(found)
        return found[:limit]

    def _search(self, tags: Mapping[str, str], limit: int) -> list[Run]:
        given = {RunTags.RECIPE: self.recipe, RunTags.PROFILE: self.profile, **tags}
        conditions = [f"tags.`{name}` = {quoted(value)}" for name, value in given.items()]
        conditions.append("attributes.status = 'FINISHED'")
        if self._experiments is None:
            self._experiments = [*list_experiments(self.client).values()]
        if not self._experiments:
            return []
        order = ["attributes.start_time DESC"]
        return list(self.client.search_runs(self._experiments, " and ".join(conditions), max_results=limit, order_by=order))

    def get(self, step: str, run_id: str) -> Run:
        """Return the finished run `run_id` of `step`.

        Raises
        ------
        UnavailableError : there is none, it was deleted, did not finish, or is of another step or recipe.
        """
        rule = f"{step}_run_id must be the ID of a finished run of {step}."
        again = f"See `mlflow ui` for the runs, or leave {step}_run_id empty for the newest one."
        try:
            run = self._runs.get(run_id)
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
        its_recipe = run.data.tags.get(RunTags.RECIPE, "")
        if its_recipe != self.recipe:  # its columns and candidates are others
            got = f"'{run_id}', a run of the recipe '{its_recipe}', not '{self.recipe}',"
            raise UnavailableError(rule, got=got, fix=f"Name that recipe with recipe=. {again}")
        if run.info.status != "FINISHED":
            raise UnavailableError(rule, got=f"'{run_id}', which is {run.info.status},", fix=again)
        return run
