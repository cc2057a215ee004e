from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import RandomForestRegressor

from recipeline.inference.columns import Columns
from recipeline.inference.compiled.check import differences, random_rows
from recipeline.inference.compiled.form import Compiled
from recipeline.inference.model_info import Feature


def test_differences_names_the_worst_row_and_both_answers(
    fitted_forest: tuple[RandomForestRegressor, Compiled], asked: pd.DataFrame
) -> None:
    model, compiled = fitted_forest

    def off(values: np.ndarray) -> np.ndarray:
        return compiled.predict(values) + np.where(np.arange(len(values)) == 7, 0.5, 1e-12)

    sentence = differences(Compiled("trees", True, off), model, asked, Columns.of_numbers(list(asked)))
    expected = float(model.predict(asked)[7])
    assert sentence == (
        f"{len(asked)} of {len(asked)} rows, asked at once, are answered otherwise than by the model; "
        f"the worst is row 7: {expected + 0.5!r} instead of {expected!r}."
    )
    sentence = differences(Compiled("trees", False, off), model, asked, Columns.of_numbers(list(asked)))
    assert sentence.startswith(f"1 of {len(asked)} rows")


def test_differences_asks_row_by_row_too(fitted_forest: tuple[RandomForestRegressor, Compiled], asked: pd.DataFrame) -> None:
    model, compiled = fitted_forest
    lone = Compiled("trees", False, lambda values: compiled.predict(values) + (len(values) == 1))
    assert "asked one by one, are answered otherwise" in differences(lone, model, asked, Columns.of_numbers(list(asked)))


def test_no_number_is_a_difference(fitted_forest: tuple[RandomForestRegressor, Compiled], asked: pd.DataFrame) -> None:
    model, compiled = fitted_forest
    for exact in (True, False):
        nothing = Compiled(
            "trees", exact, lambda values: np.where(np.arange(len(values)) == 3, np.nan, compiled.predict(values))
        )
        assert "1 of 200 rows" in differences(nothing, model, asked, Columns.of_numbers(list(asked)))
        assert "row 3: nan instead of" in differences(nothing, model, asked, Columns.of_numbers(list(asked)))


def between(low: np.ndarray, high: np.ndarray) -> Columns:
    return Columns((Feature("a", train_min=low[0], train_max=high[0]), Feature("b", train_min=low[1], train_max=high[1])))


def test_random_rows_lie_within_beyond_and_on_round_values() -> None:
    low, high = np.array([0.0, 10.0]), np.array([1.0, 30.0])
    drawn = random_rows(between(low, high), rows=300, seed=3)
    assert list(drawn) == ["a", "b"]
    values, span = drawn.to_numpy(), high - low
    assert ((values >= low - 0.2 * span - 0.05) & (values <= high + 0.2 * span + 0.05)).all()
    beyond = ((values < low) | (values > high)).any(axis=1)
    rounded = (values == np.round(values, 4)).all(axis=1)
    assert beyond.sum() > 30
    assert rounded.sum() == 100
    assert not (beyond & rounded).any()


def test_random_rows_are_those_of_their_seed() -> None:
    low, high = np.zeros(2), np.ones(2)
    one, same, other = (random_rows(between(low, high), rows=9, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, same)
    assert not one.equals(other)


def test_a_difference_far_from_zero_is_one(fitted_forest: tuple[RandomForestRegressor, Compiled], asked: pd.DataFrame) -> None:
    model, asked = fitted_forest[0], asked.head(10)
    far = TransformedTargetRegressor(model, func=lambda y: y - 1.7e9, inverse_func=lambda y: y + 1.7e9, check_inverse=False)
    far.fit(asked, model.predict(asked) + 1.7e9)
    expected = Compiled("trees", False, lambda rows: far.predict(pd.DataFrame(rows, columns=list(asked))))
    other = Compiled("trees", False, lambda rows: expected.predict(rows) + 0.1)
    assert differences(expected, far, asked, Columns.of_numbers(list(asked))) == ""
    assert "10 of 10 rows" in differences(other, far, asked, Columns.of_numbers(list(asked)))
