"""The tasks of a recipe, and the settings that belong to each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from recipeline.config.rules import FurtherMetric
from recipeline.errors import nearest
from recipeline.metrics.catalogue import NEEDS, further_metric, list_further

#: The task of a recipe; each has a module of its name in the `tasks` of every room that it touches.
TaskName = Literal["regression", "binary", "multiclass"]


@dataclass(frozen=True)
class TaskRules:
    """The rules of a task for a recipe: types of its target, and settings of its own.

    `needs_positive` are the types of a target whose positive label must be named.
    """

    noun: str
    target_types: tuple[str, ...]
    settings: tuple[str, ...]
    needs_positive: tuple[str, ...] = ()


TASK_RULES: Mapping[str, TaskRules] = {
    "regression": TaskRules(
        "a regression", ("number", "integer"), ("transform", "tolerances", "mae", "slice_mae", "min", "max")
    ),
    "binary": TaskRules(
        "two classes",
        ("boolean", "category", "integer"),
        ("positive", "decision", "calibrate", "slice_loss", "labels"),
        ("category",),
    ),
    "multiclass": TaskRules("several classes", ("category", "integer"), ("calibrate", "slice_loss", "labels")),
}


def refuse_setting(task: str, key: str, place: str) -> str:
    """Return the error message where a setting belongs to another task, else ""."""
    if key in TASK_RULES[task].settings:
        return ""
    of = [name for name, rules in TASK_RULES.items() if key in rules.settings]
    return f"'{place}' is a setting of the task {' or '.join(of)}, and this recipe's is {task}."


#: Names of figures of a candidate that are no metrics.
_TAKEN = ("cv_mean_score", "cv_std", "cv_fold_score", "fit_seconds", "settings_tried", "test_rows")


def refuse_metrics(task: str, more: Sequence[FurtherMetric]) -> str:
    """Return the error message where a further metric is not one of the task, else ""."""
    names = [it.name for it in more]
    for place, entry in enumerate(more):
        where = f"metrics.more.{place}"
        if names.count(entry.name) > 1:
            return f"'{where}.name' must be unique. Got '{entry.name}' {names.count(entry.name)} times instead."
        known = further_metric(task, entry.name)
        if entry.function is None and known is None:
            hint = nearest(entry.name, list_further(task))
            return f"'{where}' must be a metric of the task {task}, or have a function. Got '{entry.name}' instead. {hint}"
        if entry.function is not None and (known is not None or entry.name in _TAKEN):
            return f"'{where}.name' must not be a name that is taken. Got '{entry.name}' instead. Rename the metric."
        if entry.needs is not None and entry.needs not in NEEDS[task]:
            return f"'{where}.needs' must be {' or '.join(NEEDS[task])} for the task {task}. Got '{entry.needs}' instead."
    return ""
