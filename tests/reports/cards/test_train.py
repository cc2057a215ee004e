from __future__ import annotations

import json

import numpy as np
import pandas as pd

from recipeline.artifacts import LEADERBOARD, OUT_OF_FOLD
from recipeline.reports.cards.train import make_card, stages
from tests.conftest import as_recipe, small_recipe
from tests.reports.cards.helpers import Saved, table, titles


def saved(*names: str) -> Saved:
    scores = np.linspace(0.4, 0.2, len(names))
    board = pd.DataFrame({"candidate": names, "cv_mean_score": scores, "cv_std": 0.01, "fold_1": scores, "fold_2": scores})
    board = board.assign(best_share=1 / len(names), gain_with_best=0.0, fit_seconds=0.1, predict_seconds=0.1, found="{}")
    board.loc[0, "found"] = json.dumps({"max_depth": 7})
    rows = pd.DataFrame({"target": [5.0, 6.0, 6.0], **{f"predicted {name}": [5.1, 5.9, 6.2] for name in names}})
    return Saved({LEADERBOARD: board, OUT_OF_FOLD: rows})


def test_of_several_candidates_the_best_is_named_and_how_sure_that_is_is_shown() -> None:
    card = make_card(saved("DecisionTree", "ElasticNet"))
    assert card.verdict.startswith("DecisionTree is the best of 2 candidates: R2 0.4000 on average over 2 folds")
    assert [row["candidate"] for row in table(card, "Leaderboard")] == ["DecisionTree", "ElasticNet"]
    assert "Certainty of the ranking" in titles(card)


def test_of_one_candidate_there_is_no_order() -> None:
    card = make_card(saved("DecisionTree"))
    assert card.verdict == "DecisionTree: R2 0.4000 on average over 2 folds."
    assert "Certainty of the ranking" not in titles(card)


def test_what_a_search_found_stands_below_what_the_recipe_says() -> None:
    rows = [tuple(row.values()) for row in table(make_card(saved("DecisionTree")), "Parameters")]
    assert ("DecisionTree", "max_depth", "7, found by the search") in rows
    assert ("DecisionTree", "estimator", "sklearn.tree.DecisionTreeRegressor") in rows


def test_rows_go_through_preprocessing_and_estimator_or_through_the_members_side_by_side() -> None:
    content = small_recipe()
    content["candidates"]["Mean"] = {"alias": "mean", "members": ["DecisionTree", "ElasticNet"]}
    recipe = as_recipe(content)
    assert stages(recipe, "ElasticNet") == [["columns"], ["StandardScaler"], ["ElasticNet"]]
    columns, members, mean = stages(recipe, "Mean")
    assert members == ["DecisionTree: DecisionTreeRegressor", "ElasticNet: StandardScaler → ElasticNet"]
    assert (columns, mean) == (["columns"], ["mean"])
