"""The tasks of a recipe, and the names of the settings that belong to each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

#: The task of a recipe; each has a module of its name in the `tasks` of every room that it touches.
TaskName = Literal["regression", "binary", "multiclass"]


@dataclass(frozen=True)
class TaskRules:
    """The rules of a task for a recipe: types of its target, and settings of its own.

    `needs_positive` are the types of a target whose positive label must be named; `has_labels`: the target has labels.
    """

    noun: str
    target_types: tuple[str, ...]
    settings: tuple[str, ...]
    needs_positive: tuple[str, ...] = ()
    has_labels: bool = True


TASK_RULES: Mapping[str, TaskRules] = {
    "regression": TaskRules(
        "a regression",
        ("number", "integer"),
        ("transform", "tolerances", "mae", "slice_mae", "min", "max", "mae_increase"),
        has_labels=False,
    ),
    "binary": TaskRules(
        "two classes",
        ("boolean", "category", "integer"),
        ("positive", "decision", "calibrate", "slice_loss", "labels", "loss_increase", "calibration"),
        ("category",),
    ),
    "multiclass": TaskRules(
        "several classes", ("category", "integer"), ("calibrate", "slice_loss", "labels", "loss_increase", "calibration")
    ),
}


def refuse_setting(task: str, key: str, place: str) -> str:
    """Return the error message where a setting belongs to another task, else ""."""
    if key in TASK_RULES[task].settings:
        return ""
    of = [name for name, rules in TASK_RULES.items() if key in rules.settings]
    return f"'{place}' is a setting of the task {' or '.join(of)}, and this recipe's is {task}."
