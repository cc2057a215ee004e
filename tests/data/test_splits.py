from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from custom.red_wine import draw
from recipeline.config.recipe import Recipe
from recipeline.data.leakage import audit_leaks
from recipeline.data.relating.grouping import row_groups
from recipeline.data.relating.relations import FOLD, deal_folds, group_rows, read_keys, relate_rows
from recipeline.data.splits import cv_folds, find_custom, split_rows
from recipeline.errors import DataError, UsageError
from tests.classes import TARGETS, class_recipe, draw_classes
from tests.conftest import as_recipe, small_recipe
from tests.large import holding, store
from tests.panels import draw_panel, draw_series, panel_recipe, series_content

RECIPE = as_recipe(small_recipe())
WINES = draw()

many = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_grouped_keeps_copies_of_a_row_together(recipe: Recipe) -> None:
    train, test = split_rows(WINES, recipe, "grouped")
    assert audit_leaks(train, test, recipe).leaked_rows == 0


def test_grouped_sets_about_a_fifth_of_the_distinct_rows_apart(recipe: Recipe) -> None:
    _, test = split_rows(WINES, recipe, "grouped")
    share = len(test.drop_duplicates()) / len(WINES.drop_duplicates())
    assert share == pytest.approx(0.2, abs=0.03)


@many
@given(st.integers(0, 2**32 - 1), st.integers(300, 1400))
def test_a_row_stays_put_when_rows_are_reordered_or_appended(seed: int, rows: int) -> None:
    some = WINES.sample(rows, random_state=seed)
    _, before = split_rows(some, RECIPE, "grouped")
    _, after = split_rows(WINES, RECIPE, "grouped")
    assert set(before.index) == set(after.index) & set(some.index)


def test_another_seed_sets_other_rows_apart(recipe: Recipe) -> None:
    _, first = split_rows(WINES, recipe, "grouped")
    _, second = split_rows(WINES, recipe.model_copy(update={"random_state": 7}), "grouped")
    assert set(first.index) != set(second.index)


def test_random_is_exactly_train_test_split(recipe: Recipe) -> None:
    train, test = split_rows(WINES, recipe, "random")
    expected_train, expected_test = train_test_split(WINES, test_size=0.2, random_state=42)
    pd.testing.assert_frame_equal(train, expected_train)
    pd.testing.assert_frame_equal(test, expected_test)


@pytest.mark.parametrize("method", ["grouped", "random"])
def test_every_training_row_is_scored_in_exactly_one_fold(recipe: Recipe, method: str) -> None:
    train, _ = split_rows(WINES, recipe, method)
    scored = np.concatenate([unseen for _, unseen in cv_folds(train, recipe, method)])
    assert sorted(scored) == list(range(len(train)))


def test_grouped_folds_keep_copies_together(recipe: Recipe) -> None:
    train, _ = split_rows(WINES, recipe, "grouped")
    groups = row_groups(train[list(recipe.features)])
    for seen, unseen in cv_folds(train, recipe, "grouped"):
        assert not set(groups[seen]) & set(groups[unseen])


def test_too_few_distinct_rows_for_the_folds_are_refused(recipe: Recipe, wines: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="distinct rows to train on"):
        split_rows(pd.concat([wines.head(2)] * 60), recipe, "grouped")


@many
@given(st.lists(st.integers(1, 40), min_size=5, max_size=60), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_folds_are_unequal_by_no_more_than_the_largest_group(sizes: list[int], folds: int, seed: int) -> None:
    groups = np.repeat(np.arange(len(sizes)).astype("uint64"), sizes)
    dealt = [unseen for _, unseen in deal_folds(groups, folds, seed)]
    assert sorted(np.concatenate(dealt)) == list(range(len(groups)))
    rows = [len(unseen) for unseen in dealt]
    assert max(rows) - min(rows) <= max(sizes)
    assert len([group for unseen in dealt for group in set(groups[unseen])]) == len(sizes)


def test_one_row_five_hundred_times_has_a_fold_of_its_own_and_the_others_share_the_rest(recipe: Recipe) -> None:
    distinct = WINES.drop_duplicates(list(recipe.features))
    train = pd.concat([distinct, *[distinct.head(1)] * 499])
    rows = sorted(len(unseen) for _, unseen in cv_folds(train, recipe, "grouped"))
    assert rows[-1] - rows[0] <= 1


def test_another_seed_deals_other_folds() -> None:
    groups = np.arange(60).astype("uint64")
    first, again, other = ([tuple(unseen) for _, unseen in deal_folds(groups, 3, seed)] for seed in (1, 1, 2))
    assert first == again != other


@many
@given(st.integers(0, 2**32 - 1))
def test_float32_and_another_order_of_the_columns_leave_every_row_on_its_side(seed: int) -> None:
    recipe = RECIPE.model_copy(update={"random_state": seed})
    columns = dict(sorted(RECIPE.columns.items(), reverse=True))
    other = recipe.model_copy(update={"columns": columns})
    train, test = split_rows(WINES, recipe, "grouped")
    train_32, test_32 = split_rows(WINES.astype("float32"), other, "grouped")
    assert (list(train.index), list(test.index)) == (list(train_32.index), list(test_32.index))
    for (_, one), (_, two) in zip(cv_folds(train, recipe, "grouped"), cv_folds(train_32, other, "grouped"), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("method", ["grouped", "random"])
def test_a_fold_whose_target_does_not_vary_is_named(recipe: Recipe, method: str) -> None:
    train, _ = split_rows(WINES, recipe, method)
    folds = [unseen for _, unseen in cv_folds(train, recipe, method)]
    constant = WINES.copy()
    constant.loc[train.index[folds[1]], "quality"] = 5
    with pytest.raises(DataError, match=r"Fold 1 of the cross-validation has no R2.*Got 5 in each of its"):
        split_rows(constant, recipe, method)


def test_near_copies_are_joined_where_the_recipe_asks_for_it(recipe: Recipe) -> None:
    rng = np.random.default_rng(0)
    distinct = WINES.drop_duplicates(list(recipe.features)).head(200)
    near = distinct.copy()
    near[list(recipe.features)] += rng.normal(0, 1e-9, (200, len(recipe.features)))
    both = pd.concat([distinct, near], ignore_index=True)
    leaking = audit_leaks(*split_rows(both, recipe, "grouped"), recipe)
    assert leaking.near_rows > 10
    joining = recipe.model_copy(update={"split": recipe.split.model_copy(update={"tolerance": 1e-4})})
    train, test = split_rows(both, joining, "grouped")
    assert audit_leaks(train, test, joining).near_rows == 0
    groups = group_rows(train, joining)
    for seen, unseen in cv_folds(train, joining, "grouped"):
        assert not set(groups[seen]) & set(groups[unseen])


# --- a rule of the project's own ------------------------------------------------------------------------------------------


def test_a_rule_of_the_projects_own_chooses_the_test_rows() -> None:
    panel = draw_panel()
    train, test = split_rows(panel, panel_recipe(group="person", custom="tests.panels.late_people"), "grouped")
    assert (train["person"].max(), test["person"].min(), len(train) + len(test)) == (1029, 1030, len(panel))
    rule = {"path": "tests.panels.late_people", "params": {"first": 1025}}
    _, test = split_rows(panel, panel_recipe(custom=rule), "grouped")
    assert test["person"].min() == 1025


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("numbers", UsageError, "must return a boolean for each of the 240 rows.*the type int64"),
        ("short", UsageError, "239 values"),
        ("table", UsageError, "2 dimensions"),
        ("moved", UsageError, "another index than the table's"),
        ("torn", UsageError, "the rows of a group on one side. Got 40 groups on both, for example person 1000"),
        ("ragged", UsageError, "must return a boolean for each of the 240 rows.*values of several lengths"),
        ("three", UsageError, "values of several lengths"),
        ("none", DataError, "2 different targets to test on. Got 40 and 0 instead. Correct tests.panels.no_choice, or name a"),
        ("all", DataError, "to train on and 2 different targets to test on. Got 0 and 240 instead. Correct tests.panels.no_ch"),
    ],
)
def test_what_is_no_choice_of_test_rows_is_refused(kind: str, error: type[Exception], words: str) -> None:
    rule = {"path": "tests.panels.no_choice", "params": {"kind": kind}}
    with pytest.raises(error, match=words):
        split_rows(draw_panel(), panel_recipe(group="person", custom=rule), "grouped")


@pytest.mark.parametrize("kind", ["whole", "frame", "hashes", "huge"])
def test_a_rule_may_deal_the_folds_too_and_they_are_those_of_every_fit(kind: str) -> None:
    recipe = panel_recipe(group="person", custom={"path": "tests.panels.years_apart", "params": {"kind": kind}})
    train, test = split_rows(draw_panel(), recipe, "grouped")
    assert FOLD not in test
    dealt = list(cv_folds(train, recipe, "grouped"))
    parts = [set(train["person"].iloc[unseen] % 3) for _, unseen in dealt]
    assert sorted(parts, key=min) == [{0}, {1}, {2}]
    for seen, unseen in dealt:
        assert sorted([*seen, *unseen]) == list(range(len(train)))
    inside = relate_rows(train, recipe).take(dealt[0][0])  # a search within the first fold has the two others
    assert [set(train["person"].iloc[dealt[0][0]].iloc[unseen] % 3) for _, unseen in inside.deal(5, 0)] == parts[1:]
    alone = relate_rows(train, recipe).take(dealt[0][1])
    assert len(list(alone.deal(5, 0))) == 5  # one fold cannot be divided by folds


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("gap", "every training row the number of a fold, 0 or above, .* Got 30 training rows in no fold"),
        ("missing", "Got 30 training rows in no fold"),
        ("half", "Got 180 training rows in no fold"),
        ("one", "must return two folds at least. Got 1 instead"),
        ("text", "the number of a fold, .* for each of the 240 rows beside the booleans. Got the type"),
        ("short", "239 values"),
        ("ragged", "the number of a fold, .* values of several lengths"),
        ("torn", "the rows of a group on one side, and in one fold. Got 30 groups in several, for example person 1000"),
    ],
)
def test_what_are_no_folds_is_refused(kind: str, words: str) -> None:
    recipe = panel_recipe(group="person", custom={"path": "tests.panels.years_apart", "params": {"kind": kind}})
    with pytest.raises(UsageError, match=words):
        split_rows(draw_panel(), recipe, "grouped")


def test_a_fold_of_a_rule_whose_target_does_not_vary_is_the_rules_fault() -> None:
    recipe = panel_recipe(group="person", custom="tests.panels.years_apart")
    panel = draw_panel()
    panel.loc[panel["person"] % 3 == 1, "wage"] = 7
    with pytest.raises(DataError, match=r"Correct the folds of tests\.panels\.years_apart"):
        split_rows(panel, recipe, "grouped")


@many
@given(st.sampled_from([("s", 1), ("min", 60), ("h", 3600), ("d", 86400), ("w", 604800)]), st.integers(1, 20))
def test_a_duration_is_the_embargo_in_seconds(unit: tuple[str, int], count: int) -> None:
    word, seconds = unit
    times = pd.Series(pd.date_range("2024-01-01", periods=300, freq=f"{seconds}s"), dtype="datetime64[us]")
    table = draw_series(300).assign(moment=times)
    content = series_content(time="moment", embargo=f"{count}{word}")
    content["columns"]["moment"] = {"type": "datetime", "role": "time"}
    content["cv"]["folds"] = 2
    train, test = split_rows(table, recipe := as_recipe(content), "grouped")
    assert len(table) - len(train) - len(test) == count
    content["split"]["embargo"] = count * seconds
    other, _ = split_rows(table, as_recipe(content), "grouped")
    assert train.index.equals(other.index)
    assert recipe.split.embargo_words == f"{count}{word}"


def test_a_group_of_text_that_a_rule_tears_is_named() -> None:
    panel = draw_panel()
    panel["person"] = ("p" + panel["person"].astype(int).astype(str)).astype("str")
    with pytest.raises(UsageError, match="Got 40 groups on both, for example person p1000"):
        split_rows(panel, panel_recipe(group="person", custom="tests.panels.late_years"), "grouped")


@pytest.mark.parametrize(("path", "words"), [("tests.panels.nobody", "has no 'nobody'"), ("tests.panels.PEOPLE", "a function")])
def test_a_rule_that_is_no_function_is_refused(path: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        find_custom(panel_recipe(custom=path))
    assert find_custom(panel_recipe()) is None


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("tests.panels.no_choice", "missing a required argument: 'kind'"),
        ({"path": "tests.panels.late_people", "params": {"frist": 3}}, "unexpected keyword argument 'frist'"),
        ({"path": "tests.panels.late_people", "params": {"table": 3}}, "multiple values for argument 'table'"),
        ("tests.panels.draw_nothing", "has no 'draw_nothing'"),
    ],
)
def test_arguments_that_a_rule_does_not_take_are_refused_before_anything_runs(rule: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        find_custom(panel_recipe(custom=rule))


def test_test_rows_of_a_single_group_are_refused() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=120), "site": np.repeat(np.arange(12.0), 10)})
    table["y"] = table["x"] + rng.normal(size=120)
    content = small_recipe() | {"target": "y", "columns": {"x": {}, "site": {"type": "integer"}, "y": {}}, "gates": {}}
    content |= {"split": {"group": "site", "test_size": 0.08}, "promotion": {}, "monitoring": {}}
    with pytest.raises(DataError, match=r"at least 2 groups by site: a single one .* Got 1 instead\. Raise split\.test_size"):
        split_rows(table, as_recipe(content), "grouped")
    content["split"]["test_size"] = 0.2
    assert split_rows(table, as_recipe(content), "grouped")[1]["site"].nunique() == 2


def with_twins_of_labels() -> tuple[pd.DataFrame, Recipe]:
    table = draw_classes(["low", "mid", "high"], 300)
    recipe = class_recipe("multiclass", {"type": "category"})
    return pd.concat([table, table.head(40)], ignore_index=True)[[*recipe.columns]], recipe


TABLES = {
    "wines": lambda: (WINES, RECIPE),
    "people": lambda: (draw_panel(), panel_recipe()),
    "people over time": lambda: (draw_panel(years=30), panel_recipe(time="year")),
    "labels": with_twins_of_labels,
}


@pytest.mark.parametrize("method", ["grouped", "random"])
@pytest.mark.parametrize("name", TABLES)
def test_a_large_table_is_split_by_its_keys_as_its_rows_are(name: str, method: str, tmp_path: Path) -> None:
    table, recipe = TABLES[name]()
    with holding(table.size // 3):
        keys = read_keys(rows := store(table, tmp_path), recipe)
        for side, whole in zip(split_rows(keys, recipe, method), split_rows(table, recipe, method), strict=True):
            assert side.index.tolist() == whole.index.tolist()
            selected = pd.concat(rows.select(side.index.to_numpy()))
            pd.testing.assert_frame_equal(selected, whole.sort_index(), check_index_type=False)


@pytest.mark.parametrize(("key", "method"), [("group", "grouped"), ("time", "grouped"), ("group", "random")])
def test_a_column_that_cannot_divide_the_rows_is_named(key: str, method: str) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=120), "site": 1.0, "y": rng.normal(size=120)})
    content = small_recipe() | {"target": "y", "columns": {"x": {}, "site": {"type": "integer"}, "y": {}}, "gates": {}}
    content |= {"split": {key: "site"}, "promotion": {}, "monitoring": {}}
    words = rf"'site' has too few different values in all rows \(1\): name another split\.{key}"
    with pytest.raises(DataError, match=words):
        split_rows(table, as_recipe(content), method)


@pytest.mark.parametrize(
    ("task", "column", "labels", "positive"), [(task, *case) for task in TARGETS for case in TARGETS[task]]
)
@pytest.mark.parametrize("method", ["grouped", "random"])
@pytest.mark.parametrize("seed", range(4))
def test_a_label_of_a_single_row_is_named_on_whichever_side_it_is(
    task: str, column: dict[str, Any], labels: list[Any], positive: Any, method: str, seed: int
) -> None:
    table, recipe = draw_classes(labels, 60), class_recipe(task, column, positive, random_state=seed)
    last = table["y"] == labels[-1]
    table = table[~last | (np.arange(len(table)) == np.flatnonzero(last)[0])].reset_index(drop=True)
    words = r"Each label of 'y' must have .*Got [01] of the label|2 different targets to test on\. Got \d+ and 1"
    with pytest.raises(DataError, match=words):
        split_rows(table, recipe, method)
