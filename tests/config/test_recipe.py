from __future__ import annotations

from pathlib import Path

import pytest

from recipeline.config.recipe import Recipe, load_recipe
from recipeline.errors import UsageError
from tests.config.helpers import Change, assert_refused
from tests.conftest import ROOT


@pytest.mark.parametrize("words", ["all", "", "ALL", "lr,all"])
def test_all_selects_every_candidate(recipe: Recipe, words: str) -> None:
    assert recipe.select(words) == ("LinearRegression", "DecisionTree", "ElasticNet")


def test_names_and_aliases_select_in_recipe_order_and_once(recipe: Recipe) -> None:
    assert recipe.select(" en, linearregression ,lr") == ("LinearRegression", "ElasticNet")


def test_an_unknown_model_is_refused_with_the_nearest_word(recipe: Recipe) -> None:
    with pytest.raises(UsageError, match=r"Got 'eln' instead.*Did you mean 'en'"):
        recipe.select("lr,eln")


def test_a_part_holds_only_the_candidates_asked_for(recipe: Recipe) -> None:
    part = recipe.part(["target"], candidates=["DecisionTree"])
    assert list(part) == ["target", "candidates"]
    assert list(part["candidates"]) == ["DecisionTree"]


def test_the_recipe_of_the_project_loads() -> None:
    recipe = load_recipe(ROOT / "recipe.yaml", {})
    assert recipe.model_name == "WineQualityBestModel"
    assert len(recipe.features) == 11


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.update(task="ranking"), ["'task'", "regression", "ranking"]),
        (lambda c: c.update(target="qualty"), ["'target'", "Got 'qualty' instead", "Did you mean 'quality'?"]),
        (lambda c: c["columns"]["quality"].update(nullable=True), ["columns.quality.nullable", "missing target"]),
        (lambda c: c["candidates"]["ElasticNet"].update(alias="lr"), ["ElasticNet.alias", "already stands for"]),
        (
            lambda c: c["candidates"].update(M={"alias": "m", "members": ["Decision"]}),
            ["members", "'Decision'", "Did you mean 'DecisionTree'?"],
        ),
    ],
)
def test_names_that_do_not_agree_are_refused(tmp_path: Path, change: Change, words: list[str]) -> None:
    assert_refused(tmp_path, change, words)
