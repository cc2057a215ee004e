"""The world that live rows are from."""

from __future__ import annotations

import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import cross_val_predict

from custom.red_wine import draw
from recipeline.data.splits import cv_folds
from recipeline.data.target_codes import NUMBERS
from recipeline.inference.columns import Columns
from recipeline.inference.model_info import describe_feature
from recipeline.monitoring.baseline import describe_baseline, draw_reference
from tests.conftest import as_recipe, small_recipe
from tests.monitoring.helpers import World


@pytest.fixture(scope="session")
def world() -> World:
    """A forest on made-up wines; nobody changes it."""
    recipe = as_recipe(small_recipe() | {"cv": {"folds": 5}})
    train, names = draw(1), list(recipe.features)
    model = RandomForestRegressor(30, min_samples_leaf=5, random_state=0)
    folds = list(cv_folds(train, recipe, "grouped"))
    out_of_fold = cross_val_predict(model, train[names], train["quality"], cv=folds)
    features = tuple(describe_feature(recipe, name, train[name]) for name in names)
    later = pd.concat([draw(seed) for seed in range(100, 125)], ignore_index=True).drop_duplicates()
    return World(
        recipe,
        model.fit(train[names], train["quality"]),
        describe_baseline(train, out_of_fold, recipe, Columns(features), NUMBERS),
        draw_reference(train, out_of_fold, recipe, Columns(features), NUMBERS).to_numpy(),
        features,
        later,
    )
