from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from recipeline.config.recipe import Recipe
from recipeline.data.leakage import audit_leaks, audit_split, compare_columns, explain_audit, find_warnings, measure_memory
from recipeline.data.relating.relations import read_keys
from recipeline.data.splits import split_rows
from recipeline.errors import DataError
from tests.conftest import as_recipe, small_recipe
from tests.large import holding, store


def test_a_tree_that_learns_by_heart_is_right_on_twins_and_poor_on_the_others(wines: pd.DataFrame, recipe: Recipe) -> None:
    distinct = wines.drop_duplicates(list(recipe.features))
    train, test = distinct.iloc[:200], pd.concat([distinct.iloc[:50], distinct.iloc[200:260]])
    memory = measure_memory(train, test, recipe)
    assert memory is not None
    assert memory.r2_with_twin == 1
    assert memory.r2_without_twin < memory.r2 < 1


@pytest.mark.parametrize("twins", [0, 5], ids=["none", "few"])
def test_too_few_twins_tell_nothing(wines: pd.DataFrame, recipe: Recipe, twins: int) -> None:
    distinct = wines.drop_duplicates(list(recipe.features))
    test = pd.concat([distinct.iloc[:twins], distinct.iloc[200:260]])
    assert measure_memory(distinct.iloc[:200], test, recipe) is None


def test_the_grouped_split_has_no_twins_where_the_random_one_has(wines: pd.DataFrame, recipe: Recipe) -> None:
    assert audit_leaks(*split_rows(wines, recipe, "grouped"), recipe).leaked_rows == 0
    assert audit_leaks(*split_rows(wines, recipe, "random"), recipe).leaked_rows > 0


def test_columns_are_compared_by_kolmogorov_and_smirnov(wines: pd.DataFrame, recipe: Recipe) -> None:
    train, test = wines.iloc[:300], wines.iloc[300:]
    found = compare_columns(train, test, recipe)
    (alcohol,) = (column for column in found if column.column == "alcohol")
    expected = ks_2samp(train["alcohol"], test["alcohol"])
    assert (alcohol.ks, alcohol.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert alcohol.limit == pytest.approx(1.358 * np.sqrt(1 / 300 + 1 / 100), rel=1e-3)


def test_the_limit_of_alike_columns_is_passed_once_in_twenty(wines: pd.DataFrame, recipe: Recipe) -> None:
    rng, passed = np.random.default_rng(0), []
    for _ in range(60):
        rows = wines.assign(**{name: rng.normal(size=len(wines)) for name in recipe.columns})
        found = compare_columns(rows.iloc[:300], rows.iloc[300:], recipe)
        passed += [column.ks > column.limit for column in found]
    assert 0.02 < np.mean(passed) < 0.09


def test_a_column_without_values_is_left_out(wines: pd.DataFrame, recipe: Recipe) -> None:
    holed = wines.assign(pH=np.nan)
    names = [column.column for column in compare_columns(holed.iloc[:300], holed.iloc[300:], recipe)]
    assert "pH" not in names
    assert len(names) == len(recipe.columns) - 1


def test_the_limit_of_a_column_goes_by_the_values_that_it_has(wines: pd.DataFrame, recipe: Recipe) -> None:
    holed = wines.assign(pH=wines["pH"].where(np.arange(len(wines)) % 5 == 0))
    found = {column.column: column for column in compare_columns(holed.iloc[:300], holed.iloc[300:], recipe)}
    assert found["pH"].limit == pytest.approx(found["alcohol"].limit * np.sqrt(5))


def test_rows_that_a_tree_does_not_take_tell_nothing_of_memory(wines: pd.DataFrame, recipe: Recipe) -> None:
    distinct = wines.drop_duplicates(list(recipe.features)).assign(chlorides=1e39)
    test = pd.concat([distinct.iloc[:50], distinct.iloc[200:260]])
    assert measure_memory(distinct.iloc[:200], test, recipe) is None


def test_the_audit_counts_test_rows_with_a_twin(recipe: Recipe, wines: pd.DataFrame) -> None:
    train, test = wines.iloc[:300].drop_duplicates(), wines.iloc[300:]
    twins = test.merge(train.assign(seen=True), how="left")["seen"].notna().sum()
    audit = audit_leaks(train, pd.concat([test, train.head(5)]), recipe)
    assert audit.leaked_rows == twins + 5


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_near_twins_are_counted_in_any_unit_and_warned_of(wines: pd.DataFrame, recipe: Recipe, unit: float) -> None:
    features = list(recipe.features)
    distinct = wines.drop_duplicates(features)
    train, test = distinct.iloc[:250].copy(), pd.concat([distinct.iloc[:40], distinct.iloc[250:]])
    noise = np.random.default_rng(0).uniform(-1e-5, 1e-5, (30, len(features)))
    test.loc[test.index[:30], features] += noise * distinct[features].std().to_numpy()
    scaled, scaled_test = (part.assign(**{name: unit * part[name] for name in features}) for part in (train, test))
    audit = audit_leaks(scaled, scaled_test, recipe)
    assert (audit.near_rows, audit.leaked_rows) == (30, 10)
    warning, *_ = find_warnings(scaled, scaled_test, recipe, "grouped", audit_leaks(scaled, scaled_test, recipe))
    assert f"30 of {len(test)} test rows are near-copies" in warning


def test_a_group_larger_than_a_fold_and_a_share_that_is_far_off_are_warned_of(wines: pd.DataFrame, recipe: Recipe) -> None:
    train, test = split_rows(wines, recipe, "grouped")
    assert find_warnings(train, test, recipe, "grouped", audit_leaks(train, test, recipe)) == []
    crowded = pd.concat([train, *[train.head(1)] * 500])
    share, group = find_warnings(crowded, test, recipe, "grouped", audit_leaks(crowded, test, recipe))
    assert "where split.test_size is 20%" in share
    assert "The largest group of equal rows has 50" in group
    assert len(find_warnings(crowded, test, recipe, "random", audit_leaks(crowded, test, recipe))) == 1


def test_a_large_table_is_audited_by_hashes_and_a_sample(wines: pd.DataFrame, recipe: Recipe, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    near = wines.head(40).assign(pH=wines["pH"].head(40) + 1e-7)  # too near for a float32, and so a twin
    nearer = wines.iloc[40:80].assign(alcohol=wines["alcohol"].iloc[40:80] + 5e-5 * wines["alcohol"].std())
    table = pd.concat([wines, near, nearer, wines.head(100)], ignore_index=True).iloc[rng.permutation(580)]
    table = table.reset_index(drop=True)
    for method in ("grouped", "random"):
        whole = audit_split(table, *split_rows(table, recipe, method), recipe, method)
        found = []
        for sampled in (0, 12 * 300):
            with holding(table.size // 3, sampled):
                keys = read_keys(rows := store(table, tmp_path), recipe)
                found.append(audit_split(keys, *split_rows(keys, recipe, method), recipe, method, rows))
        by_all, by_some = found
        assert (by_all.sampled_rows, by_some.sampled_rows, whole.sampled_rows) == (580, 300, None)
        exact = ("train_rows", "test_rows", "leaked_rows", "leaked_share", "method", "embargo_rows")
        for key in exact:
            assert getattr(by_some, key) == getattr(whole, key)
            if hasattr(whole.random_split, key):
                assert getattr(by_some.random_split, key) == getattr(whole.random_split, key)
        assert whole.random_split.near_rows > 0
        assert replace(by_all, sampled_rows=None, columns=(), memory=None, warnings=()) == replace(
            whole, columns=(), memory=None, warnings=()
        )
        assert [it.ks for it in by_all.columns] == [it.ks for it in whole.columns]
        assert "from a sample of 300 rows" in explain_audit(by_some, {})
        assert "sample" not in explain_audit(whole, {})
        if method == "random":
            assert by_all.warnings[0] == f"About {whole.warnings[0]}"
            assert by_some.near_rows == pytest.approx(whole.near_rows, rel=0.6)


def test_a_split_by_time_is_audited_though_equal_rows_join_all_groups() -> None:
    rng = np.random.default_rng(0)
    weeks = pd.date_range("2024-01-01", periods=20, freq="W")
    table = pd.DataFrame({"shop": np.repeat([f"s{shop}" for shop in range(30)], 20), "week": np.tile(weeks, 30)})
    table["promo"], table["sales"] = rng.integers(2, size=600).astype(float), rng.normal(size=600)
    columns = {"shop": {"type": "category"}, "week": {"type": "datetime", "role": "time"}, "promo": {}, "sales": {}}
    content = small_recipe() | {"target": "sales", "columns": columns, "gates": {}, "promotion": {}, "monitoring": {}}
    recipe = as_recipe(content | {"split": {"group": "shop", "time": "week"}})
    audit = audit_split(table, *split_rows(table, recipe, "grouped"), recipe, "grouped")
    assert audit.random_split.test_rows == 120
    few = table[table["shop"].isin(["s0", "s1", "s2"])].reset_index(drop=True)  # too few to split by shop, as at random
    assert audit_split(few, *split_rows(few, recipe, "grouped"), recipe, "grouped").random_split.test_rows == 12
    alone = as_recipe(content | {"split": {"group": "shop"}})
    with pytest.raises(DataError, match=r"join their groups, which makes 1 of 30 values of 'shop': add a feature") as refusal:
        split_rows(table, alone, "grouped")
    assert "larger" not in str(refusal.value)
