from __future__ import annotations

from typing import Any

from tests.classes import class_content
from tests.conftest import as_recipe, small_recipe

OWN = {"name": "profit", "function": "custom.metrics.profit", "greater_is_better": True}


def numbers(**metrics: Any) -> dict[str, Any]:
    return small_recipe() | {"metrics": metrics}


def test_further_metrics_are_those_that_the_task_has_not_anyway() -> None:
    recipe = as_recipe(numbers(more=["mae", "pinball_0.1", OWN]))
    assert [it.name for it in recipe.further] == ["pinball_0.1", "profit"]
    assert [it.name for it in recipe.scored] == ["r2", "rmse", "mae", "pinball_0.1", "profit"]
    assert [it.greater_is_better for it in recipe.further] == [False, True]


def test_the_metric_that_ranks_is_the_skill_or_the_one_that_is_named() -> None:
    plain = as_recipe(numbers())
    assert (plain.ranked_by.name, plain.ranking()) == ("r2", {})
    assert as_recipe(numbers() | {"primary_metric": "r2"}).ranking() == {}
    assert as_recipe(numbers() | {"primary_metric": "mae"}).ranking() == {"primary_metric": "mae"}
    own = as_recipe(numbers(more=[OWN]) | {"primary_metric": "profit"})
    assert own.ranked_by.label == "profit"
    assert own.ranking()["primary"]["function"] == OWN["function"]


def test_a_decision_is_a_setting_of_the_model_where_there_is_one() -> None:
    assert as_recipe(numbers()).decided == ()
    assert as_recipe(class_content("binary", {"type": "boolean"}, decision={"recall": 0.9})).decided == ("decision",)
