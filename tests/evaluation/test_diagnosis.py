from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression

from recipeline.config.recipe import Recipe
from recipeline.data.target_codes import NUMBERS, TargetCodes
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
from recipeline.evaluation.results import Diagnosis, MeasuredInterval, SliceErrors
from recipeline.evaluation.tasks.base import Uncertainty
from recipeline.inference.columns import Columns
from recipeline.records import read_record, to_plain


@pytest.fixture
def model(wines: pd.DataFrame, recipe: Recipe) -> LinearRegression:
    return LinearRegression().fit(wines[list(recipe.features)], wines[recipe.target])


def slice_errors(
    rows: np.ndarray, target: np.ndarray, predicted: np.ndarray, recipe: Recipe, columns: Columns, by: list[str]
) -> tuple[SliceErrors, ...]:
    error, groups = np.abs(target - predicted), np.arange(len(target))
    return errors_by_slice(rows, target, predicted, error, groups, recipe, columns, NUMBERS, by)


def test_importance_is_scikit_learns_permutation_importance(
    model: LinearRegression, wines: pd.DataFrame, recipe: Recipe
) -> None:
    features, target = wines[list(recipe.features)], wines[recipe.target].to_numpy(dtype=float)
    found = measure_importance(model, features, target, Columns.of_numbers(list(features)), NUMBERS, seed=7)
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
        for entry in measure_importance(model, features, target, Columns.of_numbers(list(features)), NUMBERS, seed=0)
    }
    assert found["alcohol"] == max(found.values())


def test_ranges_of_the_prediction_hold_every_row_once_and_tell_the_bias() -> None:
    rng = np.random.default_rng(0)
    predicted = rng.normal(5, 1, 103)
    target = predicted + np.where(predicted > 5, 1.0, 0.0)
    ranges = errors_by_range(target, predicted, np.abs(target - predicted), np.abs(target - predicted) <= 0.5)
    assert len(ranges) == BINS
    assert sum(entry.rows for entry in ranges) == 103
    assert ranges[0].mean_true == pytest.approx(ranges[0].mean_predicted)
    assert ranges[0].interval_coverage == 1
    assert ranges[-1].mean_true - ranges[-1].mean_predicted == pytest.approx(1)
    assert ranges[-1].interval_coverage == 0
    assert all(left.to <= right.from_ for left, right in itertools.pairwise(ranges))


def test_fewer_rows_than_ranges_are_a_range_each() -> None:
    one = np.array([5.0, 6.0])
    assert [entry.rows for entry in errors_by_range(one, one, 0 * one, one > 0)] == [1, 1]


def test_slices_are_the_recipes_and_the_quarters_of_the_columns_that_matter(wines: pd.DataFrame, recipe: Recipe) -> None:
    target = wines[recipe.target].to_numpy(dtype=float)
    columns = Columns.learn(recipe, wines)
    slices = slice_errors(columns.matrix(wines), target, target + 1, recipe, columns, ["alcohol"])
    names = [entry.slice for entry in slices]
    assert names[0] == "all rows"
    assert set(recipe.promotion.guard_rails.slices) <= set(names)
    low, high = np.quantile(wines["alcohol"], (0.25, 0.75))
    assert names[-2:] == [f"alcohol up to {low:g} % vol", f"alcohol from {high:g} % vol"]
    assert slices[-1].rows == (wines["alcohol"] >= high).sum()
    assert all(entry.error == entry.bias == pytest.approx(1) for entry in slices)
    assert all(entry.interval_95 == pytest.approx((1, 1)) for entry in slices)


@pytest.mark.filterwarnings("error")
def test_a_column_without_values_has_no_slices(wines: pd.DataFrame, recipe: Recipe) -> None:
    features, target = wines[list(recipe.features)].assign(alcohol=np.nan), wines["quality"].to_numpy(dtype=float)
    columns = Columns.learn(recipe, wines)
    names = [
        entry.slice for entry in slice_errors(columns.matrix(features), target, target, recipe, columns, ["alcohol", "pH"])
    ]
    assert any(name.startswith("pH") for name in names)
    assert not any(name.startswith("alcohol") for name in names)


def test_a_slice_without_rows_is_left_out(wines: pd.DataFrame, recipe: Recipe) -> None:
    middling = wines[wines[recipe.target].between(5, 6)]
    target = middling[recipe.target].to_numpy(dtype=float)
    columns = Columns.learn(recipe, wines)
    names = [entry.slice for entry in slice_errors(columns.matrix(middling), target, target, recipe, columns, [])]
    assert names == ["all rows"]


def test_the_worst_row_comes_first_by_its_place_in_the_table(wines: pd.DataFrame, recipe: Recipe) -> None:
    predicted = wines[recipe.target].to_numpy(dtype=float)
    predicted[17] += 3
    predicted[5] -= 2
    holed = wines.astype({"pH": float})
    holed.loc[holed.index[17], "pH"] = np.nan
    target = wines[recipe.target].to_numpy(dtype=float)
    worst = worst_rows(holed, target, predicted, np.abs(target - predicted), NUMBERS)
    assert len(worst) == WORST
    assert [row.row for row in worst[:2]] == [wines.index[17], wines.index[5]]
    assert worst[0].values["pH"] is None
    assert worst[0].predicted == predicted[17]


def test_a_diagnosis_is_plain_values(model: LinearRegression, wines: pd.DataFrame, recipe: Recipe) -> None:
    import json

    predicted = model.predict(wines[list(recipe.features)])
    inside = np.abs(wines[recipe.target].to_numpy() - predicted) <= 1
    certain = Uncertainty(MeasuredInterval(0.9, 0.9, 2.0, len(wines)), inside)
    known = (wines[recipe.target].to_numpy(dtype=float), predicted, None)
    found = diagnose(model, wines, predicted, certain, recipe, Columns.learn(recipe, wines), NUMBERS, known)
    assert read_record(Diagnosis, json.loads(json.dumps(to_plain(found), allow_nan=False))) == found
    assert {entry.feature for entry in found.coverage} == set(recipe.features)
    assert 0 < np.mean([entry.coverage for entry in found.coverage]) < 1


def test_coverage_is_told_by_fifths_of_each_feature() -> None:
    rows = pd.DataFrame({"a": np.arange(100.0), "b": [1.0, 2.0] * 50, "c": [np.nan] * 100})
    found = coverage_by_feature(rows.to_numpy(), np.arange(100) < 70, Columns.of_numbers("abc"))
    of_a = [entry for entry in found if entry.feature == "a"]
    assert [entry.rows for entry in of_a] == [20] * 5
    assert [entry.coverage for entry in of_a] == [1, 1, 1, 0.5, 0]
    assert (of_a[0].from_, of_a[0].to, of_a[-1].to) == (0, 19, 99)
    assert [(entry.from_, entry.to, entry.coverage) for entry in found if entry.feature == "b"] == [
        (1, 1, 0.7),
        (2, 2, 0.7),
    ]
    assert "c" not in {entry.feature for entry in found}


def test_the_worst_row_of_classes_has_its_label_and_the_probability_of_the_true_one() -> None:
    test = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": ["a", "b", "c"]})
    codes = TargetCodes("multiclass", ("a", "b", "c"))
    predicted = np.array([[0.8, 0.1, 0.1], [0.9, 0.05, 0.05], [0.2, 0.2, 0.6]])
    target = np.eye(3)
    worst = worst_rows(test, target, predicted, ((target - predicted) ** 2).sum(axis=1), codes)
    assert [(it.row, it.predicted, it.probability) for it in worst] == [(1, "a", 0.05), (2, "c", 0.6), (0, "a", 0.8)]
    two = worst_rows(
        test[:2], np.array([1.0, 0.0]), np.array([0.9, 0.3]), np.array([0.1, 0.9]), TargetCodes("binary", ("n", "p"))
    )
    assert [(it.row, it.predicted, it.probability) for it in two] == [(1, "n", 0.7), (0, "p", 0.9)]
