from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingRegressor

from recipeline.artifacts import INTERVAL
from recipeline.engine.local import LocalWorkers
from recipeline.errors import UnavailableError
from recipeline.inference.columns import Columns
from recipeline.inference.compiled.check import differences
from recipeline.inference.compiled.compile import compile_model
from recipeline.inference.compiled.form import as_function
from recipeline.inference.interval import LEVEL, are_inside, fit_constant, interval_score, mean_width
from recipeline.training.quantiles import SETTINGS, Quantiles, choose_interval, fit_quantiles

ROWS = 600

AB = Columns.of_numbers(["a", "b"])


def spread_by_a(rows: int = ROWS, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows whose target is as uncertain as `a` is large, from 0.1 to 4."""
    rng = np.random.default_rng(seed)
    features = pd.DataFrame({"a": rng.uniform(0.1, 4, rows), "b": rng.normal(size=rows)})
    return features, features["b"].to_numpy() + features["a"].to_numpy() * rng.normal(size=rows)


def folds(rows: int = ROWS, count: int = 5) -> list[tuple[np.ndarray, np.ndarray]]:
    places = np.arange(rows)
    return [(places[places % count != fold], places[places % count == fold]) for fold in range(count)]


@pytest.fixture(scope="module")
def fitted() -> Quantiles:
    features, target = spread_by_a()
    return fit_quantiles(features, target, folds(), LocalWorkers(1), seed=42)()


def test_rows_that_are_more_uncertain_get_a_wider_interval_and_the_level_holds_for_new_rows(fitted: Quantiles) -> None:
    features, target = spread_by_a()
    interval = choose_interval(features.to_numpy(), ["a", "b"], target, features["b"].to_numpy(), fitted)
    assert interval.method == "quantile"
    new, truth = spread_by_a(4000, seed=1)
    lower, upper = interval.around(new["b"].to_numpy(), new.to_numpy())
    assert 0.87 <= are_inside(truth, (lower, upper)).mean() <= 0.94
    unsure = new["a"].to_numpy() > 3
    assert np.mean((upper - lower)[unsure]) > 2 * np.mean((upper - lower)[new["a"].to_numpy() < 1])
    constant = fit_constant(target, features["b"].to_numpy())
    assert mean_width((lower, upper)) < mean_width(constant.around(new["b"].to_numpy(), new.to_numpy()))


def test_where_the_features_say_nothing_of_the_spread_the_interval_is_of_constant_width() -> None:
    rng = np.random.default_rng(3)
    features = pd.DataFrame({"a": rng.normal(size=ROWS)})
    target = 10 * features["a"].to_numpy() + rng.uniform(-1, 1, ROWS)
    quantiles = fit_quantiles(features, target, folds(), LocalWorkers(1), seed=42)()
    interval = choose_interval(features.to_numpy(), ["a", "b"], target, 10 * features["a"].to_numpy(), quantiles)
    assert interval == fit_constant(target, 10 * features["a"].to_numpy())


def test_what_the_models_say_out_of_fold_does_not_know_the_row(fitted: Quantiles) -> None:
    features, target = spread_by_a()
    changed = target.copy()
    changed[0] += 1000  # in the fold of the rows 0, 5, 10, ...
    again = fit_quantiles(features, changed, folds(), LocalWorkers(1), seed=42)()
    for before, after in zip(fitted.out_of_fold, again.out_of_fold, strict=True):
        np.testing.assert_array_equal(before[::5], after[::5])
    assert not np.array_equal(fitted.out_of_fold, again.out_of_fold)


def test_the_models_do_not_depend_on_the_number_of_processes(fitted: Quantiles) -> None:
    features, target = spread_by_a()
    other = fit_quantiles(features, target, folds(), LocalWorkers(2), seed=42)()
    for before, after in zip(fitted.out_of_fold, other.out_of_fold, strict=True):
        np.testing.assert_array_equal(before, after)
    for one, two in zip(fitted.models, other.models, strict=True):
        np.testing.assert_array_equal(one.predict(features), two.predict(features))


def test_the_models_are_fitted_to_all_rows_and_not_to_those_of_a_fold(fitted: Quantiles) -> None:
    features, target = spread_by_a()
    for quantile, model in zip(((1 - LEVEL) / 2, (1 + LEVEL) / 2), fitted.models, strict=True):
        expected = HistGradientBoostingRegressor(**SETTINGS, quantile=quantile, random_state=42).fit(features, target)
        np.testing.assert_array_equal(model.predict(features), expected.predict(features))


def test_missing_values_are_taken() -> None:
    features, target = spread_by_a()
    features.loc[::7, "a"] = np.nan
    quantiles = fit_quantiles(features, target, folds(), LocalWorkers(1), seed=42)()
    interval = choose_interval(features.to_numpy(), ["a", "b"], target, features["b"].to_numpy(), quantiles)
    assert np.isfinite(interval.around(features["b"].to_numpy(), features.to_numpy())).all()


def test_a_file_of_the_models_answers_as_they_do_and_has_a_compiled_form(fitted: Quantiles, tmp_path: Path) -> None:
    features, _ = spread_by_a(50, seed=2)
    INTERVAL.write(fitted.models, tmp_path / "interval.skops")
    for before, after in zip(fitted.models, INTERVAL.read(tmp_path / "interval.skops"), strict=True):
        np.testing.assert_array_equal(as_function(before, AB)(features.to_numpy()), after.predict(features))
        compiled = compile_model(after, AB)
        assert compiled is not None
        assert differences(compiled, after, features, AB) == ""


def test_a_file_that_holds_anything_that_is_not_trusted_is_refused_unbuilt(tmp_path: Path) -> None:
    skops.io.dump([shutil.rmtree], tmp_path / "interval.skops")
    with pytest.raises(UnavailableError, match="rmtree"):
        INTERVAL.read(tmp_path / "interval.skops")


def test_columns_without_values_or_with_one_value_only_are_fitted_on_all_rows_and_in_each_fold() -> None:
    features, target = spread_by_a(120)
    of_one_fold = np.where(np.arange(120) % 2 == 0, features["a"], np.nan)
    degenerate = {"empty": np.nan, "constant": 7.0, "constant or missing": np.where(features["b"] > 0, 7.0, np.nan)}
    features = features.assign(**degenerate, **{"of one fold": of_one_fold, "once": np.where(np.arange(120) == 5, 7.0, np.nan)})
    found = fit_quantiles(features, target, folds(120, 2), LocalWorkers(1), seed=42)()
    assert np.isfinite(found.out_of_fold).all()
    interval = choose_interval(features.to_numpy(), list(features), target, features["b"].to_numpy(), found)
    for rows in (features, features.fillna(99.0), features * np.nan):
        assert np.isfinite(interval.around(target, rows.to_numpy())).all()
        assert np.isfinite([model.predict(rows) for model in found.models]).all()


def test_the_interval_is_chosen_by_its_score_and_not_by_its_width() -> None:
    """The spread is 0.2, and 5 in one row of 14, which a constant one misses."""
    rng = np.random.default_rng(0)
    features = pd.DataFrame({"a": rng.uniform(0, 1, 1000), "b": rng.normal(size=1000)})
    target = features["b"].to_numpy() + np.where(features["a"] > 0.93, 5.0, 0.2) * rng.normal(size=1000)
    centre = features["b"].to_numpy()
    quantiles = fit_quantiles(features, target, folds(1000), LocalWorkers(1), seed=42)()
    interval = choose_interval(features.to_numpy(), ["a", "b"], target, centre, quantiles)
    limits = interval.around(centre, features.to_numpy())
    constant = fit_constant(target, centre).around(centre, features.to_numpy())
    assert interval.method == "quantile"
    assert mean_width(constant) < mean_width(limits)
    assert interval_score(target, limits, LEVEL) < interval_score(target, constant, LEVEL)


@pytest.mark.parametrize("method", ["constant", "quantile"])
def test_each_value_of_a_column_has_limits_of_its_own(method: str, fitted: Quantiles) -> None:
    """The rows of one half err twenty times as much."""
    features, spread = spread_by_a()
    half, honest = np.arange(ROWS) % 2, features["b"].to_numpy()
    target = honest + np.where(half == 1, 20.0, 1.0) * (spread - honest)
    tails = fitted if method == "quantile" else replace(fitted, out_of_fold=(honest - 500, honest + 500))
    rows = np.column_stack([features["a"], half])
    found = choose_interval(rows, ["a", "b"], target, honest, tails, by=("b", str))
    assert found.method == method
    assert found.by is not None
    assert [(it.value, it.rows) for it in found.by.values] == [("0.0", 300), ("1.0", 300)]
    widths = [it.upper - it.lower for it in found.by.values]
    assert widths[1] > 5 * widths[0]
    if method == "constant":
        low, high = found.around(honest, rows)
        inside = (low <= target) & (target <= high)
        assert [inside[half == it].mean() for it in (0, 1)] == pytest.approx([0.9, 0.9], abs=0.02)
