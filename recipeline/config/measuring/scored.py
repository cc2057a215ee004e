"""The part of a recipe that says how predictions are decided and scored."""

from __future__ import annotations

from typing import Any

from recipeline.config.rules import Decision, Metrics
from recipeline.config.settings import Settings
from recipeline.config.tasks import TaskName
from recipeline.metrics.catalogue import METRICS, Metric, find_metric, further_metric, skill_of


class Scored(Settings):
    """Task, decision and metrics of a recipe.

    `decision` is how the label of two classes is decided; without it the likelier one is. `primary_metric` is the metric whose
    mean over the folds ranks the candidates; None: the skill.
    """

    #: What is predicted: a number, one of two labels, or one of several.
    task: TaskName
    decision: Decision = Decision()
    metrics: Metrics = Metrics()
    primary_metric: str | None = None

    @property
    def decided(self) -> tuple[str, ...]:
        """The key of the decision where the recipe has one: it changes a model."""
        return ("decision",) if self.decision.is_set else ()

    @property
    def further(self) -> tuple[Metric, ...]:
        """The metrics of `metrics.more` that are not the task's anyway."""
        of_task = [metric.name for metric in METRICS[self.task]]
        asked = [it for it in self.metrics.more if it.name not in of_task]
        return tuple(it.as_metric() if it.function else _known(self.task, it.name) for it in asked)

    @property
    def scored(self) -> tuple[Metric, ...]:
        """All metrics of an evaluation, the skill first."""
        return (*METRICS[self.task], *self.further)

    @property
    def ranked_by(self) -> Metric:
        """The metric that ranks the candidates."""
        return find_metric(self.task, self.primary_metric or skill_of(self.task).name, self.further)

    def ranking(self) -> dict[str, Any]:
        """Return the settings of a metric that ranks the candidates.

        Empty where the skill does.
        """
        if self.ranked_by == skill_of(self.task):
            return {}
        entries = [it.model_dump(mode="json") for it in self.metrics.more if it.name == self.primary_metric]
        return {"primary_metric": self.primary_metric, **({"primary": entries[0]} if entries else {})}


def _known(task: str, name: str) -> Metric:
    found = further_metric(task, name)
    assert found is not None  # `refuse_metrics` has looked
    return found
