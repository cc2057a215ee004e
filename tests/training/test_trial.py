from __future__ import annotations

import re
import time
from typing import Any

import pytest
from sklearn.linear_model import LinearRegression

from recipeline.config.recipe import Recipe, load_recipe
from recipeline.errors import UsageError
from recipeline.training.candidates import build_candidate
from recipeline.training.trial import check_candidates, check_types, find_faults
from tests.conftest import ROOT, as_recipe, small_recipe


class Own(LinearRegression):
    """An estimator that is of no library."""


class OwnAndStrict(LinearRegression):
    """One that takes no rows but its own."""

    def fit(self, *_: Any) -> Any:
        raise RuntimeError("these are not my rows")


def check(recipe: Recipe, name: str) -> None:
    check_types(recipe, name, build_candidate(recipe, name), ())


@pytest.mark.parametrize("path", ["recipe.yaml", "examples/diabetes/recipe.yaml"])
def test_every_candidate_of_the_recipes_that_ship_can_be_served_and_is_tried_in_no_time(path: str) -> None:
    recipe = load_recipe(ROOT / path, {})
    started = time.process_time()
    for name in recipe.candidates:
        check(recipe, name)
    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    ("candidate", "got"),
    [
        ({"estimator": "tests.training.test_trial.Own"}, r"tests\.training\.test_trial\.Own"),
        (
            {
                "estimator": "sklearn.ensemble.HistGradientBoostingRegressor",
                "params": {"scoring": "r2", "early_stopping": True},
            },
            "recursion",
        ),
        # It cannot be fitted to rows that were made up: what it is built of is looked at all the same.
        ({"estimator": "tests.training.test_trial.OwnAndStrict"}, r"tests\.training\.test_trial\.OwnAndStrict"),
    ],
)
def test_a_candidate_whose_model_no_command_would_load_is_refused_by_key_and_type(candidate: dict[str, Any], got: str) -> None:
    content = small_recipe()
    content["candidates"]["New"] = {"alias": "new", **candidate}
    with pytest.raises(UsageError, match=rf"'candidates\.New' cannot be served\..*{got}"):
        check(as_recipe(content), "New")


def test_the_estimator_itself_is_not_fitted(recipe: Recipe) -> None:
    estimator = build_candidate(recipe, "DecisionTree")
    check_types(recipe, "DecisionTree", estimator, ())
    assert not hasattr(estimator, "tree_")
    assert estimator.get_params()["max_depth"] == build_candidate(recipe, "DecisionTree").get_params()["max_depth"]


def with_gaps(**candidates: Any) -> Recipe:
    content = small_recipe()
    content["columns"]["pH"]["nullable"] = content["columns"]["alcohol"]["nullable"] = True
    content["columns"]["color"] = {"type": "category", "nullable": True}
    return as_recipe(content | {"candidates": candidates})


def test_an_estimator_that_takes_no_missing_values_is_refused_with_the_columns_that_may_have_some() -> None:
    linear = {"alias": "a", "estimator": "sklearn.linear_model.LinearRegression"}
    recipe = with_gaps(
        Plain=linear,
        Imputed=linear | {"alias": "b", "preprocess": ["sklearn.impute.SimpleImputer"]},
        Boosted={"alias": "c", "estimator": "sklearn.ensemble.HistGradientBoostingRegressor"},
        Mean={"alias": "d", "members": ["Plain", "Boosted"]},
    )
    (fault,) = find_faults(recipe, list(recipe.candidates), ())
    assert "'candidates.Plain' accepts no missing values, and pH, alcohol may have some (nullable)." in fault.sentence
    assert "SimpleImputer" in fault.sentence


def test_all_faults_of_candidates_are_in_one_list() -> None:
    recipe = with_gaps(
        Plain={"alias": "a", "estimator": "sklearn.linear_model.LinearRegression"},
        Unknown={"alias": "b", "estimator": "sklearn.linear_model.Rigde"},
        Wrong={"alias": "c", "estimator": "sklearn.tree.DecisionTreeRegressor", "params": {"max_dept": 3}},
    )
    with pytest.raises(UsageError, match="3 candidates cannot be trained or served") as caught:
        check_candidates(recipe, list(recipe.candidates), ())
    assert [line.split("'")[1] for line in caught.value.details] == [
        "candidates.Plain",
        "candidates.Unknown.estimator",
        "candidates.Wrong.params.max_dept",
    ]


def typed(**candidates: Any) -> Recipe:
    content = small_recipe()
    content["columns"] |= {"port": {"type": "category"}, "day": {"type": "datetime"}}
    return as_recipe(content | {"candidates": candidates})


LINEAR = {"alias": "a", "estimator": "sklearn.linear_model.LinearRegression"}


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        ({"preprocess": {"category": [], "datetime": []}}, "ValueError: .*could not convert string to float"),
        ({"estimator": "sklearn.linear_model.GammaRegressor"}, ""),  # it takes no target of 0, which is possible and rare
        ({"estimator": "sklearn.neighbors.KNeighborsRegressor", "params": {"n_neighbors": 5000}}, "n_neighbors"),
        ({"estimator": "tests.training.test_trial.OwnAndStrict"}, "RuntimeError: these are not my rows"),
    ],
)
def test_a_refusal_of_made_up_rows_is_told_in_the_estimators_words_with_what_to_do(
    candidate: dict[str, Any], words: str
) -> None:
    faults = find_faults(typed(New=LINEAR | candidate), ["New"], ("tests.training.test_trial.OwnAndStrict",))
    if not words:
        assert faults == []
        return
    (fault,) = faults
    assert re.search(rf"'candidates\.New' cannot be fitted to made-up rows of the recipe's columns: .*{words}", fault.sentence)
    assert "Correct its preprocess, estimator or params; or, where real rows are none like these" in fault.sentence


def test_a_candidate_that_needs_more_rows_or_more_columns_of_a_pattern_is_asked_again() -> None:
    content = small_recipe()
    content["columns"] = {"gene *": {}, "quality": {"min": 0, "max": 10}}
    parts = ["sklearn.decomposition.PCA"]
    content["candidates"] = {
        "Wide": LINEAR | {"preprocess": [{"estimator": parts[0], "params": {"n_components": 150}}]},
        "Near": {"alias": "b", "estimator": "sklearn.neighbors.KNeighborsRegressor", "params": {"n_neighbors": 90}},
    }
    assert find_faults(as_recipe(content), ["Wide", "Near"], ()) == []


def test_values_of_the_recipe_are_those_that_a_candidate_is_asked_about() -> None:
    ordinal = {
        "estimator": "sklearn.preprocessing.OrdinalEncoder",
        "params": {"categories": [["low", "high"]]},
    }
    recipe = typed(New=LINEAR | {"preprocess": {"category": [ordinal], "datetime": ["hour"]}})
    (fault,) = find_faults(recipe, ["New"], ())
    assert "and values, which the rows are drawn from" in fault.sentence
    columns = recipe.columns | {"port": recipe.columns["port"].model_copy(update={"values": ("low", "high")})}
    assert find_faults(recipe.model_copy(update={"columns": columns}), ["New"], ()) == []
