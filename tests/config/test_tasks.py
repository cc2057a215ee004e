"""A recipe has the settings of its task, and no others."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from recipeline.config.tasks import TASK_RULES, TaskName, refuse_setting
from recipeline.metrics.catalogue import METRICS
from tests.classes import TARGETS, class_content, class_recipe
from tests.conftest import as_recipe, small_recipe

CATEGORY = {"type": "category", "values": ["a", "b"]}


def refusal(content: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        as_recipe(content)
    return str(caught.value)


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


@pytest.mark.parametrize(
    ("column", "positive", "words"),
    [
        (CATEGORY, None, "'target.positive' is missing: name the label whose probability is predicted, one of a, b."),
        (CATEGORY, "c", "'target.positive' must be one of a, b. Got \"c\" instead."),
        ({"type": "boolean"}, "yes", 'must be a label of a column of the type boolean. Got "yes" instead.'),
        ({"type": "integer"}, True, "must be a label of a column of the type integer. Got true instead."),
    ],
)
def test_the_positive_label_is_one_of_the_column(column: dict[str, Any], positive: Any, words: str) -> None:
    assert words in refusal(class_content("binary", column, positive))


def test_settings_of_another_task_are_refused_by_name() -> None:
    assert refuse_setting("regression", "transform", "target.transform") == ""
    found = refuse_setting("multiclass", "decision", "decision")
    assert found == "'decision' is a setting of the task binary, and this recipe's is multiclass."
    assert found in refusal(class_content("multiclass", {"type": "category"}, decision={"threshold": 0.3}))
    slices = {"guard_rails": {"slices": {"low": {"max": 4}}}}
    assert "slices.low.max' is a setting of the task regression" in refusal(
        class_content("binary", {"type": "boolean"}, promotion=slices)
    )
    numbers = small_recipe()
    numbers["candidates"]["ElasticNet"]["calibrate"] = "sigmoid"
    assert "'candidates.ElasticNet.calibrate' is a setting of the task binary or multiclass" in refusal(numbers)


def test_metrics_are_those_of_the_task_and_decisions_are_of_decided_labels() -> None:
    gates = {"validation_criteria": [{"metric": "roc_ac", "threshold": 0.7}]}
    found = refusal(class_content("binary", {"type": "boolean"}, gates=gates))
    assert "must be a metric of the task binary. Got 'roc_ac' instead. Did you mean 'roc_auc'?" in found
    found = refusal(class_content("binary", {"type": "boolean"}, decision={"metric": "roc_auc"}))
    assert "'decision.metric' must be a metric of decided labels. Got 'roc_auc' instead." in found
    found = refusal(class_content("binary", {"type": "boolean"}, decision={"metric": "f1", "recall": 0.9}))
    assert "give one of threshold, cost, metric, recall. Got metric and recall instead." in found
