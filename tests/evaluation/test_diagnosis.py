from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression

from recipeline.config.recipe import Recipe
from recipeline.evaluation.diagnosis import (
    BINS,
    REPEATS,
    WORST,
    coverage_by_feature,
    diagnose,
    errors_by_range,
    errors_by_slice,
    measure_importance,
    worst_rows,
)
from recipeline.evaluation.results import Diagnosis
from recipeline.inference.columns import Columns
from recipeline.records import read_record, to_plain


@pytest.fixture
def model(wines: pd.DataFrame, recipe: Recipe) -> LinearRegression:
    return LinearRegression().fit(wines[list(recipe.features)], wines[recipe.target])


def test_importance_is_scikit_learns_permutation_importance(
    model: LinearRegression, wines: pd.DataFrame, recipe: Recipe
) -> None:
    features, target = wines[list(recipe.features)], wines[recipe.target].to_numpy(dtype=float)
    found = measure_importance(model, features, target, Columns.of_numbers(list(features)), seed=7)
    expected = permutation_importance(model, features, target, scoring="r2", n_repeats=REPEATS, random_state=7)
    by_name = {entry.feature: entry for entry in found}
    assert [by_name[str(name)].mean for name in features] == pytest.approx(expected.importances_mean.tolist())
    assert [by_name[str(name)].std for name in features] == pytest.approx(expected.importances_std.tolist())
    assert [entry.mean for entry in found] == sorted((entry.mean for entry in found), reverse=True)


def test_of_many_rows_some_are_drawn(
    model: LinearRegression, wines: pd.DataFrame, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, target = wines[list(recipe.features)], wines[recipe.target].to_numpy(dtype=float)
    monkeypatch.setattr("recipeline.evaluation.diagnosis.MOST_ROWS", 300)
    found = {
        entry.feature: entry.mean
        for entry in measure_importance(model, features, target, Columns.of_numbers(list(features)), seed=0)
    }
    assert found["alcohol"] == max(found.values())


def test_ranges_of_the_prediction_hold_every_row_once_and_tell_the_bias() -> None:
    rng = np.random.default_rng(0)
    predicted = rng.normal(5, 1, 103)
    target = predicted + np.where(predicted > 5, 1.0, 0.0)
    ranges = errors_by_range(target, predicted, (predicted - 0.5, predicted + 0.5))
    assert len(ranges) == BINS
    assert sum(entry.rows for entry in ranges) == 103
    assert ranges[0].mean_true == pytest.approx(ranges[0].mean_predicted)
    assert ranges[0].interval_coverage == 1
    assert ranges[-1].mean_true - ranges[-1].mean_predicted == pytest.approx(1)
    assert ranges[-1].interval_coverage == 0
    assert all(left.to <= right.from_ for left, right in itertools.pairwise(ranges))


def test_fewer_rows_than_ranges_are_a_range_each() -> None:
    one = np.array([5.0, 6.0])
    assert [entry.rows for entry in errors_by_range(one, one, (one, one))] == [1, 1]


def test_slices_are_the_recipes_and_the_quarters_of_the_columns_that_matter(wines: pd.DataFrame, recipe: Recipe) -> None:
    target = wines[recipe.target].to_numpy(dtype=float)
    columns = Columns.learn(recipe, wines)
    slices = errors_by_slice(columns.matrix(wines), target, target + 1, recipe, columns, ["alcohol"])
    names = [entry.slice for entry in slices]
    assert names[0] == "all rows"
    assert set(recipe.promotion.guard_rails.slices) <= set(names)
    low, high = np.quantile(wines["alcohol"], (0.25, 0.75))
    assert names[-2:] == [f"alcohol up to {low:g} % vol", f"alcohol from {high:g} % vol"]
    assert slices[-1].rows == (wines["alcohol"] >= high).sum()
    assert all(entry.mae == entry.bias == pytest.approx(1) for entry in slices)


@pytest.mark.filterwarnings("error")
def test_a_column_without_values_has_no_slices(wines: pd.DataFrame, recipe: Recipe) -> None:
    features, target = wines[list(recipe.features)].assign(alcohol=np.nan), wines["quality"].to_numpy(dtype=float)
    columns = Columns.learn(recipe, wines)
    names = [
        entry.slice for entry in errors_by_slice(columns.matrix(features), target, target, recipe, columns, ["alcohol", "pH"])
    ]
    assert any(name.startswith("pH") for name in names)
    assert not any(name.startswith("alcohol") for name in names)


def test_a_slice_without_rows_is_left_out(wines: pd.DataFrame, recipe: Recipe) -> None:
    middling = wines[wines[recipe.target].between(5, 6)]
    target = middling[recipe.target].to_numpy(dtype=float)
    columns = Columns.learn(recipe, wines)
    names = [entry.slice for entry in errors_by_slice(columns.matrix(middling), target, target, recipe, columns, [])]
    assert names == ["all rows"]


def test_the_worst_row_comes_first_by_its_place_in_the_table(wines: pd.DataFrame, recipe: Recipe) -> None:
    predicted = wines[recipe.target].to_numpy(dtype=float)
    predicted[17] += 3
    predicted[5] -= 2
    holed = wines.astype({"pH": float})
    holed.loc[holed.index[17], "pH"] = np.nan
    worst = worst_rows(holed, predicted, recipe.target)
    assert len(worst) == WORST
    assert [row.row for row in worst[:2]] == [wines.index[17], wines.index[5]]
    assert worst[0].values["pH"] is None
    assert worst[0].predicted == predicted[17]


def test_a_diagnosis_is_plain_values(model: LinearRegression, wines: pd.DataFrame, recipe: Recipe) -> None:
    import json

    predicted = model.predict(wines[list(recipe.features)])
    found = diagnose(model, wines, predicted, (predicted - 1, predicted + 1), recipe, Columns.learn(recipe, wines))
    assert read_record(Diagnosis, json.loads(json.dumps(to_plain(found), allow_nan=False))) == found
    assert {entry.feature for entry in found.coverage} == set(recipe.features)
    assert 0 < np.mean([entry.coverage for entry in found.coverage]) < 1


def test_coverage_is_told_by_fifths_of_each_feature() -> None:
    rows = pd.DataFrame({"a": np.arange(100.0), "b": [1.0, 2.0] * 50, "c": [np.nan] * 100})
    target, inside = np.zeros(100), np.arange(100) < 70
    found = coverage_by_feature(
        rows.to_numpy(), target, (np.where(inside, -1.0, 1.0), np.full(100, 2.0)), Columns.of_numbers("abc")
    )
    of_a = [entry for entry in found if entry.feature == "a"]
    assert [entry.rows for entry in of_a] == [20] * 5
    assert [entry.coverage for entry in of_a] == [1, 1, 1, 0.5, 0]
    assert (of_a[0].from_, of_a[0].to, of_a[-1].to) == (0, 19, 99)
    assert [(entry.from_, entry.to, entry.coverage) for entry in found if entry.feature == "b"] == [
        (1, 1, 0.7),
        (2, 2, 0.7),
    ]
    assert "c" not in {entry.feature for entry in found}
