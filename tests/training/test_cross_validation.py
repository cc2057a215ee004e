from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_predict, cross_val_score

from recipeline.config.recipe import Recipe
from recipeline.data.relating.relations import FOLD
from recipeline.data.splits import cv_folds
from recipeline.engine.local import LocalWorkers
from recipeline.errors import UsageError
from recipeline.training.candidates import build_candidate
from recipeline.training.cross_validation import Result, compare_candidates, count_fits, rank
from tests.classes import class_content, class_recipe, draw_classes
from tests.conftest import as_recipe, small_recipe
from tests.panels import draw_series, series_content

SEARCH = {
    "alias": "ridge",
    "preprocess": ["sklearn.preprocessing.StandardScaler"],
    "estimator": "sklearn.linear_model.Ridge",
    "search": {"space": {"ridge__alpha": {"choice": [1000000.0, 2.0]}}, "iterations": 2, "seconds": 1000},
}
MEAN = {"alias": "mean", "members": ["ElasticNet", "DecisionTree"]}


def with_candidates(**candidates: Any) -> Recipe:
    content = small_recipe()
    content["candidates"] |= candidates
    return as_recipe(content)


def compare(recipe: Recipe, train: pd.DataFrame, *names: str, method: str = "grouped", n_jobs: int = 1) -> dict[str, Result]:
    steps = compare_candidates(recipe, names or recipe.candidates, train, method, LocalWorkers(n_jobs))
    return {result.name: result for _, results in steps for result in results}


@pytest.fixture(scope="module")
def full() -> Recipe:
    """The small recipe, with a mean and a searched candidate."""
    return with_candidates(Ridge=SEARCH, Mean=MEAN)


@pytest.fixture(scope="module")
def results(full: Recipe, wines: pd.DataFrame) -> dict[str, Result]:
    """All candidates compared in this process."""
    return compare(full, wines)


def test_two_workers_give_the_same_numbers_as_one(full: Recipe, wines: pd.DataFrame, results: dict[str, Result]) -> None:
    others = compare(full, wines, n_jobs=2)
    assert set(others) == set(results) == set(full.candidates)
    for name, result in results.items():
        np.testing.assert_array_equal(result.fold_scores, others[name].fold_scores)
        np.testing.assert_array_equal(result.out_of_fold, others[name].out_of_fold)
        features = wines[list(full.features)]
        np.testing.assert_array_equal(result.model.predict(features), others[name].model.predict(features))
        assert result.found == others[name].found


@pytest.mark.parametrize("method", ["grouped", "random"])
def test_fold_scores_are_those_of_cross_val_score_on_the_same_folds(wines: pd.DataFrame, method: str) -> None:
    recipe = with_candidates(Mean=MEAN)
    features, target = wines[list(recipe.features)], wines[recipe.target]
    folds = list(cv_folds(wines, recipe, method))
    for name, result in compare(recipe, wines, method=method).items():
        estimator = build_candidate(recipe, name)
        scores = cross_val_score(estimator, features, target, cv=folds, scoring="r2")
        np.testing.assert_array_equal(result.fold_scores, scores)
        np.testing.assert_array_equal(result.out_of_fold, cross_val_predict(estimator, features, target, cv=folds))
        assert result.cv_mean_score == scores.mean()
        assert result.cv_std == scores.std()


def test_the_model_of_a_result_is_fitted_to_all_training_rows(wines: pd.DataFrame, results: dict[str, Result]) -> None:
    features = wines.drop(columns="quality")
    expected = LinearRegression().fit(features, wines["quality"]).predict(features)
    np.testing.assert_array_equal(results["LinearRegression"].model.predict(features), expected)


def test_a_mean_is_compared_where_its_members_are_not_asked_for(
    full: Recipe, wines: pd.DataFrame, results: dict[str, Result]
) -> None:
    alone = compare(full, wines, "Mean")
    assert list(alone) == ["Mean"]
    np.testing.assert_array_equal(alone["Mean"].fold_scores, results["Mean"].fold_scores)
    expected = (results["ElasticNet"].out_of_fold + results["DecisionTree"].out_of_fold) / 2
    np.testing.assert_array_equal(alone["Mean"].out_of_fold, expected)


@pytest.mark.parametrize("names", [("DecisionTree",), ("DecisionTree", "Mean"), ("Mean", "ElasticNet")])
def test_only_the_candidates_asked_for_are_returned(full: Recipe, wines: pd.DataFrame, names: tuple[str, ...]) -> None:
    assert set(compare(full, wines, *names)) == set(names)


def test_a_step_is_reported_after_each_fit_and_each_result_once(full: Recipe, wines: pd.DataFrame) -> None:
    steps = list(compare_candidates(full, ["Mean", "ElasticNet"], wines, "grouped", LocalWorkers(1)))
    assert len(steps) == count_fits(full, ["Mean", "ElasticNet"]) == 2 * (full.cv.folds + 1)
    assert {fitted for fitted, _ in steps} == {"ElasticNet", "DecisionTree"}
    assert sorted(result.name for _, found in steps for result in found) == ["ElasticNet", "Mean"]
    assert steps[-1][1]


def test_a_searched_candidate_says_what_it_found_and_its_model_has_it(results: dict[str, Result]) -> None:
    assert results["Ridge"].found == {"ridge__alpha": 2.0}
    assert results["Ridge"].model.named_steps["ridge"].alpha == 2.0
    assert results["Mean"].found == results["ElasticNet"].found == {}


def test_a_mean_says_what_its_members_found(wines: pd.DataFrame) -> None:
    mean = {"alias": "mean", "members": ["Ridge", "ElasticNet"]}
    result = compare(with_candidates(Ridge=SEARCH, Mean=mean), wines, "Mean")["Mean"]
    assert result.found == {"Ridge.ridge__alpha": 2.0}


@pytest.mark.parametrize(
    "spec",
    [
        {"params": {"alpha": "much"}},
        {"search": {"space": {"alpha": {"choice": [-1.0]}}}},
        {"search": {"space": {"beta": {"uniform": [0, 1]}}}},
    ],
)
def test_what_an_estimator_refuses_is_a_usage_error(wines: pd.DataFrame, spec: dict[str, Any]) -> None:
    new = {"alias": "new", "estimator": "sklearn.linear_model.Ridge"} | spec
    with pytest.raises(UsageError, match=r"candidates\.New|search space"):
        compare(with_candidates(New=new), wines, "New")


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_value_that_only_the_fit_can_refuse_names_its_candidate(wines: pd.DataFrame, n_jobs: int) -> None:
    more_than_there_are = {"estimator": "sklearn.decomposition.PCA", "params": {"n_components": 50}}
    bad = {"alias": "bad", "estimator": "sklearn.linear_model.Ridge", "preprocess": [more_than_there_are]}
    with pytest.raises(UsageError, match=r"recipe\.yaml: 'candidates\.Bad' cannot be fitted.*n_components=50") as error:
        compare(with_candidates(Bad=bad), wines, n_jobs=n_jobs)
    assert error.value.exit_code == 2
    assert "\n" not in error.value.sentence


def test_rows_that_an_estimator_refuses_name_the_candidate(wines: pd.DataFrame, recipe: Recipe) -> None:
    gaps = wines.assign(alcohol=wines["alcohol"].where(wines["alcohol"] > wines["alcohol"].median()))
    assert set(compare(recipe, gaps, "DecisionTree")) == {"DecisionTree"}
    with pytest.raises(UsageError, match=r"'candidates\.LinearRegression'.*NaN"):
        compare(recipe, gaps, "LinearRegression")


def test_a_column_without_any_value_that_an_estimator_refuses_is_named(wines: pd.DataFrame) -> None:
    boosted = {"alias": "hgb", "estimator": "sklearn.ensemble.HistGradientBoostingRegressor", "params": {"max_iter": 2}}
    words = r"'candidates\.Boosted' cannot be fitted to rows without any value of alcohol: "
    with pytest.raises(UsageError, match=words) as error:
        compare(with_candidates(Boosted=boosted), wines.assign(alcohol=np.nan), "Boosted")
    assert "Set role: ignore for such columns" in error.value.sentence


def test_folds_that_the_rows_bring_are_counted(full: Recipe, wines: pd.DataFrame) -> None:
    assert count_fits(full, ["ElasticNet"], wines) == count_fits(full, ["ElasticNet"]) == full.cv.folds + 1
    assert count_fits(full, ["ElasticNet"], wines.assign(**{FOLD: np.arange(len(wines)) % 7})) == 8


def test_comparing_leaves_the_rows_as_they_are(wines: pd.DataFrame, recipe: Recipe) -> None:
    before = wines.copy()
    compare(recipe, wines)
    pd.testing.assert_frame_equal(wines, before)


def test_results_are_ranked_by_mean_score_and_equal_ones_by_name(results: dict[str, Result]) -> None:
    one = results["ElasticNet"]
    board = [
        replace(one, name="b", fold_scores=np.array([0.2, 0.4])),
        replace(one, name="c", fold_scores=np.array([0.5, 0.5])),
        replace(one, name="a", fold_scores=np.array([0.4, 0.2])),
    ]
    assert [result.name for result in rank(board)] == ["c", "a", "b"]
    assert [result.name for result in rank(board[::-1])] == ["c", "a", "b"]


def test_the_settings_that_a_candidate_is_the_best_of_are_counted(results: dict[str, Result], wines: pd.DataFrame) -> None:
    assert {name: it.settings_tried for name, it in results.items()} == {**dict.fromkeys(results, 1), "Ridge": 2}
    assert {it.cut_searches for it in results.values()} == {0}
    hurried = {**SEARCH, "search": {**SEARCH["search"], "seconds": 1e-9}}  # type: ignore[dict-item]
    recipe = with_candidates(Ridge=hurried, Both={"alias": "both", "members": ["Ridge", "ElasticNet"]})
    for result in compare(recipe, wines, "Ridge", "Both").values():
        assert (result.settings_tried, result.cut_searches) == (1, 4)  # three folds, and all rows


def test_the_primary_metric_scores_the_folds_and_ranks_in_its_own_direction(wines: pd.DataFrame) -> None:
    own = {"name": "worst", "function": "sklearn.metrics.max_error", "greater_is_better": False}
    recipe = as_recipe(small_recipe() | {"primary_metric": "worst", "metrics": {"more": [own]}})
    results = compare(recipe, wines, "ElasticNet", "DecisionTree")
    for result in results.values():
        for (_, unseen), score in zip(cv_folds(wines, recipe, "grouped"), result.fold_scores, strict=True):
            assert score == np.max(np.abs(wines["quality"].to_numpy()[unseen] - result.out_of_fold[unseen]))
        assert result.metric.name == "worst"
    assert [it.name for it in rank(results.values())] == sorted(results, key=lambda name: results[name].cv_mean_score)


def test_a_decided_metric_is_that_of_the_model_s_own_threshold() -> None:
    recipe = class_recipe("binary", {"type": "category"}, "good", primary_metric="recall", decision={"threshold": 0.05})
    rows = draw_classes(["bad", "good"])
    [result] = compare(recipe, rows, "Logistic").values()
    for (_, unseen), score in zip(cv_folds(rows, recipe, "grouped"), result.fold_scores, strict=True):
        positive = (rows["y"] == "good").to_numpy()[unseen]
        assert score == pytest.approx(np.mean(result.out_of_fold[unseen][positive] >= 0.05))


def test_a_primary_metric_that_fails_in_a_fold_is_named_with_candidate_and_fold(wines: pd.DataFrame) -> None:
    recipe = as_recipe(small_recipe() | {"primary_metric": "rmsle", "metrics": {"more": ["rmsle"]}})
    below = wines.assign(quality=-wines["quality"])
    with pytest.raises(
        UsageError, match=r"The metric rmsle in .*'metrics.more.0' cannot be computed of the candidate ElasticNet"
    ):
        compare(recipe, below, "ElasticNet")


def test_a_search_without_folds_keeps_the_params_and_says_so() -> None:
    """The first fold over time is fitted to the rows of one instant."""
    content = series_content() | {"candidates": {"Ridge": SEARCH}}
    train = draw_series(60)
    for length, empty in ((15, 1), (1, 0)):
        result = compare(as_recipe(content), train.assign(moment=train["moment"] // length))["Ridge"]
        assert result.empty_searches == empty
        assert result.found == {"ridge__alpha": 2.0}
        assert result.warning == "" if not empty else "Ridge: in 1 of its fits nothing was searched" in result.warning


def test_a_search_leaves_out_folds_that_lack_a_label() -> None:
    content = class_content("binary", {"type": "category"}, "good", split={"time": "when"})
    content["columns"]["when"] = {"role": "time"}
    space = {"C": {"choice": [1e-6, 1.0]}}
    content["candidates"] = {"Logistic": content["candidates"]["Logistic"] | {"search": {"space": space, "iterations": 2}}}
    train = draw_classes(["bad", "good"], 240).assign(when=np.arange(240.0))
    train.loc[:20, "y"] = "bad"  # the earliest of the folds inside of the first one
    result = compare(as_recipe(content), train)["Logistic"]
    assert (result.found, result.empty_searches, result.settings_tried) == ({"C": 1.0}, 0, 2)
