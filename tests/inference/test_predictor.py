from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression

from recipeline.errors import DataError
from recipeline.inference.columns import Columns
from recipeline.inference.predictor import LEAST_ROWS, Predictor
from tests.batches import asked


def fitted(model: Any, rows: int = 3 * LEAST_ROWS) -> tuple[Any, pd.DataFrame]:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(rows, 3)), columns=["a", "b", "c"])
    return model.fit(table[:500], table["a"][:500] * 2 + table["b"][:500] ** 2), table


@pytest.mark.parametrize(
    "model", [RandomForestRegressor(12, random_state=0), HistGradientBoostingRegressor(), LinearRegression()]
)
def test_predictions_are_the_models_and_do_not_depend_on_threads(model: Any) -> None:
    model, table = fitted(model)
    answers = [Predictor(model, Columns.of_numbers(list(table)), threads=threads)(table.to_numpy()) for threads in (1, 3)]
    np.testing.assert_array_equal(*answers)
    np.testing.assert_allclose(answers[0], model.predict(table), rtol=1e-9)
    if not isinstance(model, LinearRegression):
        np.testing.assert_array_equal(answers[0], model.predict(table))


def test_a_missing_value_is_the_models_to_take_or_to_refuse() -> None:
    model, table = fitted(HistGradientBoostingRegressor(), 600)
    table.loc[3, "b"] = np.nan
    np.testing.assert_array_equal(Predictor(model, Columns.of_numbers(list(table)))(table.to_numpy()), model.predict(table))
    linear, _ = fitted(LinearRegression(), 600)
    with pytest.raises(DataError, match="The model refuses the rows: "):
        Predictor(linear, Columns.of_numbers(list(table)))(table.to_numpy())


def test_a_compiled_form_that_answers_otherwise_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from recipeline.inference.compiled.form import Compiled

    model, table = fitted(LinearRegression(), 600)
    monkeypatch.setattr(
        "recipeline.inference.predictor.compile_model", lambda *_: Compiled("linear", False, lambda rows: np.zeros(len(rows)))
    )
    np.testing.assert_allclose(Predictor(model, Columns.of_numbers(list(table)))(table.to_numpy()), model.predict(table))


def test_no_rows_have_no_predictions() -> None:
    assert Predictor(object(), Columns.of_numbers("a"))(np.zeros((0, 1))).tolist() == []


def test_a_model_is_asked_for_its_columns_its_predictions_their_limits_and_its_version() -> None:
    ask = asked()
    assert ask.names == ["acid", "alcohol"]
    assert [name for name, _ in ask.columns] == ["prediction", "prediction_lower", "prediction_upper", "model_version"]
    answers = [column.to_pylist() for column in ask.answer(np.array([[4.0, 10.0], [5.0, 11.0]]))]
    assert answers == [[104.0, 115.0], [103.0, 114.0], [105.0, 116.0], ["7", "7"]]
    assert [name for name, _ in asked(interval=None).columns] == ["prediction", "model_version"]
