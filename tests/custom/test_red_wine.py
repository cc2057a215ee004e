from __future__ import annotations

import pandas as pd
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split

from custom.red_wine import draw
from recipeline.config.recipe import load_recipe
from recipeline.data.checking.schema import validate_table
from tests.conftest import ROOT


def test_the_sample_follows_the_recipe_of_the_real_wines() -> None:
    validate_table(draw(), load_recipe(ROOT / "recipe.yaml", {}), origin="sample")


def test_the_same_seed_draws_the_same_rows() -> None:
    pd.testing.assert_frame_equal(draw(1), draw(1))
    assert not draw(1).equals(draw(2))


def test_fifteen_percent_of_the_wines_are_there_twice() -> None:
    wines = draw()
    assert len(wines) == 1563
    assert len(wines.drop_duplicates()) == 1359


def test_a_forest_beats_a_linear_model_and_copies_flatter_it() -> None:
    def scores(table: pd.DataFrame) -> tuple[float, float]:
        features, target = table.drop(columns="quality"), table["quality"]
        x, x_test, y, y_test = train_test_split(features, target, test_size=0.2, random_state=42)
        models = (LinearRegression(), RandomForestRegressor(50, random_state=42))
        linear, forest = (model.fit(x, y).score(x_test, y_test) for model in models)
        return linear, forest

    linear, forest = scores(draw())
    _, honest = scores(draw().drop_duplicates())
    assert forest > linear + 0.05
    assert forest > honest + 0.05
