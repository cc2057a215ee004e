from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recipeline.config.recipe import Recipe
from recipeline.data.checking.schema import validate_table
from recipeline.data.column_profile import MOST_CORRELATED, describe_columns, describe_rows
from recipeline.data.kinds.number import BINS
from recipeline.data.results import ColumnProfile
from recipeline.records import read_record, to_plain
from tests.conftest import as_recipe, small_recipe
from tests.large import holding, store


def test_the_column_profile_counts_copies_and_gives_units(wines: pd.DataFrame, recipe: Recipe) -> None:
    profile = describe_columns(validate_table(wines, recipe, origin="x"), recipe)
    assert profile.rows == 400
    assert profile.distinct_rows == len(wines.drop_duplicates())
    assert profile.columns["alcohol"].unit == "% vol"
    assert profile.columns["alcohol"].quantiles["1"] == wines["alcohol"].max()


def test_missing_values_are_left_out_and_counted(wines: pd.DataFrame, recipe: Recipe) -> None:
    holed = wines.assign(pH=wines["pH"].where(wines.index % 2 == 0))
    known = describe_columns(holed, recipe).columns["pH"]
    assert known.missing == 200
    assert known.mean == pytest.approx(holed["pH"].dropna().mean())
    assert sum(known.histogram.counts) == 200
    assert len(known.histogram.edges) == BINS + 1


def test_what_there_is_no_value_of_is_none_and_the_json_stays_plain(wines: pd.DataFrame, recipe: Recipe) -> None:
    profile = describe_columns(wines.assign(pH=float("nan"), alcohol=10.0), recipe)
    names, spearman = profile.correlations.columns, profile.correlations.spearman
    assert profile.columns["pH"].mean is None
    assert sum(profile.columns["pH"].histogram.counts) == 0
    assert set(spearman[names.index("alcohol")]) == {None}
    assert read_record(ColumnProfile, json.loads(json.dumps(to_plain(profile), allow_nan=False))) == profile


def test_values_without_a_number_between_them_are_one_bin(wines: pd.DataFrame, recipe: Recipe) -> None:
    close = [1e16, np.nextafter(1e16, np.inf)] * 200
    assert describe_columns(wines.assign(pH=close), recipe).columns["pH"].histogram.counts == (400,)


def mixed() -> tuple[pd.DataFrame, Recipe]:
    """Return rows with a column of each kind, with gaps but in the target."""
    rng = np.random.default_rng(0)
    known = pd.Series(rng.random(200) < 0.8)
    columns = {
        "number": pd.Series(rng.normal(1e6, 1, 200).round(1)),
        "port": pd.Series(rng.choice(["a", "b", "c"], 200), dtype="str"),
        "late": pd.Series(rng.integers(2, size=200).astype(float)),
        "day": pd.Series(rng.integers(10**15, size=200).astype("datetime64[us]")),
        "none": pd.Series(np.full(200, np.nan)),
    }
    table = pd.DataFrame({name: values.where(known) for name, values in columns.items()}).assign(
        target=rng.integers(9, size=200)
    )
    types = {"number": "number", "port": "category", "late": "boolean", "day": "datetime", "none": "number"}
    content = {name: {"type": type_, "nullable": True} for name, type_ in types.items()} | {"target": {"type": "integer"}}
    return pd.concat([table, table.head(50)], ignore_index=True), as_recipe(
        small_recipe() | {"target": "target", "columns": content}
    )


def test_a_large_table_is_described_exactly_where_no_sample_is_needed(tmp_path: Path) -> None:
    table, recipe = mixed()
    exact, rows = describe_columns(table, recipe), store(table, tmp_path)
    assert describe_rows(rows, recipe) == exact
    with holding(60, sampled=600):
        sampled = describe_rows(rows, recipe)
    with holding(60):
        by_all = describe_rows(rows, recipe)
    assert (sampled.sampled_rows, by_all.sampled_rows, exact.sampled_rows) == (100, 250, None)
    assert "note: quantiles, histograms and correlations are from a sample of 100 rows" in sampled.notes[0]
    for found in (sampled, by_all):
        assert (found.rows, found.distinct_rows, found.empty) == (250, exact.distinct_rows, ("none",))
        for name, column in found.columns.items():
            whole = exact.columns[name]
            kept = ("type", "unit", "missing", "distinct", "first", "last")
            assert [getattr(column, key) for key in kept] == [getattr(whole, key) for key in kept], name
            assert column.mean == (None if whole.mean is None else pytest.approx(whole.mean, rel=1e-12)), name
            assert column.std == (None if whole.std is None else pytest.approx(whole.std, rel=1e-9)), name
            assert [column.quantiles.get(q) for q in "01"] == [whole.quantiles.get(q) for q in "01"], name
    assert sampled.columns["number"].histogram != exact.columns["number"].histogram
    assert by_all.correlations == exact.correlations
    assert [it.histogram for it in by_all.columns.values()] == [it.histogram for it in exact.columns.values()]


def test_zero_of_either_sign_is_one_value_and_neighbours_of_a_float32_are_two(tmp_path: Path) -> None:
    table, recipe = mixed()
    table = table.assign(number=[0.0, -0.0, 0.1, np.nextafter(0.1, 1), 1.0] * 50)[["number", "target"]].assign(target=1)
    recipe = as_recipe(small_recipe() | {"target": "target", "columns": {"number": {}, "target": {"type": "integer"}}})
    with holding(60):
        found = describe_rows(store(table, tmp_path), recipe)
    assert (found.columns["number"].distinct, found.distinct_rows) == (4, 4)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("large", [1e200, 1.7e308])
def test_numbers_whose_squares_are_infinite_are_described(tmp_path: Path, large: float) -> None:
    values = large * np.array([*np.full(50, 0.5), *np.full(50, 1.0), *np.full(50, -1.0)])
    recipe = as_recipe(small_recipe() | {"target": "target", "columns": {"number": {}, "target": {"type": "integer"}}})
    with holding(60):
        found = describe_rows(store(pd.DataFrame({"number": values, "target": 1}), tmp_path), recipe).columns["number"]
    assert (found.distinct, found.quantiles["0"], found.quantiles["1"]) == (3, -large, large)
    assert (found.mean is None) == (large > 1e300)
    assert found.std == (None if large > 1e300 else np.inf)


def test_of_many_columns_the_strongest_correlations_and_the_targets_are_kept() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({f"g{place}": rng.normal(size=30) for place in range(MOST_CORRELATED + 60)})
    table["g7"] = table["g311"] * 2  # the strongest pair
    table["constant"], table["y"] = 1.0, rng.normal(size=30)
    recipe = as_recipe(
        small_recipe()
        | {"target": "y", "columns": {name: {} for name in table}, "gates": {}, "promotion": {}, "monitoring": {}}
    )
    found = describe_columns(table, recipe).correlations
    names = list(found.columns)
    assert len(names) == len(found.spearman) == len(found.spearman[0]) == MOST_CORRELATED
    assert {"g7", "g311", "y"} <= {*names}
    assert "constant" not in names
    assert names == [name for name in table if name in names]
    expected = table[names].corr(method="spearman").to_numpy()
    np.testing.assert_allclose(np.array(found.spearman), expected)
