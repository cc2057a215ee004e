from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import strategies as st

from recipeline.config.recipe import Recipe
from recipeline.data.target_codes import NUMBERS
from recipeline.inference.columns import Columns
from recipeline.monitoring.baseline import MOST_ROWS, describe_baseline, draw_reference

FLOATS = st.floats(-1e6, 1e6, allow_nan=False)


def test_a_baseline_says_how_the_model_errs_also_by_slice(recipe: Recipe, wines: pd.DataFrame) -> None:
    target = wines["quality"].to_numpy(dtype=float)
    found = describe_baseline(wines, target + 0.5, recipe, Columns.learn(recipe, wines), NUMBERS)
    assert list(found.features) == list(recipe.features)
    assert found.errors.error == pytest.approx(0.5)
    assert found.errors.error_std == pytest.approx(0)
    low = found.errors.slices["low grades"]
    assert low.rows == (target <= 4).sum()
    assert low.error == low.bias == pytest.approx(0.5)


def test_of_many_rows_some_are_kept_and_each_with_its_prediction(recipe: Recipe, wines: pd.DataFrame) -> None:
    many = pd.concat([wines] * 20, ignore_index=True)
    assert len(many) > MOST_ROWS
    kept = draw_reference(many, many["alcohol"].to_numpy(), recipe, Columns.learn(recipe, many), NUMBERS)
    assert len(kept) == MOST_ROWS
    assert (kept["prediction"] == kept["alcohol"]).all()
    pd.testing.assert_frame_equal(
        kept, draw_reference(many, many["alcohol"].to_numpy(), recipe, Columns.learn(recipe, many), NUMBERS)
    )
