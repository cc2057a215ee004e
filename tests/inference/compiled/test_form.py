from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor

from recipeline.inference.columns import Columns
from recipeline.inference.compiled.form import Compiled, after, as_function
from tests.inference.compiled.models import TARGET


def test_a_model_as_a_function_of_an_array_is_asked_by_its_column_names(
    rows: pd.DataFrame, fitted_forest: tuple[RandomForestRegressor, Compiled]
) -> None:
    features, (model, _) = rows.drop(columns=TARGET), fitted_forest
    found = as_function(model, Columns.of_numbers(list(features)))(features.to_numpy())
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, model.predict(features))


def test_a_missing_value_is_for_the_model_to_take(rows: pd.DataFrame) -> None:
    holed = rows.drop(columns=TARGET).assign(pH=rows["pH"].where(rows["pH"] > 3.2))
    model = HistGradientBoostingRegressor(max_iter=2).fit(holed, rows[TARGET])
    assert np.isfinite(as_function(model, Columns.of_numbers(list(holed)))(holed.to_numpy())).all()


def test_what_comes_before_a_function_is_done_to_its_rows_in_order() -> None:
    compiled = Compiled("trees", True, lambda rows: rows.sum(axis=1), is_light=True)
    operations = ((np.subtract, np.array([1.0, 1.0])), (np.divide, np.array([2.0, 4.0])))
    moved = after(operations, compiled)
    assert moved.predict(np.array([[3.0, 9.0]])).tolist() == [3.0]
    assert (moved.kind, moved.exact, moved.is_light) == ("trees", True, True)
    assert after((), compiled) is compiled
