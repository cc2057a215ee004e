"""Texts of the experiment and the registered model say where to look."""

from __future__ import annotations

from typing import Any

from markdown_it import MarkdownIt

from recipeline.orchestration.wording import describe_experiment, describe_registered_model
from tests.classes import class_recipe
from tests.conftest import NAME, Project, as_recipe, small_recipe

HARMFUL = "<script>alert(1)</script> [a](javascript:b) ![c](d) # e"


def renamed(**changes: Any) -> Any:
    content = small_recipe()
    content.update(changes)
    return as_recipe(content)


def test_mlflow_shows_what_the_experiment_and_the_model_are(trained: Project) -> None:
    experiment = trained.client.get_experiment(trained.runs("main")[0].info.experiment_id)
    assert "tags.`recipeline.step` = 'main'" in experiment.tags["mlflow.note.content"]
    chains = trained.client.search_runs([experiment.experiment_id], "tags.`recipeline.step` = 'main'")
    assert [run.data.tags["recipeline.step"] for run in chains] == ["main"] * len(chains)
    assert chains
    model = trained.client.get_registered_model(NAME)
    assert "Predicts *quality* from" in model.description
    assert f"{NAME}.ledger" in model.description
    assert "Every change of Production" in trained.client.get_registered_model(f"{NAME}.ledger").description


def test_the_experiment_names_the_metrics_of_the_task() -> None:
    assert "`best.r2`, `best.rmse`, `best.mae` and `best.cv_mean_score`" in describe_experiment(renamed())
    text = describe_experiment(class_recipe("binary", {"type": "category"}, "yes"))
    assert "`best.brier_skill`, `best.log_loss`, `best.roc_auc` and `best.cv_mean_score`" in text
    assert "r2" not in text


def test_the_users_words_are_no_markup() -> None:
    recipe = renamed(model_card={"intended_use": HARMFUL})
    for text in (describe_experiment(recipe), describe_registered_model(recipe)):
        shown = MarkdownIt("commonmark").render(text)
        assert "<script" not in shown
        assert "<a " not in shown
        assert "<img" not in shown
    assert "Intended use" in describe_registered_model(recipe)
    assert "Intended use" not in describe_registered_model(renamed(model_card={}))
