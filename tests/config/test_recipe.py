from __future__ import annotations

import pytest

from recipeline.config.recipe import Recipe
from recipeline.errors import UsageError


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
