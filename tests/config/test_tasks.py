"""A task has rules, metrics, and settings of its own."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from recipeline.config.tasks import TASK_RULES, TaskName, refuse_setting
from recipeline.metrics.catalogue import METRICS
from tests.classes import TARGETS, class_content, class_recipe
from tests.config.helpers import refusal


def test_every_task_has_rules_and_metrics() -> None:
    assert tuple(TASK_RULES) == tuple(METRICS) == get_args(TaskName)


@pytest.mark.parametrize(("task", "case"), [(task, case) for task, cases in TARGETS.items() for case in cases])
def test_targets_of_classes_are_accepted(task: str, case: tuple[dict[str, Any], list[Any], Any]) -> None:
    column, _, positive = case
    assert class_recipe(task, column, positive).task == task


@pytest.mark.parametrize(
    ("task", "column", "words"),
    [
        ("binary", {"type": "number"}, "must be boolean, category or integer, as the target of two classes is"),
        ("multiclass", {"type": "datetime"}, "must be category or integer, as the target of several classes is"),
        ("regression", {"type": "category"}, "must be number or integer, as the target of a regression is"),
    ],
)
def test_a_target_of_another_type_is_refused(task: str, column: dict[str, Any], words: str) -> None:
    assert words in refusal(class_content(task, column))


def test_the_task_that_a_setting_belongs_to_is_named() -> None:
    assert refuse_setting("regression", "transform", "target.transform") == ""
    found = refuse_setting("multiclass", "decision", "decision")
    assert found == "'decision' is a setting of the task binary, and this recipe's is multiclass."


def test_metrics_are_those_of_the_task_and_decisions_are_of_decided_labels() -> None:
    gates = {"validation_criteria": [{"metric": "roc_ac", "threshold": 0.7}]}
    found = refusal(class_content("binary", {"type": "boolean"}, gates=gates))
    assert "must be a metric of the task binary. Got 'roc_ac' instead. Did you mean 'roc_auc'?" in found
    found = refusal(class_content("binary", {"type": "boolean"}, decision={"metric": "roc_auc"}))
    assert "'decision.metric' must be a metric of decided labels. Got 'roc_auc' instead." in found
    found = refusal(class_content("binary", {"type": "boolean"}, decision={"metric": "f1", "recall": 0.9}))
    assert "give one of threshold, cost, metric, recall. Got metric and recall instead." in found
