"""Columns: rows as a data frame and as codes are the same rows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.inference.columns import Columns
from tests.inference.compiled.test_encoders import recipe_of, typed_rows


def test_a_typed_frame_comes_back_from_its_codes() -> None:
    recipe, rows = recipe_of("linear", []), typed_rows()
    columns = Columns.learn(recipe, rows)
    features = rows[list(recipe.features)]
    pd.testing.assert_frame_equal(columns.frame(columns.matrix(rows)), features)
    assert not columns.are_numbers


def test_numbers_are_their_own_codes(wines: pd.DataFrame, recipe: Recipe) -> None:
    columns = Columns.learn(recipe, wines)
    assert columns.are_numbers
    np.testing.assert_array_equal(columns.matrix(wines), wines[list(recipe.features)].to_numpy())


def test_columns_of_codes_have_no_words_for_missing_values() -> None:
    columns = Columns.learn(recipe_of("linear", []), typed_rows())
    numbers = columns.as_numbers()
    assert numbers.are_numbers
    assert [(it.low, it.high) for it in numbers.features] == [(it.low, it.high) for it in columns.features]
