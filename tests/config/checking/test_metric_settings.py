from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from recipeline.config.checking.metric_settings import refuse_further, refuse_metrics
from recipeline.config.recipe import Recipe
from recipeline.config.rules import FurtherMetric
from tests.classes import class_content
from tests.conftest import as_recipe, small_recipe

OWN = {"name": "profit", "function": "custom.metrics.profit", "greater_is_better": True}


def numbers(**metrics: Any) -> dict[str, Any]:
    content = small_recipe()
    return content | {"metrics": {**content.get("metrics", {}), **metrics}}


def refusal(content: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        as_recipe(content)
    return str(caught.value)


def test_a_recipe_without_faults_has_none() -> None:
    assert refuse_metrics(as_recipe(numbers(more=["rmsle", OWN]))) == ""


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["rmsl"], "'metrics.more.0' must be a metric of the task regression, or have a function. Got 'rmsl' instead. Did you"),
        (["pinball_1.5"], "Got 'pinball_1.5' instead."),
        (["roc_auc"], "must be a metric of the task regression"),
        ([OWN, OWN], "'metrics.more.0.name' must be unique. Got 'profit' 2 times instead."),
        ([OWN | {"name": "r2"}], "'metrics.more.0.name' must not be a name that is taken. Got 'r2' instead."),
        ([OWN | {"name": "cv_std"}], "must not be a name that is taken"),
        ([OWN | {"name": "coverage"}], "must not be a name that is taken"),
        ([OWN | {"function": "profit"}], "metrics.more.0.function"),
        ([OWN | {"function": ""}], "metrics.more.0.function"),
        ([OWN | {"label": "net\nprofit"}], "metrics.more.0.label"),
        ([OWN | {"label": "\x1b[31mprofit"}], "must be one line of visible characters"),
        ([OWN | {"needs": "labels"}], "'metrics.more.0.needs' must be numbers for the task regression. Got 'labels' instead."),
        ([{"name": "profit", "function": "a.b"}], "greater_is_better must be true or false for an own metric."),
        ([{"name": "rmsle", "needs": "numbers"}], "needs is a setting of an own metric: give its function"),
        ([{"name": "a b", "function": "a.b", "greater_is_better": True}], "String should match pattern"),
    ],
)
def test_a_further_metric_that_is_none_is_refused(more: list[Any], words: str) -> None:
    assert words in refusal(numbers(more=more))


def test_a_metric_that_every_evaluation_has_may_be_asked_for_and_is_there_once() -> None:
    recipe = as_recipe(numbers(more=["r2", "rmsle"]))
    assert [it.name for it in recipe.scored] == ["r2", "rmse", "mae", "rmsle"]
    assert refuse_further("binary", [FurtherMetric(name="recall"), FurtherMetric(name="precision")]) == ""


@pytest.mark.parametrize("place", ["primary_metric", "gates", "rails"])
def test_a_metric_is_named_by_gates_rails_and_ranking_once_it_is_asked_for(place: str) -> None:
    parts: dict[str, dict[str, Any]] = {
        "primary_metric": {"primary_metric": "rmsle"},
        "gates": {"gates": {"validation_criteria": [{"metric": "rmsle", "threshold": 1}]}},
        "rails": {"promotion": {"guard_rails": {"metrics": {"rmsle": 0.1}}}},
    }
    assert "Got 'rmsle' instead. Add rmsle to metrics.more." in refusal(numbers() | parts[place])
    assert isinstance(as_recipe(numbers(more=["rmsle"]) | parts[place]), Recipe)


def test_the_level_is_for_each_value_of_a_feature_or_for_each_label() -> None:
    column = {"type": "category"}
    content = class_content("binary", column, "good", metrics={"level": 0.8, "level_by": "y"})
    assert as_recipe(content).metrics.level_by == "y"
    content["columns"]["z"] = {"type": "category"}
    assert as_recipe(content | {"metrics": {"level_by": "z"}}).metrics.level == 0.9
    assert "'metrics.level_by' must be a feature of the type category or boolean, or the target, y. Got 'x'" in refusal(
        content | {"metrics": {"level_by": "x"}}
    )
    assert "'metrics.level_by' must be a feature of the type category or boolean. Got 'quality' instead." in refusal(
        numbers(level_by="quality")
    )
    assert "less than or equal to 0.999" in refusal(numbers(level=1.0))


def test_a_threshold_is_chosen_by_no_metric_that_one_answer_for_all_rows_makes_best() -> None:
    for name in ("recall", "precision"):
        found = refusal(class_content("binary", {"type": "boolean"}, decision={"metric": name}))
        assert f"'decision.metric' must be a metric of decided labels. Got '{name}' instead." in found
